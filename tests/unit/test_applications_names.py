"""Under which name, from where and when an application's statement is."""

from __future__ import annotations

import pytest

from service.facts import Accepted
from service.parsing.applications.names import mid_submission, own_message_id, refusal_submission, ses_id_of
from tests.unit.application_lines import ID, MID, RATE, SEEN, UNVERIFIED, one, said

# Lines of logs stand as they were written.


# -- nameless mails --------------------------------------------------------------------------------------------------


def test_a_refusal_without_a_name_is_a_mail_of_its_own() -> None:
    line = f"Mar  5 11:59:58 web app[1]: order 123: 454 {RATE}"
    ((name, _),) = said(line)
    assert name.startswith("Q:web/app:")
    assert len(name) == len("Q:web/app:") + 16
    assert name == said(line)[0][0]
    assert name != said(line.replace("123", "124"))[0][0], "another order"
    assert name != said(line.replace("11:59:58", "11:59:59"))[0][0], "another second"
    assert name != said(line.replace("app[1]", "billing[1]"))[0][0], "another program"


def test_a_trace_repeats_itself_and_tells_of_one_mail() -> None:
    trace = (
        f"org.springframework.mail.MailSendException: Failed messages: x.SMTPSendFailedException: 554 {UNVERIFIED}\n"
        "\tat a.b.C.d(C.java:1)\n"
        f"Caused by: x.SMTPSendFailedException: 554 {UNVERIFIED}\n\tat a.b.C.d(C.java:1)\n\t... 5 more"
    )
    facts = said(trace)
    assert len(facts) == 2
    assert len({name for name, _ in facts}) == 1


def test_the_name_of_a_nameless_refusal_has_sixteen_digits() -> None:
    assert refusal_submission("", "app", "x", SEEN).startswith("-/app:")
    assert refusal_submission("Web", "app", "x", SEEN) == refusal_submission("web", "app", "x", SEEN + 500)


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        (f"<{MID}>", MID),
        (f" {MID} ", MID),
        (f"<{ID}@email.amazonses.com>", ""),
        (f"<{ID}@eu-west-1.amazonses.com>", ""),
        ("123e4567-e89b-12d3-a456-426614174000", ""),
        ("<a b@c>", ""),
        ("", ""),
        ("a@" + "b" * 2000, ""),
    ],
)
def test_the_applications_own_message_id_is_never_sess(text: str, message_id: str) -> None:
    assert own_message_id(text) == message_id


def test_an_id_of_another_service_is_no_ses_id() -> None:
    assert ses_id_of(ID) == ID
    assert ses_id_of("123e4567-e89b-12d3-a456-426614174000") == ""


def test_the_submission_of_a_message_id_is_its_hash() -> None:
    assert mid_submission("a@b.example") == "mid:a454dfe90ea1e855d7eed33a67bf1fe3"


# -- when and where --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "at", "floating"),
    [
        (f"[2024-03-05 11:00:00] DEBUG [x] S: 250 Ok {ID}", SEEN - 3_600_000, True),
        (f"2024/03/05 11:00:00 Mail sent: 250 Ok {ID}", SEEN - 3_600_000, True),
        (f"2024-03-05T13:00:00.500+02:00 INFO Mail sent: 250 Ok {ID}", SEEN - 3_600_000 + 500, False),
        (f"I, [2024-03-05T11:00:00.250000 #7]  INFO -- : Mail sent: 250 Ok {ID}", SEEN - 3_600_000 + 250, True),
        (f"Mail sent: 250 Ok {ID}", SEEN, False),
    ],
)
def test_the_applications_own_stamp_dates_the_line(line: str, at: int, floating: bool) -> None:  # noqa: FBT001
    fact = one(line)
    assert isinstance(fact, Accepted)
    assert (fact.at, fact.floating) == (at, floating)


def test_a_level_is_no_host() -> None:
    ((name, _),) = said(f"2024-03-05 11:59:58,123 ERROR mailer: 454 {RATE}")
    assert name.startswith("Q:-/app:")
