"""Laws of the pseudonyms: total, stable, one to one, and no address gets through whatever surrounds it."""

from __future__ import annotations

import time
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import facts
from service.privacy import FIELDS, Kind, Pseudonyms

P = Pseudonyms(b"a key for tests")

locals_ = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+_-", min_size=1, max_size=20).map(lambda part: f"zq{part}9")
domains = st.sampled_from(["example.org", "mail.example.net", "xn--bcher-kva.example", "[192.0.2.1]"])
addresses = st.builds("{}@{}".format, locals_, domains)
surroundings = st.sampled_from([
    "{}", "<{}>", "'{}'", '"{}"', "({})", "[{}]", "to={}", "to=<{}>,", "rfc822;{}", "mailto:{}", "RCPT TO:<{}>",
    "{}.", "{}, ", "`{}'", "identity/{}", "Ann <{}>", "user={} ", "\t{}\n", "{{{}}}",
])  # fmt: skip
noise = st.text("abc <>@\"'()%=4 0\\.\n", max_size=30)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_everything_is_total(text, recipients):
    P.address(text)
    P.scrub(text, recipients)
    P.message_id(text, recipients)
    P.name(b"M:" + text.encode(errors="surrogatepass"))


@given(addresses, addresses)
def test_pseudonyms_are_equal_exactly_where_addresses_are(one, other):
    assert (P.address(one) == P.address(other)) == (one == other)
    assert P.address(one).rpartition("@")[2] == one.rpartition("@")[2]


@given(st.lists(st.tuples(surroundings, addresses), min_size=1, max_size=4))
def test_an_address_in_a_text_becomes_its_own_pseudonym(parts):
    text = " ".join(around.format(address) for around, address in parts)
    expected = " ".join(around.format(P.address(address)) for around, address in parts)
    assert P.scrub(text) == expected


@given(noise, surroundings, addresses, noise)
def test_no_address_gets_through_whatever_stands_beside_it(before, around, address, after):
    scrubbed = P.scrub(before + around.format(address) + after)
    assert address not in scrubbed


@given(addresses)
def test_an_encoded_address_does_not_get_through(address):
    assert address.partition("@")[0] not in P.scrub(f"http://x.example/?id={address.replace('@', '%40')}&r=1")


@given(st.text(max_size=300), st.lists(addresses, max_size=3), st.booleans())
def test_a_name_and_its_fact_agree_whatever_the_message_id(message_id, recipients, floating):
    identified = P.fact(facts.Identified(0, floating, message_id))
    try:
        name = facts.message_id_name(message_id)
    except UnicodeEncodeError:
        return
    assert P.name(name) == facts.message_id_name(identified.message_id)
    assert P.message_id(message_id, recipients) in {message_id, P.message_id(message_id), hashed(message_id)}


def hashed(message_id):
    return "h-" + P._hash(message_id, 32)


def fact_of(kind, address):
    """A fact of that kind, with the address in every text that may hold one."""
    values = {}
    for field in msgspec.structs.fields(kind):
        match FIELDS[kind].get(field.name):
            case Kind.MESSAGE_ID:
                values[field.name] = f"17.{address.replace('@', '=')}.17@{address}"
            case Kind.ADDRESS | Kind.FREE_TEXT:
                values[field.name] = (address,) if field.name == "recipients" else address
            case Kind.TAGS:
                values[field.name] = (("tag", address),)
            case Kind.PLAIN:
                values[field.name] = facts.Cause.SILENT if field.name == "cause" else "plain"
            case _:
                values[field.name] = 0
    return kind(**values)


@pytest.mark.parametrize("kind", typing.get_args(facts.Fact), ids=lambda kind: kind.__name__)
@given(address=addresses)
def test_no_kind_of_fact_lets_an_address_through(kind, address):
    masked = P.fact(fact_of(kind, address))
    assert type(masked) is kind
    assert address not in str(masked)
    if hasattr(masked, "recipients"):
        assert masked.recipients == (P.address(address),)


EVIL = [
    "<",
    "a",
    '"',
    '\\"',
    "%41",
    "arn:aws:iam::1:user/",
    "a@",
    "AKIA",
    '"a',
    "<a>",
    "a.",
    "@a.",
    "é",
    "zq9",
    "<a@",
    "zq9 ",
]


@pytest.mark.parametrize("evil", EVIL)
def test_scrubbing_is_linear(evil):
    def seconds(length):
        text = (evil * length)[:length] + "@%40"
        begun = time.perf_counter()
        P.scrub(text, ["zq9x@example.org"] * 1000)
        return time.perf_counter() - begun

    small = min(seconds(16_384) for _ in range(3))
    large = min(seconds(262_144) for _ in range(2))
    assert large < 16 * 8 * max(small, 1e-4)
