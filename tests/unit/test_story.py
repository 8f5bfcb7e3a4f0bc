"""The story of a mail says what its records say: the same verdict, every recipient, each line once."""

import msgspec
import pytest
from click.testing import CliRunner

from service.cli import cli
from service.contract.correlated import Correlated
from service.contract.enums import GapKind, Outcome, Resolution, VerdictCause
from service.edges.lookup import grouped
from service.finding import forms, matches
from service.privacy import Pseudonyms
from service.story import tell
from service.story_words import HAPPENED, happened, waited_for

LATER = "2100-01-01T00:00:00Z"


def record(mail_id="m", **fields):
    """A correlated record with nothing in it but what is given."""
    return msgspec.convert(
        {
            "schema": "mailgap.correlated/1", "mail_id": mail_id, "ses_message_id": None, "message_id_header": None,
            "queue_ids": [], "stream": "s", "region": None, "sender": "", "submitted_at": None, "accepted_at": None,
            "revision": 1, "recipients": [],
            "verdict": {"stage": "ses", "cause": "in_progress", "explanation": "", "next_step": ""},
        } | fields,
        Correlated,
    )  # fmt: skip


def recipient(address, outcome="pending", **detail):
    return {"address": address, "domain": address.rpartition("@")[2], "outcome": outcome, "at": None, "detail": detail}


def step(fact, at="2026-01-01T00:00:00.000Z", **fields):
    return {"at": at, "source": "smtp", "fact": fact, "evidence": f"mail.log:{fact}", **fields}


class TestLookingUp:
    def test_a_recipient_is_found_by_the_address_under_its_pseudonym(self):
        hide = Pseudonyms(b"0123456789abcdef", "k1")
        document = record(recipients=[recipient(hide.address("ada@mail.example"))])
        assert matches(document, forms("ada@mail.example", [hide]))
        assert matches(document, forms("ADA@Mail.example", [hide]))
        assert matches(document, forms(hide.address("ada@mail.example")))
        assert not matches(document, forms("ada@mail.example"))

    @pytest.mark.parametrize("typed", ["ada@bücher.example", "ADA@Bücher.Example", "<ada@xn--bcher-kva.example>"])
    def test_a_domain_of_another_script_is_found_as_people_write_it(self, typed):
        assert matches(record(recipients=[recipient("ada@xn--bcher-kva.example")]), forms(typed))

    def test_a_part_of_a_name_is_no_name(self):
        document = record("mx1/4A1B2C@1", queue_ids=["mx1/4A1B2C"], recipients=[recipient("ada@mail.example")])
        for typed in ("4A1B", "mail.example", "ada", "mx1", "@", "a1b2c"):
            assert not matches(document, forms(typed)), typed

    def test_a_submission_stands_with_the_ses_mails_that_it_became(self):
        one = record("mx1/A@1", queue_ids=["mx1/A"], ses_mails=["s1", "s2"], submitted_at="2026-01-01T00:00:00.000Z")
        two = record("mx1/A@9", queue_ids=["mx1/A"], superseded_by="s3", submitted_at="2026-01-02T00:00:00.000Z")
        mails = [record(name, ses_message_id=name) for name in ("s3", "s1", "s2", "other")]
        groups = [{each.mail_id for each in group} for group in grouped([*mails, one, two])]
        assert groups == [{"mx1/A@9", "s3"}, {"mx1/A@1", "s1", "s2"}, {"other"}]

    def test_what_came_late_stands_with_its_mail(self):
        late = record("s1", ses_message_id="s1", partial=True, recipients=[recipient("a@x.example", "complained")])
        first = record("s1", ses_message_id="s1", recipients=[recipient("a@x.example", "delivered")])
        (group,) = grouped([late, first])
        assert [each.outcome for each in tell(*group).recipients] == ["complained"]


class TestTelling:
    def test_what_two_records_say_is_told_once_and_in_order(self):
        lines = [step("started"), step("accepted", said="s1"), step("closed")]
        submission = record("mx1/A@1", queue_ids=["mx1/A"], trail=lines)
        told = [step("accepted", said="s1"), step("submitted", said="mx1/A"), step("sent", source="ses")]
        mail = record("s1", ses_message_id="s1", queue_ids=["mx1/A"], trail=told)
        steps = tell(submission, mail).steps
        assert [each.evidence for each in steps] == [f"mail.log:{f}" for f in ("started", "accepted", "closed", "sent")]
        assert [each.host for each in steps] == ["mx1", "mx1", "mx1", "SES"]

    def test_whose_line_it_was_is_not_guessed(self):
        mail = record("s1", ses_message_id="s1", queue_ids=["mx1/A", "mx2/B"], trail=[step("deferred")])
        assert tell(mail).steps[0].host == ""

    def test_recipients_that_fared_alike_have_one_verdict_and_what_is_bad_comes_first(self):
        people = [recipient(f"{n}@x.example", "delivered") for n in range(48)]
        bounced = recipient("b@y.example", "bounced", bounce_type="Permanent", bounce_subtype="General")
        story = tell(record("s1", ses_message_id="s1", recipients=[*people, bounced]))
        assert [(each.cause, len(each.recipients)) for each in story.verdicts] == [
            ("hard_bounce", 1),
            ("delivered", 48),
        ]

    def test_every_kind_of_fact_has_words(self):
        known = record(trail=[step(fact) for fact in HAPPENED]).trail
        assert not [each.fact for each in known if "that this version does not know" in happened(each)]
        assert "Teleported" in happened(record(trail=[step("Teleported")]).trail[0])

    @pytest.mark.parametrize("kind", GapKind)
    @pytest.mark.parametrize("resolution", [None, *Resolution])
    def test_every_gap_says_what_was_missing_until_when_and_how_it_ended(self, kind, resolution):
        gap = {
            "gap_id": "g", "kind": kind, "cause": "silent", "recipient": None, "deadline": "2026-01-01T00:00:00.000Z",
            "opened_at": "2026-01-01T00:00:00.000Z", "resolution": resolution,
            "resolved_at": None if resolution is None else "2026-01-01T09:09:09.000Z",
        }  # fmt: skip
        said = waited_for(record(gaps=[gap]).gaps[0])
        assert "2026-01-01 00:00:00.000, the deadline" in said
        assert ("open since" in said) is (resolution is None)
        assert ("2026-01-01 09:09:09.000" in said) is (resolution is not None)

    @pytest.mark.parametrize("outcome", Outcome)
    def test_every_outcome_has_a_verdict_with_a_next_step(self, outcome):
        (verdict,) = tell(record("s1", ses_message_id="s1", recipients=[recipient("a@x.example", outcome)])).verdicts
        assert VerdictCause(verdict.cause)
        assert len(verdict.explanation) > 40
        assert len(verdict.next_step) > 40

    def test_of_one_recipient_the_story_says_what_the_record_says(self, simulated):
        alone = [each for each in simulated if len(each.recipients) == 1 and each.superseded_by is None]
        assert len({each.verdict.cause for each in alone}) > 12
        for document in alone:
            (said,) = tell(document).verdicts
            assert (said.cause, said.explanation) == (document.verdict.cause, document.verdict.explanation)

    def test_every_kind_of_fact_in_the_records_has_words(self, simulated):
        said = {entry.fact for document in simulated for entry in document.trail}
        assert said <= set(HAPPENED)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Records of every fate that a mail can have."""
    folder = tmp_path_factory.mktemp("simulated")
    run = CliRunner()
    made = run.invoke(cli, ["simulate", "--to", str(folder), "--mails", "300", "--mix", "even", "--seed", "7"])
    assert made.exit_code == 0, made.output
    scanned = run.invoke(
        cli, ["scan", "--smtp", f"{folder}/smtp", "--ses", f"{folder}/ses", "--format", "jsonl", "--as-of", LATER]
    )
    assert scanned.exit_code == 0, scanned.stderr
    return [msgspec.json.decode(line, type=Correlated) for line in scanned.stdout.splitlines()]


@pytest.mark.parametrize(
    ("relay", "words"),
    [
        ("local", "delivered the mail on its own host"),
        ("appendfile", "delivered the mail on its own host"),
        ("remote_smtp", "another server than SES"),
        ("mx9.shop.example, queued as 4A1B", "another server than SES"),
        ("127.0.0.1", "another server than SES"),
    ],
)
def test_what_was_delivered_elsewhere_is_followed_where_it_went(relay, words):
    (verdict,) = tell(record("mx1/A@1", queue_ids=["mx1/A"], trail=[step("elsewhere", said=relay)])).verdicts
    assert words in verdict.explanation
    assert relay.split(",")[0] in verdict.next_step
