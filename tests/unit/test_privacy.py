"""No address, IAM user or access key leaves ingest in the clear, and what was equal stays equal."""

from __future__ import annotations

import re
import typing

import msgspec
import pytest

from service import facts
from service.facts import Accepted, Bounced, Delivered, Described, Identified, Queued, Rejected, Sent, message_id_name
from service.privacy import FIELDS, Kind, Pseudonyms, key_id_of

KEY = b"a key for tests"
P = Pseudonyms(KEY)
FLOATING = True
ANNA = P.address("anna@example.org")


def test_a_pseudonym_shows_its_key_and_its_domain():
    assert re.fullmatch(rf"p-{key_id_of(KEY)}-[0-9a-f]{{16}}@example\.org", ANNA)


def test_the_same_address_has_the_same_pseudonym():
    assert P.address(" Anna@EXAMPLE.org ") == ANNA == Pseudonyms(KEY).address("anna@example.org")


def test_another_address_domain_or_key_gives_another():
    others = {
        P.address("hanna@example.org"),
        P.address("anna@example.net"),
        Pseudonyms(b"other").address("anna@example.org"),
    }
    assert ANNA not in others
    assert len(others) == 3


def test_the_null_sender_stays_the_null_sender():
    assert P.address("") == P.address(" ") == ""


@pytest.mark.parametrize(
    "odd",
    ["anna", "anna@example.org (Anna Smith)", "anna@", '"a b"@example.org', "a@b@example.org", "ä@bücher.example"],
)
def test_odd_addresses_do_not_show_either(odd):
    assert P.address(odd).startswith("p-")
    assert "anna" not in P.address(odd).lower()


def test_a_key_has_a_name_that_does_not_give_it_away():
    assert Pseudonyms(KEY).key_id == key_id_of(KEY)
    assert len(key_id_of(KEY)) == 4
    assert Pseudonyms(KEY, "2026").address("a@b.example").startswith("p-2026-")
    with pytest.raises(ValueError, match="empty"):
        Pseudonyms(b"")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("550 5.1.1 <anna@example.org>: Recipient address rejected", f"550 5.1.1 <{ANNA}>: Recipient address rejected"),
        ("rfc822;anna@example.org", f"rfc822;{ANNA}"),
        ("to=anna@example.org, rcpt='anna@example.org'.", f"to={ANNA}, rcpt='{ANNA}'."),
        ('{"to":"anna@example.org"}', '{"to":"' + ANNA + '"}'),
        (
            "see http://spf.example/why?id=anna%40example.org;ip=192.0.2.1",
            f"see http://spf.example/why?id={ANNA};ip=192.0.2.1",
        ),
        ("anna@Example.ORG.", f"{ANNA}."),
        ('"john doe"@example.org', P.address('"john doe"@example.org')),
        ("to=<re>ceiver@example.org>", f"to=<{P.address('re>ceiver@example.org')}>"),
        ("250 2.0.0 OK 1773238086 gsmtp", "250 2.0.0 OK 1773238086 gsmtp"),
        ("host mx.example.org[192.0.2.7] said: 421", "host mx.example.org[192.0.2.7] said: 421"),
        ("@", "@"),
        ("", ""),
    ],
)
def test_addresses_in_free_text_become_pseudonyms(text, expected):
    assert P.scrub(text) == expected


def test_an_access_denied_reply_shows_neither_user_nor_address():
    reply = (
        "554 Access denied: User `arn:aws:iam::123456789012:user/mail/anna.smith' is not authorized to perform"
        " `ses:SendRawEmail' on resource `arn:aws:ses:us-east-1:123456789012:identity/anna@example.org'"
    )
    scrubbed = P.scrub(reply)
    assert "anna" not in scrubbed
    assert "arn:aws:iam::123456789012:user/mail/u-" in scrubbed
    assert f"identity/{ANNA}'" in scrubbed
    assert "ses:SendRawEmail" in scrubbed


def test_the_session_of_a_role_is_a_person_and_the_role_is_not():
    scrubbed = P.scrub("arn:aws:sts::123456789012:assumed-role/Mailer/anna@example.org")
    assert scrubbed.startswith("arn:aws:sts::123456789012:assumed-role/Mailer/u-")
    assert "anna" not in scrubbed


def test_access_keys_are_masked_the_same_everywhere():
    one, other = P.scrub("user=AKIAIOSFODNN7EXAMPLE"), P.scrub("535 ASIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPLE")
    assert "EXAMPLE" not in one + other
    assert one.removeprefix("user=") in other


def test_a_recipient_named_without_its_domain_is_hidden_too():
    assert P.scrub("550 no such user: Anna (anna)", ["anna@example.org"]) == "550 no such user: {0} ({0})".format(
        ANNA.partition("@")[0]
    )
    assert P.scrub("annabelle.anna.x anna-x", ["anna@example.org"]) == "annabelle.anna.x anna-x"
    assert (
        P.scrub("552 mailbox of user is full", ["user@example.org", "al@example.org"]) == "552 mailbox of user is full"
    )


@pytest.mark.parametrize(
    "message_id",
    [
        "0100019cdd39ed2b-1b7a4f0e-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000@email.amazonses.com",
        "20200814040738.4DQXyz3Kz9zJ@mx1.app.example",
        "mail-17@app.example",
        "1234.5.1600000000.JavaMail.tomcat@app1",
        "b1946ac9-2492-d234-7c6e-235b4d2611184",
    ],
)
def test_a_message_id_that_a_machine_made_is_kept(message_id):
    assert P.message_id(message_id) == message_id


@pytest.mark.parametrize(
    "message_id",
    ["x1" * 128 + "@app.example", "1600000000-anna.smith@example.org", "anna=example.org.17@list.example",
     "anna@example.org", "17.anna@example.org@app.example", "17.anna%40example.org.1@app.example", ""],
)  # fmt: skip
def test_a_message_id_that_may_carry_an_address_or_a_mail_is_hashed(message_id):
    hashed = P.message_id(message_id)
    assert hashed.startswith("h-")
    assert len(hashed) == 34


def test_a_message_id_that_carries_a_recipient_is_hashed_where_the_recipient_is_known():
    assert P.message_id("17.anna1@example.org", ["Anna1@example.org"]).startswith("h-")
    assert P.message_id("17.anna1@example.org", ["", "bob@example.org"]) == "17.anna1@example.org"


@pytest.mark.parametrize(
    "message_id", ["mail-17@app.example", "1600000000-anna.smith@example.org", "x" * 300, "ü1@x", "ü@x"]
)
def test_log_and_event_meet_under_the_same_name(message_id):
    """The shard derives the name it asks under from `Identified`; ingest derives that of the event from its header."""
    identified = P.fact(Identified(0, FLOATING, message_id))
    assert message_id_name(identified.message_id) == P.name(message_id_name(message_id))


def test_other_names_hold_no_address():
    assert P.name(b"S:0100") == b"S:0100"
    assert P.name(b"Q:mx1/4DQX") == b"Q:mx1/4DQX"


def test_a_fact_has_all_its_fields_masked():
    bounced = Bounced(1, ("anna@example.org",), "Permanent", "General", "5.1.1", "550 anna@example.org: no anna here")
    assert P.fact(bounced) == Bounced(1, (ANNA,), "Permanent", "General", "5.1.1", f"550 {ANNA}: no {ANNA[:23]} here")
    assert P.fact(Queued(1, FLOATING, "anna@example.org", 2)) == Queued(1, FLOATING, ANNA, 2)
    assert P.fact(Delivered(1, (), "250 ok")) == Delivered(1, (), "250 ok")
    assert P.fact(Rejected(1, "Bad content")) == Rejected(1, "Bad content")
    assert P.fact(Sent(1)) == Sent(1)


def test_tags_keep_their_names():
    described = Described(
        1, "", (), "1", "r", "set", "app", "a1@b", (("customer", "anna@example.org"), ("ses:operation", "SendEmail"))
    )
    assert P.fact(described).tags == (("customer", ANNA), ("ses:operation", "SendEmail"))


def test_a_submission_is_not_its_recipients():
    accepted = Accepted(1, FLOATING, ("anna@example.org",), "0100", "mx1/4DQX", "eu-west-1")
    assert P.fact(accepted) == Accepted(1, FLOATING, (ANNA,), "0100", "mx1/4DQX", "eu-west-1")


def textual(annotation):
    return (
        annotation in (str, bytes)
        or any(textual(part) for part in typing.get_args(annotation))
        or (isinstance(annotation, type) and issubclass(annotation, str))
    )


@pytest.mark.parametrize("kind", typing.get_args(facts.Fact), ids=lambda kind: kind.__name__)
def test_every_text_of_every_fact_is_classified(kind):
    texts = {field.name for field in msgspec.structs.fields(kind) if textual(field.type)}
    assert set(FIELDS[kind]) == texts, f"say in FIELDS what the texts of {kind.__name__} are"


def test_no_fact_is_forgotten():
    assert set(FIELDS) == set(typing.get_args(facts.Fact))


def test_recipients_and_senders_are_addresses_everywhere():
    for fields in FIELDS.values():
        for name, kind in fields.items():
            assert (kind is Kind.ADDRESS) == (name in {"recipients", "sender"})
