"""`mailgap explain`: whatever somebody was told to look for leads to the mail, and the story is whole."""

import msgspec
import pytest
from click.testing import CliRunner

from service.cli import cli
from service.contract.correlated import Correlated
from service.finding import forms, matches
from service.privacy import Pseudonyms

SES_ID = "0100019a00000000-11112222-3333-4444-5555-666677778888-000000"
LINES = f"""\
2025-10-20T08:00:00.000+00:00 mx1 postfix/smtpd[7]: 4A1B2C3D4E: client=app1.shop.example[10.0.0.7]
2025-10-20T08:00:00.010+00:00 mx1 postfix/cleanup[7]: 4A1B2C3D4E: message-id=<one@app.shop.example>
2025-10-20T08:00:00.020+00:00 mx1 postfix/qmgr[7]: 4A1B2C3D4E: \
from=<orders@shop.example>, size=9, nrcpt=1 (queue active)
2025-10-20T08:00:00.500+00:00 mx1 postfix/smtp[7]: 4A1B2C3D4E: to=<ada@mail.example>, \
relay=email-smtp.us-east-1.amazonaws.com[192.0.2.1]:587, delay=0.5, delays=0/0/0/0.5, dsn=2.0.0, \
status=sent (250 Ok {SES_ID})
2025-10-20T08:00:00.510+00:00 mx1 postfix/qmgr[7]: 4A1B2C3D4E: removed
"""
ALL_NAMES = [
    SES_ID,
    "4A1B2C3D4E",
    "mx1/4A1B2C3D4E",
    "<one@app.shop.example>",
    "one@app.shop.example",
    "ada@mail.example",
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "mail.log"
    path.write_text(LINES)
    return str(path)


@pytest.mark.parametrize("name", ALL_NAMES)
def test_every_name_of_a_mail_leads_to_its_story(log, name):
    result = CliRunner().invoke(cli, ["explain", name, "--smtp", log])
    assert result.exit_code == 0
    for said in (SES_ID, "orders@shop.example", "SES accepted it", f"{log}:4", "What to do"):
        assert said in result.output


def test_a_mail_that_is_not_there_is_said_so_in_a_sentence(log):
    result = CliRunner().invoke(cli, ["explain", "bob@mail.example", "--smtp", log])
    assert result.exit_code == 1
    assert "'bob@mail.example' is in none of the mails" in result.output


def test_a_recipient_is_found_by_the_address_under_its_pseudonym():
    hide = Pseudonyms(b"0123456789abcdef", "k1")
    record = {
        "schema": "mailgap.correlated/1", "mail_id": "m", "ses_message_id": None, "message_id_header": None,
        "queue_ids": [], "stream": "s", "region": None, "sender": "", "submitted_at": None, "accepted_at": None,
        "revision": 1, "recipients": [{"address": hide.address("ada@mail.example"), "domain": "mail.example",
                                       "outcome": "pending", "at": None}],
        "verdict": {"stage": "ses", "cause": "in_progress", "explanation": "", "next_step": ""},
    }  # fmt: skip
    document = msgspec.convert(record, Correlated)
    assert matches(document, forms("ada@mail.example", [hide]))
    assert not matches(document, forms("ada@mail.example"))


def test_several_paths_may_follow_one_flag(tmp_path, log):
    other = tmp_path / "other.log"
    other.write_text(LINES.replace("4A1B2C3D4E", "5A1B2C3D4E").replace("0100019a", "0100019b"))
    for name in ("4A1B2C3D4E", "5A1B2C3D4E"):
        result = CliRunner().invoke(cli, ["explain", name, "--smtp", log, str(other), "--timezone", "UTC"])
        assert result.exit_code == 0
        assert name in result.output
    result = CliRunner().invoke(cli, ["scan", "--smtp", log, str(other), "--ses", "-", "--format", "jsonl"], input="")
    assert result.exit_code == 0
    assert result.stdout.count('"mail_id"') == 2
