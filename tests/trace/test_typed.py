"""Whatever is typed or pasted is looked for by the names in it, and finds nothing politely where there are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.enums import Outcome
from service.privacy import Pseudonyms
from service.trace.masking import is_raw, masked
from service.trace.typed import questions
from tests.trace.mails import gap, mail, ses_id, to

HIDE = Pseudonyms(b"k" * 32)
LINE = (
    f"Nov 24 09:00:01 mx1 postfix/smtp[812]: 4DQXyz3Kz9zJ: to=<ada@example.org>, relay=ses,"
    f" status=sent (250 Ok {ses_id(7)})"
)


@pytest.mark.parametrize("typed", ["ada@example.org", " <ada@example.org> ", "ADA@example.org"])
def test_an_address_is_looked_for_as_itself_and_under_every_key(typed):
    other = Pseudonyms(b"former key, retired")
    names = questions(typed, [HIDE, other])[0]
    assert {HIDE.address("ada@example.org"), other.address("ada@example.org")} <= names
    assert "ada@example.org" in {name.casefold() for name in names}


def test_a_log_line_is_looked_for_by_its_ids_before_its_addresses():
    first, ses, queue, addresses, *_ = questions(LINE, [HIDE])
    assert LINE in first
    assert ses_id(7) in ses
    assert "4DQXyz3Kz9zJ" in queue
    assert "ada@example.org" not in queue, "a line without an SES id is of one mail, and not of all of Ada's"
    assert {"ada@example.org", HIDE.address("ada@example.org")} <= addresses


@pytest.mark.parametrize("typed", ["", " \t\n", "\x0b"])
def test_nothing_asks_for_nothing(typed):
    assert questions(typed, [HIDE]) == []


@given(st.text(max_size=6000))
def test_anything_may_be_typed(typed):
    for names in questions(typed, [HIDE]):
        assert names
        assert "" not in names
        assert len(names) <= 24 * 12


def test_pseudonyms_are_shown_as_they_are():
    hidden = mail(
        sender=HIDE.address("shop@app.example"), recipients=(to(HIDE.address("a@b.example"), Outcome.DELIVERED),)
    )
    assert not is_raw(hidden)
    assert masked(hidden, Pseudonyms(b"another key")) == hidden


def test_a_raw_record_is_masked_in_every_field():
    secret = "ada.lovelace@example.org"
    document = mail(
        sender="shop.owner@app.example",
        message_id_header="<ada.lovelace=example.org@app.example>",
        recipients=(
            to(secret, Outcome.BOUNCED, diagnostic=f"550 no mailbox {secret} here", reply="ada.lovelace unknown"),
        ),
        gaps=(gap(recipient=secret),),
    )
    from msgspec.structs import replace  # noqa: PLC0415

    step = replace(document.trail[0], recipients=(secret,), said=f"to=<{secret}>")
    verdict = replace(document.verdict, explanation=f"Nobody took it for {secret}.", next_step=f"Ask {secret}.")
    shown = masked(replace(document, trail=(step,), verdict=verdict), HIDE)
    text = str(shown).casefold()
    assert "lovelace" not in text
    assert "shop.owner" not in text
    assert shown.recipients[0].address == shown.gaps[0].recipient == HIDE.address(secret)
    assert shown.mail_id == document.mail_id
