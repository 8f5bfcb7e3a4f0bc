"""The operator's own extractors: checked at the start, read in linear time, never raising."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from service.facts import Accepted, Cause, Deferred, Fact, Identified, Queued, Refused, Unconfirmed
from service.parsing.applications.names import mid_submission
from service.parsing.extractor import Extractor, ExtractorError, ExtractorSpec, parse_extractors
from service.parsing.smtp import LIMIT, SmtpContext, parse_smtp
from service.policy import Policy, PolicyError, parse_policy

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
MID = "7@shop.example"
BILLING = {
    "name": "legacy-billing",
    "match": {"program": "billing"},
    "pattern": r"mail (?P<message_id><[^>]+>) to (?P<recipient>\S+) -> (?P<reply>.*)",
}
CRM = {
    "name": "crm",
    "match": {"$.logger": "crm.mail"},
    "json": {
        "message_id": "$.mail.id",
        "reply": "$.smtp.response",
        "recipient": "$.to",
        "sender": "$.mail.from[0]",
        "at": "$.when",
    },
}


def context(*entries: dict[str, Any]) -> SmtpContext:
    return SmtpContext(extractors=tuple(Extractor(spec) for spec in parse_extractors(list(entries))))


def said(record: str | dict[str, Any], *entries: dict[str, Any]) -> list[tuple[str, Fact]]:
    raw = record.encode() if isinstance(record, str) else orjson.dumps(record)
    parsed, unparsable = parse_smtp(raw, SEEN, context(*entries))
    assert unparsable is None
    return [(name.decode(), fact) for name, fact in parsed.facts]


# -- text ------------------------------------------------------------------------------------------------------------


def test_a_pattern_reads_the_lines_of_its_program() -> None:
    line = f"Mar  5 11:59:58 web billing[1]: mail <{MID}> to Ann@A.example -> 250 Ok {ID}"
    names, facts = zip(*said(line, BILLING), strict=True)
    assert names == ("Q:" + mid_submission(MID), "Q:" + mid_submission(MID), "S:" + ID)
    assert isinstance(facts[0], Identified)
    assert isinstance(facts[1], Accepted)
    assert (facts[1].recipients, facts[1].submission) == (("Ann@a.example",), mid_submission(MID))


@pytest.mark.parametrize(
    ("reply", "kind", "cause"),
    [
        ("454 Throttling failure: Maximum sending rate exceeded.", Deferred, Cause.RATE_EXCEEDED),
        ("554 Message rejected: Sending paused for this account.", Refused, Cause.ACCOUNT_PAUSED),
        ("250 Ok", Unconfirmed, None),
    ],
)
def test_what_the_reply_says_is_known_already(reply: str, kind: type, cause: Cause | None) -> None:
    *_, (_, fact) = said(f"Mar  5 11:59:58 web billing[1]: mail <{MID}> to a@b -> {reply}", BILLING)
    assert isinstance(fact, kind)
    assert getattr(fact, "cause", None) is cause


def test_another_program_and_another_line_are_left_to_others() -> None:
    assert said(f"Mar  5 11:59:58 web shop[1]: mail <{MID}> to a@b -> 554 no", BILLING) == []
    assert said("Mar  5 11:59:58 web billing[1]: started", BILLING) == []
    assert len(said(f"Mar  5 11:59:58 web billing[1]: Mail sent: 250 Ok {ID}", BILLING)) == 1, "as without it"


def test_a_mail_server_is_no_application() -> None:
    entry = {"name": "all", "pattern": "(?P<reply>250 .*)"}
    assert said(f"Mar  5 11:59:58 mx postfix/cleanup[1]: 4A1B2C3D4E: warning: header Subject: 250 Ok {ID}", entry) == []


@pytest.mark.parametrize(
    ("pattern", "text", "kind", "cause"),
    [
        (
            "mail failed: (?P<error>.*)",
            "mail failed: Throttling: Maximum sending rate exceeded.",
            Deferred,
            Cause.RATE_EXCEEDED,
        ),
        (
            "mail failed: (?P<error>.*)",
            "mail failed: MessageRejected: Email address is not verified.",
            Refused,
            Cause.UNVERIFIED_IDENTITY,
        ),
        ("mail failed: (?P<error>.*)", "mail failed: connect ECONNREFUSED", Deferred, Cause.UNREACHABLE),
        (
            "mail failed: (?P<error>.*)",
            "mail failed: 554 Message rejected: Account is paused",
            Refused,
            Cause.ACCOUNT_PAUSED,
        ),
        ("mail failed: (?P<error>.*)", "mail failed: out of paper", Refused, Cause.OTHER_REFUSAL),
    ],
)
def test_an_error_is_a_code_a_reply_or_words(pattern: str, text: str, kind: type, cause: Cause) -> None:
    ((name, fact),) = said(f"Mar  5 11:59:58 web x[1]: {text}", {"name": "x", "pattern": pattern})
    assert name.startswith("Q:web/app:")
    assert isinstance(fact, kind)
    assert getattr(fact, "cause", None) is cause


def test_the_applications_own_request_id_is_a_submission() -> None:
    entry = {
        "name": "x",
        "pattern": r"req=(?P<submission>\S+) from (?P<sender>\S+) mid (?P<message_id>\S+) ses (?P<ses_id>\S+)",
    }
    facts = said(f"Mar  5 11:59:58 Web x[1]: req=r-17 from s@b.example mid {MID} ses {ID}", entry)
    assert [name for name, _ in facts] == ["Q:web/r-17"] * 3 + ["S:" + ID]
    assert [type(fact) for _, fact in facts] == [Identified, Queued, Accepted, Accepted]


def test_an_id_that_only_the_operator_knows_to_be_one() -> None:
    entry = {"name": "x", "pattern": r"ses (?P<ses_id>\S+)"}
    assert (
        said("Mar  5 11:59:58 web x[1]: ses EXAMPLE-of-some-other-form", entry)[0][0] == "S:EXAMPLE-of-some-other-form"
    )
    assert said("Mar  5 11:59:58 web x[1]: ses short", entry) == []


# -- JSON ------------------------------------------------------------------------------------------------------------


def test_paths_read_structured_logs() -> None:
    record = {
        "logger": "crm.mail",
        "mail": {"id": f"<{MID}>", "from": ["s@b.example"]},
        "smtp": {"response": f"250 Ok {ID}"},
        "to": ["a@b.example", "c@d.example"],
        "when": "2024-03-05T11:00:00Z",
    }
    facts = said(record, CRM)
    assert [type(fact) for _, fact in facts] == [Identified, Queued, Accepted, Accepted]
    accepted = facts[-1][1]
    assert isinstance(accepted, Accepted)
    assert (accepted.recipients, accepted.at) == (("a@b.example", "c@d.example"), SEEN - 3_600_000)
    assert said({**record, "logger": "crm.other", "mail": {}, "smtp": {}}, CRM) == []


def test_a_pattern_reads_the_text_in_a_document_too() -> None:
    entry = {**BILLING, "match": {"$.service.name": "billing"}}
    record = {"message": f"mail <{MID}> to a@b -> 250 Ok {ID}", "service": {"name": "billing"}, "hostname": "web"}
    assert [type(fact) for _, fact in said(record, entry)] == [Identified, Accepted, Accepted]


def test_the_first_that_understands_a_line_reads_it() -> None:
    other = {"name": "other", "pattern": "-> (?P<error>.*)"}
    line = f"Mar  5 11:59:58 web billing[1]: mail <{MID}> to a@b -> 250 Ok {ID}"
    assert len(said(line, BILLING, other)) == 3
    assert [type(fact) for _, fact in said(line, other, BILLING)] == [Refused]


# -- checked at the start --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("x", "extractors[0]: expected a mapping"),
        ({}, "extractors[0]: has no name; give it one"),
        ({"name": "x"}, "extractors[0]: needs either `pattern`"),
        ({"name": "x", "pattern": "(?P<reply>.)", "json": {}}, "extractors[0]: needs either `pattern`"),
        ({"name": "x", "patern": "."}, "extractors[0]: 'patern' is unknown; use json, match, name, pattern"),
        (
            {"name": "x", "pattern": "(?P<replay>.)"},
            "extractors[0].pattern: the group 'replay' is unknown; use message_id",
        ),
        (
            {"name": "x", "pattern": "(?P<sender>.)"},
            "extractors[0].pattern: says nothing about a mail; name at least one",
        ),
        ({"name": "x", "pattern": "no groups"}, "extractors[0].pattern: says nothing about a mail"),
        ({"name": "x", "pattern": "(?P<reply>."}, "cannot be used: missing )"),
        ({"name": "x", "pattern": r"(?P<reply>.)\1"}, "without lookaround and backreferences"),
        ({"name": "x", "pattern": "(?=x)(?P<reply>.)"}, "without lookaround and backreferences"),
        ({"name": "x", "pattern": 7}, "extractors[0].pattern: 7 is no pattern; write one with named groups"),
        ({"name": "x", "pattern": ""}, "is no pattern"),
        (
            {"name": "x", "json": {"reply": "$.a..b"}},
            "extractors[0].json.reply: '$.a..b' is no path; write a path such as",
        ),
        ({"name": "x", "json": {"reply": "a.b"}}, "'a.b' is no path"),
        ({"name": "x", "json": {"reply": "$"}}, "'$' is no path"),
        ({"name": "x", "json": {"reply": 7}}, "7 is no path"),
        ({"name": "x", "json": {"replay": "$.a"}}, "extractors[0].json: 'replay' is unknown; use at, error"),
        ({"name": "x", "json": {"sender": "$.a"}}, "extractors[0].json: says nothing about a mail"),
        (
            {"name": "x", "match": {"topic": "t"}, "json": {"reply": "$.a"}},
            "extractors[0].match: 'topic' is no path; use program",
        ),
        ({"name": "x", "match": [], "json": {"reply": "$.a"}}, "extractors[0].match: expected a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(entry: object, says: str) -> None:
    with pytest.raises(ExtractorError) as error:
        parse_extractors([entry])
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(PolicyError):
        parse_policy({"extractors": [entry]})


def test_names_are_told_apart_and_the_section_is_a_list() -> None:
    with pytest.raises(ExtractorError, match="'crm' is there twice"):
        parse_extractors([CRM, CRM])
    with pytest.raises(ExtractorError, match="expected a list"):
        parse_extractors({"name": "x"})


def test_the_policy_holds_them_and_its_fingerprint_tells_them_apart() -> None:
    policy = parse_policy({"extractors": [BILLING, CRM]})
    assert [spec.name for spec in policy.extractors] == ["legacy-billing", "crm"]
    assert isinstance(policy.extractors[0], ExtractorSpec)
    assert policy.fingerprint != Policy().fingerprint
    assert policy.fingerprint == parse_policy({"extractors": [BILLING, CRM]}).fingerprint
    assert parse_policy({}).extractors == ()


def test_equal_entries_make_equal_extractors() -> None:
    first, second = (Extractor(parse_extractors([CRM])[0]) for _ in range(2))
    assert first == second
    assert len({first, second}) == 1
    assert first != CRM


# -- hostile ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "nasty"),
    [
        ("(?P<reply>(a+)+)$", "a" * (LIMIT - 100) + "b"),
        (".*a.*a.*a.*a.*(?P<reply>b)", "a" * (LIMIT - 100)),
        ("(?P<reply>(a|a)*)c", "a" * (LIMIT - 100)),
        (r"(?P<reply>\S+\s+\S+\s+\S+)x", "a " * (LIMIT // 2 - 100)),
    ],
)
def test_no_pattern_takes_more_than_linear_time(pattern: str, nasty: str) -> None:
    """Python's own `re` would take until the end of the world for the first."""
    parse_smtp(f"Mar  5 11:59:58 web x[1]: {nasty}".encode(), SEEN, context({"name": "x", "pattern": pattern}))
