"""The page for the ticket: whole, escaped, and in need of nothing else."""

import io
import re

import msgspec

from service.contract.correlated import Correlated
from service.edges.report import COLUMNS, row, write_report

HOSTILE = '<script>alert("x")</script>'


def page(**fields):
    record = {
        "schema": "mailgap.correlated/1", "mail_id": HOSTILE, "ses_message_id": None, "message_id_header": HOSTILE,
        "queue_ids": [HOSTILE], "stream": HOSTILE, "region": None, "sender": HOSTILE, "submitted_at": None,
        "accepted_at": None, "revision": 1,
        "recipients": [
            {"address": HOSTILE, "domain": "", "outcome": "refused", "at": None, "detail": {"reply": HOSTILE}},
        ],
        "verdict": {"stage": "ses", "cause": "in_progress", "explanation": HOSTILE, "next_step": HOSTILE},
        "trail": [{"at": "2026-01-01T00:00:00.000Z", "source": "smtp", "fact": HOSTILE, "evidence": HOSTILE}],
    } | fields  # fmt: skip
    out = io.BytesIO()
    write_report(out, [row(msgspec.convert(record, Correlated))])
    return out.getvalue().decode()


def test_what_came_in_a_mail_is_text_wherever_it_is_shown():
    text = page()
    assert HOSTILE not in text
    assert text.count("<script>") == 1


def test_the_page_asks_nobody_for_anything():
    assert not re.search(r"(src|href)=|https?://|url\(|@import", page())


def test_its_policy_allows_its_own_script_and_no_other():
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page())[1]
    assert "default-src 'none'" in policy
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]+'", policy)


def test_what_turns_the_writing_around_is_shown_by_its_number():
    text = page(sender="a\u202eelpmaxe.b\u2066@x.example")
    assert "a[U+202E]elpmaxe.b[U+2066]@x.example" in text
    assert "\u202e" not in text


def test_the_state_of_a_gap_is_said_in_words_and_not_by_colour_alone():
    gap = {
        "gap_id": "g", "kind": "sent_no_ses_id", "cause": "rate_exceeded", "recipient": None,
        "deadline": "2026-01-01T00:00:00.000Z", "opened_at": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    ended = gap | {"resolved_at": "2026-01-01T00:00:09.000Z", "resolution": "accepted"}
    assert "rate_exceeded (open)" in page(gaps=[gap])
    assert "rate_exceeded (ended)" in page(gaps=[ended])


def test_a_page_of_no_mail_says_so():
    out = io.BytesIO()
    write_report(out, [])
    assert "No mail was found" in out.getvalue().decode()
    assert "No mail was found" not in page()


def test_what_can_be_worked_with_has_a_name_and_headings_do_not_skip_a_level():
    text = page()
    for control in ("input", "select"):
        assert len(re.findall(f"<{control} ", text)) == len(re.findall(rf"<label>[^<]+<{control} ", text)) == 1
    assert re.findall(r'<th scope="col"><button type="button">([^<]+)', text) == list(COLUMNS)
    assert {int(level) for level in re.findall(r"<h(\d)>", text)} == {1, 2}
    assert '<html lang="en">' in text
