"""What SES, or the way to it, answered, and which host did."""

from __future__ import annotations

import pytest

from service.facts import Cause
from service.parsing.replies import cause_of, is_strict_ses_id, relay_of, ses_id_in

ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
SES = "email-smtp.eu-west-1.amazonaws.com"
DENIED = (
    "554 Access denied: User `arn:aws:iam::111122223333:user/mailer' is not authorized to perform"
    " `ses:SendRawEmail' on resource `arn:aws:ses:eu-west-1:111122223333:configuration-set/shop'"
)
HOST = f"host {SES}[192.0.2.10] said: "


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        # Throttling
        ("454 Throttling failure: Maximum sending rate exceeded.", Cause.RATE_EXCEEDED),
        ("454 Throttling failure: Daily message quota exceeded.", Cause.QUOTA_EXCEEDED),
        ("454 Throttling failure: Maximum SigV2 SMTP sending rate exceeded.", Cause.SIGV2_RATE_EXCEEDED),
        ("421 Too many concurrent SMTP connections", Cause.RATE_EXCEEDED),
        # The account and its credentials
        ("535 Authentication Credentials Invalid", Cause.AUTH_FAILED),
        ("535 Account not subscribed to SES", Cause.AUTH_FAILED),
        (HOST + "530 Authentication required (in reply to MAIL FROM command)", Cause.AUTH_FAILED),
        (f"SASL authentication failed; server {SES}[192.0.2.10] said: 535 Whatever", Cause.AUTH_FAILED),
        (f"SASL authentication failed; server {SES}[192.0.2.10] said: 454 Temporary authentication failure",
         Cause.SES_UNAVAILABLE),
        (HOST + "554 Message rejected: Sending paused for this account. For more information, please check the inbox",
         Cause.ACCOUNT_PAUSED),
        ("554 Message rejected: Sending suspended for this account.", Cause.ACCOUNT_PAUSED),
        ("554 Message rejected: Account is paused", Cause.ACCOUNT_PAUSED),
        (DENIED, Cause.ACCESS_DENIED),
        # Identities and configuration
        (HOST + "554 Message rejected: Email address is not verified. The following identities failed the check in"
         " region EU-WEST-1: ann@shop.example, shop.example (in reply to end of DATA command)",
         Cause.UNVERIFIED_IDENTITY),
        ("554 Message rejected: Configuration set does not exist", Cause.CONFIGURATION),
        ("554 Message rejected: Configuration set <shop> does not exist.", Cause.CONFIGURATION),
        ("554 Message rejected: Mail FROM domain is not verified", Cause.CONFIGURATION),
        # This mail
        ("501 Invalid MAIL FROM address provided", Cause.BAD_ADDRESS),
        (HOST + "501 Invalid RCPT TO address provided (in reply to RCPT TO command)", Cause.BAD_ADDRESS),
        ("553 <ann@shop> Invalid email address", Cause.BAD_ADDRESS),
        ("553 <ann@shop.example> address unknown", Cause.BAD_ADDRESS),
        ("552 Message is too long.", Cause.TOO_LARGE),
        (f"message size 52428800 exceeds size limit 41943040 of server {SES}[192.0.2.10]", Cause.TOO_LARGE),
        ("554 Transaction failed: Duplicate header 'DKIM-Signature'.", Cause.MALFORMED),
        ("554 Transaction failed: Address contains illegal characters in user name: '<\"a:b\"@shop.example>'.",
         Cause.BAD_ADDRESS),
        ("554 Transaction failed: Missing final '@domain'", Cause.BAD_ADDRESS),
        ("554 Transaction failed: Local address contains control or whitespace", Cause.BAD_ADDRESS),
        ("554 Transaction failed: Domain ends with dot", Cause.BAD_ADDRESS),
        ("554 Transaction failed: Something new", Cause.MALFORMED),
        # SES itself
        ("451 Temporary service failure", Cause.SES_UNAVAILABLE),
        ("454 Temporary service failure", Cause.SES_UNAVAILABLE),
        ("421 Come back later", Cause.SES_UNAVAILABLE),
        ("451 4.4.2 Timeout waiting for data from client.", Cause.TIMEOUT),
        ("421 Timeout waiting for data from client.", Cause.TIMEOUT),
        # The way there
        (f"connect to {SES}[192.0.2.10]:25: Connection timed out", Cause.UNREACHABLE),
        (f"connect to {SES}[192.0.2.10]:587: Connection refused", Cause.UNREACHABLE),
        (f"connect to {SES}[192.0.2.10]:587: No route to host", Cause.UNREACHABLE),
        (f"connect to {SES}[2001:db8::10]:587: Network is unreachable", Cause.UNREACHABLE),
        (f"Host or domain name not found. Name service error for name={SES} type=A: Host not found, try again",
         Cause.UNREACHABLE),
        ("Cannot start TLS: handshake failure", Cause.UNREACHABLE),
        ("Server certificate not verified", Cause.UNREACHABLE),
        (f"TLS is required, but was not offered by host {SES}[192.0.2.10]", Cause.UNREACHABLE),
        (f"lost connection with {SES}[192.0.2.10] while receiving the initial server greeting", Cause.UNREACHABLE),
        (f"delivery temporarily suspended: connect to {SES}[192.0.2.10]:587: Connection timed out", Cause.UNREACHABLE),
        (f"conversation with {SES}[192.0.2.10] timed out while sending RCPT TO", Cause.TIMEOUT),
        ("conversation with ssl.relay.example[192.0.2.10] timed out while sending RCPT TO", Cause.TIMEOUT),
        # The end of the data was sent: SES may have it
        (f"lost connection with {SES}[192.0.2.10] while sending end of data -- message may be sent more than once",
         Cause.AMBIGUOUS),
        (f"conversation with {SES}[192.0.2.10] timed out while sending end of data -- message may be sent twice",
         Cause.AMBIGUOUS),
        # Anything else
        ("554 Message rejected: for a reason of tomorrow", Cause.OTHER_REFUSAL),
        ("", Cause.OTHER_REFUSAL),
    ],
)  # fmt: skip
def test_the_text_says_why(reply: str, cause: Cause) -> None:
    assert cause_of(reply) is cause


def test_an_address_in_a_reply_cannot_page_anybody() -> None:
    """A recipient chooses his address, and SES quotes it."""
    address = '<"Daily message quota exceeded > Sending paused"@evil.example>'
    assert cause_of(f"554 Transaction failed: Address contains illegal characters in user name: '{address}'.") is (
        Cause.BAD_ADDRESS
    )


@pytest.mark.parametrize(
    ("reply", "ses_id"),
    [
        (f"250 Ok {ID}", ID),
        (f" 250 Ok {ID} ", ID),
        (f"Ok {ID}", ID),
        ("250 Ok EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000",
         "EXAMPLE0a1b2c3d4-55667788-aaaa-bbbb-cccc-ddddeeeeffff-000000"),
        ("250 Ok", ""),
        ("250 Ok something something", ""),
        ("250 2.0.0 Ok: queued as 4XyZ1234567890", ""),
        ("250 Ok 4XyZbcdfghjklmnpq", ""),
        (f"250 Ok {ID} and more", ""),
        (f"status=sent (250 Ok {ID})", ""),
        ("250 Ok " + "a-" * 200, ""),
        ("", ""),
    ],
)  # fmt: skip
def test_an_id_is_ok_and_one_word(reply: str, ses_id: str) -> None:
    assert ses_id_in(reply) == ses_id


def test_only_the_full_form_speaks_for_itself() -> None:
    assert is_strict_ses_id(ID)
    assert not is_strict_ses_id(ID[:-1])
    assert not is_strict_ses_id("EXAMPLE" + ID)


@pytest.mark.parametrize(
    ("relay", "region"),
    [
        ("email-smtp.us-west-2.amazonaws.com[192.0.2.10]:587", "us-west-2"),
        ("EMAIL-SMTP.us-west-2.amazonaws.com.[192.0.2.10]:587", "us-west-2"),
        ("email-smtp-fips.us-gov-west-1.amazonaws.com[192.0.2.10]:587", "us-gov-west-1"),
        ("vpce-0a1b2c3d-4e5f.email-smtp.eu-central-1.vpce.amazonaws.com[10.1.2.3]:587", "eu-central-1"),
        ("email-smtp.cn-north-1.amazonaws.com.cn[192.0.2.10]:587", "cn-north-1"),
        ("ses-smtp-eu-west-1-prod-12345.eu-west-1.elb.amazonaws.com[192.0.2.10]:587", "eu-west-1"),
        ("smtp-out.shop.example[10.0.0.4]:25", ""),
    ],
)
def test_ses_has_many_names(relay: str, region: str) -> None:
    found = relay_of(relay, frozenset({"smtp-out.shop.example"}))
    assert (found.ses, found.region, found.elsewhere) == (True, region, False)


@pytest.mark.parametrize(
    ("relay", "elsewhere"),
    [
        ("mx.mail.example[192.0.2.10]:25", True),
        ("mx.mail.example[2001:db8::10]:25", True),
        ("email-smtp.us-west-2.amazonaws.com.evil.example[192.0.2.10]:25", True),
        ("filter.shop.example[10.0.0.4]:10024", False),
        ("localhost[::1]:2525", False),
        ("127.0.0.1[127.0.0.1]:2525", False),
        ("192.0.2.10[192.0.2.10]:25", False),
        ("none", False),
        ("local", False),
        ("", False),
        ("[[[]]]:x", False),
    ],
)
def test_a_named_public_host_is_elsewhere_and_a_private_one_may_be_a_proxy(relay: str, elsewhere: bool) -> None:  # noqa: FBT001
    found = relay_of(relay, frozenset())
    assert (found.ses, found.elsewhere) == (False, elsewhere)


@pytest.mark.parametrize(
    "nasty", ["<" * 250_000, "configuration set " * 14_000, "connection " * 23_000, "email-smtp." * 23_000]
)
def test_hostile_replies_are_read_in_one_pass(nasty: str) -> None:
    assert cause_of(nasty) in Cause


@pytest.mark.parametrize(
    ("relay", "ses"),
    [
        ("smtp-out.corp.example[10.0.4.9]:587", True),
        ("SMTP-Out.Corp.Example.[10.0.4.9]:587", True),
        ("10.0.4.17[10.0.4.17]:25", True),
        ("proxy.corp.example[10.0.4.17]:25", True),
        ("proxy.corp.example[2001:DB8::17]:25", True),
        ("not-smtp-out.corp.example[10.0.4.9]:587", False),
        ("proxy.corp.example[10.0.4.170]:25", False),
    ],
)
def test_the_policy_may_name_ses_s_other_names_and_addresses(relay, ses):
    assert relay_of(relay, frozenset({"smtp-out.corp.example", "10.0.4.17", "2001:db8::17"})).ses is ses
