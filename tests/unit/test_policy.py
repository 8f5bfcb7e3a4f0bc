"""Policies: what a file may say, what it is told where it is wrong, and which deadline a mail has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from service.facts import HOUR, MINUTE, SECOND
from service.policy import DAY, Attributes, Deadlines, Policy, PolicyError, advice, duration, parse_policy

DOCUMENT = {
    "defaults": {"handoff": "10m", "max_delivery": "6h", "grace": "90s", "keep": "2d", "queue_lifetime": "3d"},
    "sources": {"stall_after": "5m", "stall_mails": 7, "relays": ["Smtp-Proxy.internal"]},
    "streams": [
        {"name": "otp", "match": {"configuration_set": "tx", "sender_domain": "auth.example"}, "handoff": "2m"},
        {"name": "news", "match": {"tag.kind": "news"}, "max_delivery": "14h"},
        {"name": "rest-of-tx", "match": {"configuration_set": "tx"}},
    ],
}


def test_an_empty_document_gives_the_defaults():
    assert parse_policy(None) == parse_policy({}) == Policy()
    assert (Policy().defaults.handoff, Policy().grace, Policy().keep) == (15 * MINUTE, 2 * MINUTE, DAY)


def test_a_document_is_read_whole():
    policy = parse_policy(DOCUMENT)
    assert policy.defaults == Deadlines(handoff=10 * MINUTE, max_delivery=6 * HOUR)
    assert (policy.grace, policy.keep, policy.queue_lifetime) == (90 * SECOND, 2 * DAY, 3 * DAY)
    assert (policy.stall_after, policy.stall_mails, policy.relays) == (5 * MINUTE, 7, {"smtp-proxy.internal"})


@pytest.mark.parametrize(
    ("mail", "name", "handoff"),
    [
        (Attributes(configuration_set="tx", sender_domain="auth.example"), "otp", 2 * MINUTE),
        (Attributes(configuration_set="tx", sender_domain="shop.example"), "rest-of-tx", 10 * MINUTE),
        (Attributes(configuration_set="bulk", tags=(("kind", "news"),)), "news", 10 * MINUTE),
        (Attributes(configuration_set="bulk"), "bulk", 10 * MINUTE),
        (Attributes(sender_domain="auth.example"), "default", 10 * MINUTE),
    ],
)
def test_the_first_match_names_the_stream(mail, name, handoff):
    stream = parse_policy(DOCUMENT).stream(mail)
    assert (stream.name, stream.deadlines.handoff) == (name, handoff)


def test_a_domain_matches_however_it_is_written():
    policy = parse_policy({"streams": [{"name": "otp", "match": {"sender_domain": "Auth.Example"}}]})
    assert policy.stream(Attributes(sender_domain="auth.example")).name == "otp"


@pytest.mark.parametrize(
    ("own", "expires", "deadline"),
    [
        (False, 0, 6 * HOUR),
        (False, 5 * HOUR, 6 * HOUR),
        (False, 9 * HOUR, 9 * HOUR),
        (False, 99 * HOUR, 14 * HOUR),
        (True, 9 * HOUR, 6 * HOUR),
    ],
)
def test_how_long_sess_own_word_counts(own, expires, deadline):
    """Rule 5: up to 14 h after acceptance, and never against what the stream says itself."""
    deadlines = Deadlines(max_delivery=6 * HOUR, own_max_delivery=own)
    assert deadlines.delivery(DAY, DAY + expires if expires else 0) == DAY + deadline


def test_no_deadline_is_longer_than_the_longest():
    assert Policy().longest == 14 * HOUR
    short = {"max_delivery": "1h"}
    assert parse_policy({"defaults": short}).longest == 14 * HOUR  # a DeliveryDelay may extend it
    assert (
        parse_policy({"streams": [{"name": "slow", "match": {"region": "eu-west-1"}, "max_delivery": "30h"}]}).longest
        == 30 * HOUR
    )
    assert parse_policy({"defaults": {"handoff": "20h"}}).longest == 20 * HOUR


def test_the_shortest_handoff_is_in_time_for_everybody():
    assert parse_policy(DOCUMENT).shortest_handoff == 2 * MINUTE


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("90s", 90_000), ("15m", 900_000), ("1h30m", 5_400_000), ("2.5s", 2_500), ("5d", 5 * DAY), ("250ms", 250)],
)
def test_durations(text, milliseconds):
    assert duration(text, "here") == milliseconds


def _match(match):
    return {"streams": [{"name": "a", "match": match}]}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], r"policy: expected a mapping of keys to values, found \[\]"),
        ({"defualts": {}}, "policy: 'defualts' is unknown; use defaults"),
        ({"defaults": {"handoff": 15}}, "defaults.handoff: 15 is no duration; write a number and a unit"),
        ({"defaults": {"handoff": "15 apples"}}, "'15 apples' is no duration"),
        ({"defaults": {"hand": "1m"}}, "defaults: 'hand' is unknown"),
        ({"sources": {"stall_mails": 0}}, "sources.stall_mails: 0 is no count"),
        ({"sources": {"stall_mails": True}}, "True is no count"),
        ({"sources": {"relays": "proxy"}}, "sources.relays: expected a list, found 'proxy'"),
        ({"streams": [{"match": {}}]}, r"streams\[0\]: has no name"),
        ({"streams": [{"name": "a", "match": {"colour": "red"}}]}, "'colour' is unknown; use application"),
        ({"streams": [{"name": " ", "match": {}}]}, r"streams\[0\]: has no name"),
        ({"streams": [{"name": "a"}]}, r"streams\[0\] \(a\): has no match, so it would take every mail; give it one"),
        ({"streams": [{"name": "a", "match": {}}]}, "has no match"),
        (_match({"region": 7}), r"streams\[0\].match.region: 7 is no text; write it in quotes, like '7'"),
        (_match({"region": True}), "True is no text"),
        (_match({"region": ""}), "match.region: is empty"),
        (_match({"tag.": "x"}), r"match: 'tag.' is unknown; use application, .* or tag.<name>"),
        (_match({"tag.kind": ["x"]}), r"match.tag.kind: \['x'\] is no text"),
        (_match({"sender_domain": None}), "None is no text"),
        (
            {
                "streams": [
                    {"name": "a", "match": {"region": "x"}},
                    {"name": "b", "match": {"region": "x", "tag.k": "v"}},
                ]
            },
            r"streams\[1\] \(b\): streams\[0\] \(a\) takes all of its mails, .*put it before that",
        ),
        ({"defaults": {"handoff": "0s"}}, "defaults.handoff: '0s' leaves no time at all"),
        ({"defaults": {"window": "0ms"}}, "defaults.window: '0ms' leaves no time"),
        ({"sources": {"stall_after": "0s"}}, "sources.stall_after: '0s' leaves no time"),
        ({"defaults": {"keep": "3651d"}}, "defaults.keep: '3651d' is longer than ten years"),
        ({"defaults": {"handoff": "-1s"}}, "'-1s' is no duration"),
        ({"defaults": {"handoff": float("nan")}}, "nan is no duration"),
        ({"sources": {"relays": [7]}}, r"sources.relays\[0\]: 7 is no host"),
        ({"message_id_join": "perhaps"}, "message_id_join: 'perhaps' is neither on nor off"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(document, sentence):
    with pytest.raises(PolicyError, match=sentence):
        parse_policy(document)


def test_equal_policies_have_equal_fingerprints_in_every_process():
    one = parse_policy({"sources": {"relays": ["a", "b", "c"]}})
    other = parse_policy({"sources": {"relays": ["c", "a", "b"]}})
    assert one.fingerprint == other.fingerprint != Policy().fingerprint


@pytest.mark.parametrize("key", ["configuration_set", "region", "tag.kind"])
def test_a_stream_by_what_only_ses_names_is_advised_against(key):
    """A silent submission could never fall into it, and would be judged by other deadlines without a word."""
    (said,) = advice(parse_policy({"streams": [{"name": "otp", "match": {key: "x", "sender_domain": "a.example"}}]}))
    assert said.startswith(f"streams[0] (otp): matches by {key}, which only SES's events name")
    assert "match its sender_domain or application instead" in said


def test_what_logs_know_needs_no_advice():
    assert not advice(parse_policy({"streams": [{"name": "otp", "match": {"sender_domain": "a", "application": "b"}}]}))


def test_the_readmes_own_policies_can_be_used_and_need_no_advice():
    text = (Path(__file__).parents[2] / "README.md").read_text()
    examples = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "policy.yaml" in block]
    assert len(examples) == 2
    for example in examples:
        assert not advice(parse_policy(yaml.safe_load(example)))
