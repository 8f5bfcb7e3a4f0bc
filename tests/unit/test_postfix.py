"""What each line of Postfix says about a mail, and what it must not be made to say."""

from __future__ import annotations

import pytest

from service.facts import (
    Cause,
    Closed,
    Deferred,
    Elsewhere,
    Identified,
    LineFact,
    Queued,
    Refused,
    Started,
    Unconfirmed,
)
from service.parsing.postfix import is_postfix, parse_postfix
from service.parsing.syslog import Line
from tests.unit.postfix_lines import ALIAS, ANN, AT, FILTER, ID, MX, ODD_ID, QID, SES, accepted, delivery, facts_of

# -- the life of a mail in the queue ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "rest", "fact"),
    [
        ("postfix/smtpd", "client=app.shop.example[10.0.0.7]", Started(AT, False, "app.shop.example")),
        ("postfix/smtpd", "client=app.shop.example[10.0.0.7]:50000, sasl_method=PLAIN, sasl_username=app",
         Started(AT, False, "app.shop.example")),
        ("postfix/submission/smtpd", "client=app[10.0.0.7]", Started(AT, False, "app")),
        ("postfix/smtpd", "client=unknown[10.0.0.7]", Started(AT, False, "10.0.0.7")),
        ("postfix/smtpd", "client=localhost[127.0.0.1], orig_queue_id=9F8E7D6C5B, orig_client=app[10.0.0.7]",
         Started(AT, False, "app")),
        ("postfix/pickup", "uid=33 from=<www-data>", Started(AT, False, "uid=33")),
        ("postfix/pickup", "uid=108 from=<app@shop.example> orig_id=9F8E7D6C5B",
         Started(AT, False, "uid=108", "9F8E7D6C5B")),
        ("postfix/pickup", "uid=108 from=<a> orig_id=nonsense!", Started(AT, False, "uid=108")),
        ("postfix/cleanup", "message-id=<1.2@shop.example>", Identified(AT, False, "1.2@shop.example")),
        ("postfix/cleanup", "message-id=<1.2@shop.example> (added by hub)", Identified(AT, False, "1.2@shop.example")),
        ("postfix/cleanup", "message-id==?UTF-8?B?PDEuMj4=?=", Identified(AT, False, "=?UTF-8?B?PDEuMj4=?=")),
        ("postfix/cleanup", "message-id=" + "x" * 2000, Identified(AT, False, "x" * 998)),
        ("postfix/sender-cleanup/cleanup", "message-id=<a@b>", Identified(AT, False, "a@b")),
        ("postfix/cleanup", "reject: header Subject: Win! from app[10.0.0.7]; from=<a@b> to=<c@d>: no",
         Closed(AT, False, "discarded")),
        ("postfix/cleanup", "milter-reject: END-OF-MESSAGE from app[10.0.0.7]: 5.7.1 Spam; from=<a@b> to=<c@d>",
         Closed(AT, False, "discarded")),
        ("postfix/cleanup", "discard: header X-Drop: 1 from app[10.0.0.7]; from=<a@b> to=<c@d>",
         Closed(AT, False, "discarded")),
        ("postfix/cleanup", "milter-discard: END-OF-MESSAGE from app[10.0.0.7]: milter triggers DISCARD action",
         Closed(AT, False, "discarded")),
        ("postfix/qmgr", f"from=<{ANN}>, size=2048, nrcpt=3 (queue active)", Queued(AT, False, ANN, 3)),
        ("postfix/qmgr", "from=<>, size=2048, nrcpt=1 (queue active)", Queued(AT, False, "", 1)),
        ("postfix/qmgr", "from=<odd>name@shop.example>, size=1, nrcpt=1 (queue active)",
         Queued(AT, False, "odd>name@shop.example", 1)),
        ("postfix/qmgr", "removed", Closed(AT, False, "removed")),
        ("postfix/qmgr", f"from=<{ANN}>, status=expired, returned to sender",
         Refused(AT, False, (), Cause.OTHER_REFUSAL, "expired, returned to sender")),
        ("postfix/qmgr", f"from=<{ANN}>, status=force-expired, returned to sender",
         Refused(AT, False, (), Cause.OTHER_REFUSAL, "force-expired, returned to sender")),
        ("postfix/postsuper", "removed", Closed(AT, False, "deleted")),
        ("postfix/postsuper", "requeued", Closed(AT, False, "requeued")),
    ],
)  # fmt: skip
def test_from_taking_it_in_to_being_done_with_it(program: str, rest: str, fact: LineFact) -> None:
    assert facts_of(program, f"{QID}: {rest}") == [fact]


@pytest.mark.parametrize("service", ["error", "cleanup", "qmgr"])
def test_a_recipient_whom_postfix_itself_does_not_know_is_none_of_sess(service: str) -> None:
    rest = f"to=<{ANN}>, relay=none, delay=0.1, delays=0/0/0/0, dsn=5.1.1, status=bounced"
    unknown = facts_of(f"postfix/{service}", f"{QID}: {rest} (User unknown in virtual alias table)")
    assert unknown == [Elsewhere(AT, False, (ANN,), "none", "")]
    (other,) = facts_of(f"postfix/{service}", f"{QID}: {rest} (mail for example.com loops back to myself)")
    assert isinstance(other, Refused)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("postfix/smtpd", "connect from app.shop.example[10.0.0.7]"),
        ("postfix/smtpd", "NOQUEUE: reject: RCPT from app[10.0.0.7]: 550 5.1.1 No; from=<a@b> to=<c@d>"),
        ("postfix/smtpd", f"{QID}: reject: RCPT from app[10.0.0.7]: 550 5.1.1 No; from=<a@b> to=<c@d>"),
        ("postfix/cleanup", f"{QID}: message-id=<>"),
        ("postfix/cleanup", f"{QID}: message-id="),
        ("postfix/cleanup", f"{QID}: resent-message-id=<a@b>"),
        ("postfix/cleanup", f"{QID}: milter-reject: RCPT from app[10.0.0.7]: 5.7.1 No; from=<a@b> to=<c@d>"),
        ("postfix/cleanup", f"{QID}: milter-hold: END-OF-MESSAGE from app[10.0.0.7]"),
        ("postfix/cleanup", f"{QID}: prepend: header X: y from app[10.0.0.7]; from=<a@b> to=<c@d>: Z: 1"),
        ("postfix/qmgr", f"{QID}: skipped, still being delivered"),
        ("postfix/bounce", f"{QID}: sender non-delivery notification: 5A1B2C3D4E"),
        ("postfix/postsuper", f"{QID}: placed on hold"),
        ("postfix/postsuper", "Deleted: 3 messages"),
        ("postfix/smtp", f"{QID}: conversation with {SES} timed out while receiving the initial server greeting"),
        ("postfix/smtp", f"{QID}: host {SES} said: 451 Temporary service failure (in reply to MAIL FROM command)"),
        ("postfix/smtp", f"connect to {SES}: Connection timed out"),
        ("postfix/smtp", "warning: to=<a@b>, relay=none, status=sent (250 Ok)"),
        ("postfix/anvil", "statistics: max cache size 1 at Mar  5 12:00:00"),
        ("postfix/verify", f"{QID}: to=<a@b>, relay=x, status=deliverable (250 Ok)"),
        ("postfix/postfix-script", "starting the Postfix mail system"),
        ("postfix", "warning: something"),
    ],
)
def test_lines_that_say_nothing_of_a_mail(program: str, message: str) -> None:
    assert facts_of(program, message) == []


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("postfix/smtp", delivery(SES, "deliverable", "250 Ok")),
        ("postfix/smtp", delivery(SES, "undeliverable", "host said: 550 No")),
        ("postfix/error", delivery("none", "undeliverable-but-not-cached", "User unknown")),
    ],
)
def test_a_probe_of_an_address_was_never_a_mail(program: str, message: str) -> None:
    (fact,) = facts_of(program, message)
    assert isinstance(fact, Closed)
    assert fact.how == "discarded"


# -- whose line it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "host", "name"),
    [
        ("postfix/qmgr", "Mail.Shop.Example", b"Q:mail.shop.example/" + QID.encode()),
        ("postfix-out/qmgr", "mx1", b"Q:mx1/postfix-out/" + QID.encode()),
        # The label of one transport's outgoing address; the queue manager of the same mail says `postfix`.
        ("postfix-192.0.2.1/qmgr", "mx1", b"Q:mx1/" + QID.encode()),
        ("mta2/qmgr", "mx1", b"Q:mx1/mta2/" + QID.encode()),
        ("postfix/relay/qmgr", "mx1", b"Q:mx1/" + QID.encode()),
        ("postfix/qmgr", "", b"Q:-/" + QID.encode()),
    ],
)
def test_a_submission_is_host_instance_and_queue_id(program: str, host: str, name: bytes) -> None:
    assert parse_postfix(Line(AT, False, host, program, f"{QID}: removed")) == [(name, Closed(AT, False, "removed"))]


@pytest.mark.parametrize("queue_id", ["3F1B7", "4A1B2C3D4E", "4TqZzL1fGkz9VbN", "3fvvLLzXTHz1"])
def test_queue_ids(queue_id: str) -> None:
    assert facts_of("postfix/qmgr", f"{queue_id}: removed") == [Closed(AT, False, "removed")]


@pytest.mark.parametrize("word", ["NOQUEUE", "warning", "fatal", "3F1", "statistics", "", "4A1B 2C3D", "reload-config"])
def test_words_that_are_no_queue_ids(word: str) -> None:
    assert facts_of("postfix/qmgr", f"{word}: removed") == []


@pytest.mark.parametrize(
    ("program", "is_one"),
    [
        ("postfix/smtp", True),
        ("postfix", True),
        ("postfix-out/smtp", True),
        ("postfix/submission/smtpd", True),
        ("mta2/cleanup", True),
        ("smtpd", False),
        ("opendkim", False),
        ("dovecot/lmtp-in", False),
        ("postfixadmin", False),
        ("", False),
    ],
)
def test_tags(program: str, is_one: bool) -> None:  # noqa: FBT001
    assert is_postfix(program) is is_one


def test_a_tag_that_was_cut_at_the_slash_still_tells_what_it_can() -> None:
    assert facts_of("postfix", delivery(SES, "sent", f"250 Ok {ID}")) == [accepted()]
    assert facts_of("postfix", delivery("local", "sent", "delivered to mailbox")) == [elsewhere("local")]
    assert facts_of("postfix", f"{QID}: removed") == [Closed(AT, False, "removed")]
    assert facts_of("postfix", f"{QID}: client=app[10.0.0.7]") == [Started(AT, False, "app")]


# -- deliveries ------------------------------------------------------------------------------------------------------


def elsewhere(relay: str, queued_as: str = "") -> Elsewhere:
    return Elsewhere(AT, False, (ANN,), relay, queued_as)


def test_an_accepted_mail_is_known_by_both_of_its_names() -> None:
    found = parse_postfix(Line(AT, False, "mx1", "postfix/smtp", delivery(SES, "sent", f"250 Ok {ID}")))
    assert found == [(b"Q:mx1/" + QID.encode(), accepted()), (b"S:" + ID.encode(), accepted())]


@pytest.mark.parametrize(
    "local",
    ["re(ad", "re)ad", "re<ad", "re>ad", "re[ad", "re]ad", "re:ad", "re;ad", "re,ad", "re@ad", "re\\ad", 're"ad',
     "re'ad", "re ad", '"re ad"', '"re\\"ad"', "re, ad", "re>, x"],
)  # fmt: skip
def test_a_local_part_may_hold_nearly_anything(local: str) -> None:
    to = f"{local}@shop.example"
    for more in ("", "orig_to=<list@shop.example>, ", "orig_to=<odd>, one@shop.example>, "):
        line = delivery(SES, "sent", f"250 Ok {ID}", f"<{to}>", more)
        assert facts_of("postfix/smtp", line) == [accepted(to)]


@pytest.mark.parametrize(
    ("relay", "text", "fact"),
    [
        (SES, f"250 Ok {ODD_ID}", accepted(ses_id=ODD_ID)),
        ("vpce-1.email-smtp.us-east-2.vpce.amazonaws.com[10.0.0.9]:587", f"250 Ok {ID}", accepted(region="us-east-2")),
        (FILTER, f"250 Ok {ID}", accepted(region="")),
        (FILTER, f"250 Ok {ODD_ID}", accepted(ses_id=ODD_ID, region="")),
        ("smtp-out.shop.example[10.0.0.4]:25", "250 Ok", Unconfirmed(AT, False, (ANN,), "250 Ok")),
        (SES, "250 Ok", Unconfirmed(AT, False, (ANN,), "250 Ok")),
        (SES, "250 Ok something something", Unconfirmed(AT, False, (ANN,), "250 Ok something something")),
        (MX, f"250 Ok {ID}", elsewhere("mx.mail.example")),
        (ALIAS, f"250 Ok {ID}", accepted(region="")),
        (ALIAS, f"250 Ok {ODD_ID}", elsewhere("smtp.corp.example")),
        (ALIAS, "250 Ok", elsewhere("smtp.corp.example")),
        (MX, f"250 Ok {ODD_ID}", elsewhere("mx.mail.example")),
        (MX, "250 2.0.0 Ok: queued as 5A1B2C3D4E", elsewhere("mx.mail.example")),
        (FILTER, "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5A1B2C3D4E",
         elsewhere("127.0.0.1", "5A1B2C3D4E")),
    ],
)  # fmt: skip
def test_sent(relay: str, text: str, fact: LineFact) -> None:
    relays = frozenset({"smtp-out.shop.example"})
    assert facts_of("postfix/smtp", delivery(relay, "sent", text), relays=relays) == [fact]


@pytest.mark.parametrize("more", ["conn_use=5, ", "orig_to=<root>, "])
def test_optional_fields(more: str) -> None:
    text = f"250 Ok {ID}"
    assert facts_of("postfix-out/smtp", delivery(SES, "sent", text, more=more))
    assert facts_of("postfix/smtp", f"{QID}: to=<{ANN}>, relay={SES}, delay=1, status=sent ({text})") == [accepted()]
    tls = f"{QID}: to=<{ANN}>, relay={SES}, delay=1, delays=0/0/0/1, tls=dane/!req:no, dsn=2.0.0, status=sent ({text})"
    assert facts_of("postfix/smtp", tls) == [accepted()]


@pytest.mark.parametrize(
    ("relay", "text", "cause"),
    [
        (SES, "host email-smtp.eu-west-1.amazonaws.com[192.0.2.10] said: 501 Invalid RCPT TO address provided",
         Cause.BAD_ADDRESS),
        ("none", "connect to email-smtp.eu-west-1.amazonaws.com[192.0.2.10]:587: Connection timed out",
         Cause.UNREACHABLE),
        (SES, "lost connection with email-smtp.eu-west-1.amazonaws.com[192.0.2.10] while sending end of data",
         Cause.AMBIGUOUS),
        (FILTER, "host 127.0.0.1[127.0.0.1] said: 451 4.3.0 No", Cause.SES_UNAVAILABLE),
        ("10.0.0.4[10.0.0.4]:25", "host 10.0.0.4[10.0.0.4] said: 454 Throttling failure: Daily message quota exceeded.",
         Cause.QUOTA_EXCEEDED),
        (ALIAS, "host smtp.corp.example[192.0.2.10] said: 554 Message rejected: Email address is not verified. The "
         "following identities failed the check in region EU-WEST-1: ann@shop.example", Cause.UNVERIFIED_IDENTITY),
        ("none", "Host or domain name not found. Name service error for name=email-smtp.eu-west-1.amazonaws.com "
         "type=AAAA: Host not found, try again", Cause.UNREACHABLE),
    ],
)  # fmt: skip
def test_what_did_not_reach_ses_says_why(relay: str, text: str, cause: Cause) -> None:
    region = "eu-west-1" if relay == SES else ""
    for program in ("postfix/smtp", "postfix/error", "postfix/retry"):
        for status, kind in (("deferred", Deferred), ("bounced", Refused), ("SOFTBOUNCE", Deferred)):
            [fact] = facts_of(program, delivery(relay, status, text))
            assert isinstance(fact, kind)
            assert (fact.recipients, fact.cause, fact.reply) == ((ANN,), cause, text)
            assert fact.region in {region, "eu-west-1"}


@pytest.mark.parametrize(
    ("program", "relay", "to"),
    [
        ("postfix/local", "local", ANN),
        ("postfix/local", "local", f"<{ANN}>"),
        ("postfix/virtual", "virtual", f"<{ANN}>"),
        ("postfix/pipe", "dovecot", f"<{ANN}>"),
        ("postfix/lmtp", "mx1.shop.example[private/dovecot-lmtp]", f"<{ANN}>"),
        ("postfix/discard", "none", f"<{ANN}>"),
        ("postfix/smtp", MX, f"<{ANN}>"),
    ],
)
def test_what_never_was_for_ses_is_elsewhere_whatever_became_of_it(program: str, relay: str, to: str) -> None:
    for status, text in (
        ("sent", "delivered to mailbox"),
        ("deferred", "450 Busy"),
        ("bounced", "550 (no (such)) user"),
    ):
        assert facts_of(program, delivery(relay, status, text, to)) == [elsewhere(relay.partition("[")[0])]


def test_an_unreachable_server_that_is_not_ses_is_elsewhere_though_no_relay_is_named() -> None:
    text = "connect to mx.mail.example[192.0.2.99]:25: Connection timed out"
    assert facts_of("postfix/smtp", delivery("none", "deferred", text)) == [
        Elsewhere(AT, False, (ANN,), "mx.mail.example")
    ]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("sent", f"250 Ok {ID}"),
        ("deferred", "host mx.mail.example[192.0.2.99] said: 454 Throttling failure: Daily message quota exceeded."),
        (
            "bounced",
            "host mx.mail.example[192.0.2.99] said: 554 Access denied: User `email-smtp.eu-west-1.amazonaws.com'",
        ),
        (
            "bounced",
            f"host mx.mail.example[192.0.2.99] said: 554 host {SES[:-4]} said: 535 Account not subscribed to SES",
        ),
    ],
)
def test_a_recipient_s_own_server_cannot_speak_for_ses(status: str, text: str) -> None:
    """Rule 28: whoever has a mail sent to a server of his own must not write acceptances, or page anybody."""
    assert facts_of("postfix/smtp", delivery(MX, status, text)) == [elsewhere("mx.mail.example")]


@pytest.mark.parametrize(
    "text",
    [
        "Host or domain name not found. Name service error for name=nowhere.example type=MX: Host not found",
        "unable to look up host nowhere.example: Name or service not known",
    ],
)
def test_a_name_that_is_not_found_and_not_ses_s_is_elsewhere(text: str) -> None:
    assert facts_of("postfix/smtp", delivery("none", "bounced", text)) == [elsewhere("nowhere.example")]


def test_a_local_agent_cannot_say_that_ses_accepted() -> None:
    assert facts_of("postfix/lmtp", delivery(FILTER, "sent", f"250 Ok {ID}")) == [elsewhere("127.0.0.1")]


def test_bounced_where_it_was_queued() -> None:
    line = delivery("none", "bounced", "message too big")
    for program in ("postfix/cleanup", "postfix/qmgr"):
        assert facts_of(program, line) == [Refused(AT, False, (ANN,), Cause.OTHER_REFUSAL, "message too big")]
