"""simulate, scan and verify as commands; and verify sees whatever is amiss."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from service.facts import Source
from service.simulation.deadlines import read_policy
from service.simulation.plan import Plan
from service.simulation.truth import read
from service.verification.compare import Truth, compare
from service.verification.said import Said
from tests.integration.world import mailgap

POLICY = "defaults: {handoff: 6s, first_event: 5s, max_delivery: 20s, grace: 9s}\n"
START = 1_790_000_000_000


def run(folder, *arguments):
    """Simulates, scans and verifies; gives the exit code of verify and what it said."""
    (folder / "policy.yaml").write_text(POLICY)
    policy = () if "--default-policy" in arguments else ("--policy", folder / "policy.yaml")
    more = [argument for argument in arguments if argument != "--default-policy"]
    done = mailgap("simulate", "--to", folder, *policy, "--mails", 300, *more)
    assert done.returncode == 0, done.stderr
    end = done.stderr.decode().rpartition(" ")[2].strip()
    paths = "--smtp", folder / "smtp", "--ses", folder / "ses"
    scanned = mailgap("scan", *paths, *policy, "--as-of", end, "--format", "jsonl")
    assert scanned.returncode == 0, scanned.stderr
    (folder / "scanned.jsonl").write_bytes(scanned.stdout)
    where = "--truth", folder / "truth.jsonl", "--scanned", folder / "scanned.jsonl"
    done = mailgap("verify", *where, "--format", "json")
    assert done.returncode in {0, 3}, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--default-policy", "--rate", 5),
        ("--seed", 2, "--duplicates", 0.3, "--lateness", "3s", "--reorder", 0.2, "--stall", "ses:4s+4s"),
        ("--seed", 3, "--hosts", 3, "--skew", "3s", "--dialect", "postfix", "--envelope", "sqs"),
        ("--seed", 4, "--recipients", 8, "--hosts", 12),
        ("--seed", 5, "--mix", "delivered=5,silent=5,reply_lost=5", "--dialect", "exim", "--dialect", "application"),
    ],
)
def test_scan_finds_what_was_simulated(tmp_path, arguments):
    mix = () if "--mix" in arguments else ("--mix", "even")
    code, board = run(tmp_path, *arguments, *mix)
    assert (code, board["details"]) == (0, [])
    assert board["mails"] >= 300
    assert board["found"] == board["gaps_due"] > 30


def test_the_table_and_the_exit_code_say_when_something_is_amiss(tmp_path):
    run(tmp_path)
    scanned = tmp_path / "scanned.jsonl"
    lines = [line for line in scanned.read_bytes().splitlines() if b'"gaps":[]' not in line]
    where = "--truth", tmp_path / "truth.jsonl", "--scanned", scanned
    scanned.write_bytes(b"\n".join(lines))
    done = mailgap("verify", *where, "--details", 2)
    assert done.returncode == 3
    assert done.stdout.splitlines()[0].split() == (
        b"mails gaps due found missed false repeated wrong longest delay input lag".split()
    )
    assert len(done.stdout.splitlines()) == 4
    scanned.write_text('{"schema": "mailgap.correlated/1"}')
    done = mailgap("verify", *where)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


# -- what is amiss is seen -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lines(tmp_path_factory) -> tuple[Any, list[Any]]:
    folder = tmp_path_factory.mktemp("simulated")
    (folder / "policy.yaml").write_text(POLICY)
    code, board = run(folder, "--mix", "even")
    assert (code, board["details"]) == (0, [])
    documents = [json.loads(line) for line in (folder / "scanned.jsonl").read_bytes().splitlines()]
    return list(read(folder / "truth.jsonl")), documents


def board_of(lines, change, *, now=None):
    """The scoreboard after a change of the documents, as topics would show them."""
    told, documents = lines
    documents = deepcopy(documents)
    gaps = [
        document_of_gap(gap, document, state, revision)
        for document in documents
        for gap in document["gaps"]
        for revision, state in enumerate(["opened", *(["resolved"] if gap["resolution"] else [])], 1)
    ]
    change(documents, gaps)
    truth, said = Truth(str), Said()
    truth.take(told)
    for document in documents:
        said.take_mail(json.dumps(document).encode())
    for at, gap in enumerate(gaps):
        said.take_gap(json.dumps(gap).encode(), truth.end + at)
    board = compare(truth, said, truth.end if now is None else now)
    return (board.missed, board.false, board.repeated, board.wrong), board


def document_of_gap(gap, document, state, revision):
    shared = {"provider": "other", "stream": "x", "region": None, "explanation": "", "next_step": "", "runbook_url": ""}
    ids = {key: document[key] for key in ("mail_id", "ses_message_id", "message_id_header")}
    over = {} if state == "resolved" else {"resolution": None, "resolved_at": None}
    return {"schema": "mailgap.gap/1", **gap, **shared, **ids, **over, "state": state, "revision": revision}


def test_nothing_is_amiss(lines):
    counts, board = board_of(lines, lambda *_: None)
    assert counts == (0, 0, 0, 0)
    assert board.right
    assert board.longest_delay_s > 0


def _with(documents, **wanted):
    return next(d for d in documents if any(wanted.items() <= gap.items() for gap in d["gaps"]))


def _drop_mail(documents, _):
    documents.remove(next(document for document in documents if not document["gaps"]))


def _drop_gap(_, gaps):
    gaps.remove(next(gap for gap in gaps if gap["cause"] == "silent"))


def _made_up(_, gaps):
    gaps.append(gaps[0] | {"gap_id": "another", "recipient": "nobody@x.example"})


def _twice(_, gaps):
    gaps.append(gaps[0] | {"gap_id": "another"})


def _opened_again(_, gaps):
    gap = next(gap for gap in gaps if gap["state"] == "resolved")
    gaps.append(gap | {"state": "opened", "revision": 3})


def _same_revision(documents, _):
    documents.append(documents[0])


def _going_back(_, gaps):
    gap = next(gap for gap in gaps if gap["state"] == "resolved")
    gaps.append(gap | {"revision": 1})


def _other_cause(documents, _):
    _with(documents, cause="silent")["gaps"][0]["cause"] = "unreachable"


def _other_outcome(documents, _):
    person = next(d for d in documents if d["recipients"])["recipients"][0]
    person["outcome"] = "complained" if person["outcome"] != "complained" else "delivered"


def _left_open(documents, _):
    _with(documents, resolution="delivered")["gaps"][0].update(resolution=None, resolved_at=None)


def _ended_otherwise(_, gaps):
    next(gap for gap in gaps if gap["resolution"] == "delivered")["resolution"] = "bounced"


def _held(documents, _):
    documents[0]["held"] = True


def _elsewhere(documents, _):
    next(d for d in documents if d["superseded_by"])["superseded_by"] = None


def _extra_mail(documents, _):
    documents.append(documents[0] | {"mail_id": "one-more"})


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (_drop_mail, (0, 0, 0, 1)),
        (_drop_gap, (1, 0, 0, 0)),
        (_made_up, (0, 1, 0, 0)),
        (_twice, (0, 1, 0, 0)),
        (_opened_again, (0, 0, 1, 0)),
        (_same_revision, (0, 0, 1, 0)),
        (_going_back, (0, 0, 2, 0)),
        (_other_cause, (0, 0, 0, 1)),
        (_other_outcome, (0, 0, 0, 1)),
        (_left_open, (0, 0, 0, 1)),
        (_ended_otherwise, (0, 0, 0, 1)),
        (_held, (0, 0, 0, 1)),
        (_elsewhere, (0, 0, 0, 1)),
        (_extra_mail, (0, 0, 0, 1)),
    ],
)
def test_what_is_amiss_is_counted_once_and_listed(lines, change, counts):
    found, board = board_of(lines, change)
    assert found == counts, board.details
    assert len(board.details) == sum(counts)
    assert not board.right


def test_others_mails_on_the_topics_and_conditions_are_passed_over(lines):
    def others(documents, gaps):
        other = json.loads(json.dumps(documents[0]).replace(lines[0][0].tag, "somebody"))
        documents.append(other | {"mail_id": "0100-of-somebody-else"})
        gaps.append(gaps[0] | {"gap_id": "x", "mail_id": "0100-of-somebody-else"})
        gaps.append({"schema": "mailgap.condition/1", "condition_id": "y"})

    assert board_of(lines, others)[0] == (0, 0, 0, 0)


def test_before_its_end_only_what_is_settled_counts(lines):
    truth = Truth(str)
    truth.take(lines[0])
    counts, board = board_of(lines, lambda documents, gaps: (documents.clear(), gaps.clear()), now=truth.end - 25_000)
    assert 0 < board.not_yet_due < board.mails
    assert 0 < counts[0] < sum(gap.at <= truth.end for gap in truth.gaps)


def test_pseudonyms_stand_for_addresses():
    truth = Truth(lambda address: "p-" + address)
    plan = Plan(mails=50, rate=10.0, seed=1, start=START, policy=read_policy({}), mix="even")
    mails = []
    from service.simulation.story import Story  # noqa: PLC0415 - only here

    records = list(Story(plan, mails.append).records())
    truth.take(mails)
    assert {record.source for record in records} == set(Source)
    assert all(due.recipient is None or due.recipient.startswith("p-") for due in truth.gaps)
