"""The demo's story: what it says can be read, what it holds for true is what `scan` finds, and a wrong find is seen."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack

import pytest
from click.testing import CliRunner
from rich.console import Console

from service.cli import cli
from service.contract.enums import FINAL, Outcome
from service.demo import offline, summary, words
from service.demo.fates import FATES
from service.demo.files import Files
from service.demo.findings import compare
from service.demo.sample import FEWEST_MAILS, POLICY, SENDING, tell
from service.demo.truth import Fate
from service.facts import Reason, Source
from service.parsing.ses import parse_ses
from service.parsing.ses_id import id_clock
from service.parsing.smtp import parse_smtp

START = 1_795_500_000_000  # 2026-11-24, so that ids carry a believable clock and nothing lies in the future


@pytest.fixture
def files(tmp_path):
    with ExitStack() as stack:
        yield Files.fresh(tmp_path / "demo", stack)


def told_and_scanned(files, seed, mails):
    story = tell(seed, mails, START)
    files.write(story)
    return story, offline.scan(files)


def test_every_record_is_read_except_those_that_nobody_can_read():
    story = tell(1, 300, START)
    trouble = Counter()
    silent = []
    for record in story.records:
        seen = START + int(record.at * 1000)
        read = parse_smtp(record.value, seen) if record.source is Source.SMTP else parse_ses(record.value, seen)
        parsed, why = read
        if why:
            trouble[why.reason] += 1
        elif not parsed.facts:
            silent.append(record.value)
    assert trouble == story.dead == {Reason.NOT_TEXT: 1, Reason.BAD_JSON: 1}
    assert all(b"CRON" in line or b"non-delivery notification" in line for line in silent)


def test_the_same_seed_tells_the_same_story_and_another_another():
    assert tell(7, 40, START) == tell(7, 40, START)
    assert tell(7, 40, START).records != tell(8, 40, START).records


def test_a_story_is_told_in_order_and_ends_in_time():
    story = tell(3, 300, START)
    assert [record.at for record in story.records] == sorted(record.at for record in story.records)
    assert story.seconds < SENDING + 6


@pytest.mark.parametrize("mails", [FEWEST_MAILS, 300])
def test_every_fate_occurs_and_most_mails_arrive(mails):
    fates = Counter(mail.fate for mail in tell(1, mails, START).mails)
    assert set(fates) == set(Fate)
    assert len(FATES) + 1 == len(Fate)
    assert fates.total() == mails
    assert fates.most_common(1)[0][0] is Fate.DELIVERED


def test_ses_ids_carry_the_clock_of_the_mail():
    for mail in tell(1, 300, START).mails:
        clock = id_clock(mail.name)
        assert clock is None or 0 <= clock - (START + int(mail.at * 1000)) < 15_000


def test_names_are_unique():
    story = tell(1, 2000, START)
    assert len({mail.name for mail in story.mails}) == 2000


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mails", [FEWEST_MAILS, 300])
def test_scan_finds_what_is_true(files, seed, mails):
    story, findings = told_and_scanned(files, seed, mails)
    compared = compare(story, findings, str)
    assert compared.differences == ()
    assert (compared.found, compared.false, compared.right) == (len(story.gaps), 0, mails)


def test_300_mails_have_20_gaps(files):
    story, findings = told_and_scanned(files, 1, 300)
    assert len(story.gaps) == 20
    assert sum(gap.resolution is not None for gap in findings.gaps.values()) == 5


def test_a_missed_a_false_and_a_wrong_find_are_seen(files):
    story, findings = told_and_scanned(files, 1, 60)
    (missed, _), (other, gap) = list(findings.gaps.items())[:2]
    del findings.gaps[missed]
    findings.gaps["made up"] = gap
    del findings.mails[next(mail.name for mail in story.mails if mail.fate is Fate.DELIVERED)]
    findings.dead["bad_json"] += 1
    compared = compare(story, findings, str)
    assert not compared.equal
    assert [difference.partition(":")[0] for difference in compared.differences] == [
        "missing",
        "false",
        "wrong outcome",
        "dead letters",
    ]
    assert other in findings.gaps


def test_a_later_revision_replaces_an_earlier_one_and_never_the_other_way(files):
    _, findings = told_and_scanned(files, 1, FEWEST_MAILS)
    gap_id, gap = next(iter(findings.gaps.items()))
    newer = type(gap)(**{name: getattr(gap, name) for name in gap.__struct_fields__} | {"revision": gap.revision + 1})
    for each in (newer, gap):
        findings.add_gap(each)
    assert findings.gaps[gap_id].revision == newer.revision


def test_every_outcome_is_said_in_plain_words_and_only_the_open_ones_count_as_gaps():
    assert set(words.OUTCOMES) == {*Outcome, "unknown"}
    assert words.MISSING.isdisjoint(FINAL - {Outcome.REFUSED})


def test_the_summary_names_every_gap_and_fits_110_columns(files):
    story, findings = told_and_scanned(files, 1, 300)
    console = Console(width=110, highlight=False)
    with console.capture() as capture:
        summary.show(console, findings, compare(story, findings, str))
    text = capture.get()
    assert "20 of 20 gaps found, 0 false; 300 of 300 mails right" in text
    assert all(words.cause(gap.cause) in text for gap in findings.gaps.values())
    assert max(map(len, text.splitlines())) <= 110
    assert "_" not in re.sub(r"\S*[/@`]\S*", "", text)  # no word of the contract, which is not everyday language


def test_a_second_demo_gets_a_folder_of_its_own(tmp_path):
    with ExitStack() as stack:
        folders = [Files.fresh(tmp_path / "demo", stack).folder.name for _ in range(3)]
    assert folders == ["demo", "demo-2", "demo-3"]
    with ExitStack() as stack:
        assert Files.fresh(tmp_path / "demo", stack).folder.name == "demo"


def test_a_new_demo_leaves_nothing_of_an_earlier_one(tmp_path):
    for _ in range(2):
        with ExitStack() as stack:
            files = Files.fresh(tmp_path / "demo", stack)
            assert not files.smtp.exists()
            assert not files.log.exists()
            assert files.policy.read_text() == POLICY
            files.write(tell(1, FEWEST_MAILS, START))
            files.log.write_text("of a worker")


def test_without_kafka_the_command_tells_the_story_and_its_scan_command_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["demo", "--no-kafka", "--mails", "60"])
    assert done.exit_code == 0, done.output
    assert "7 of 7 gaps found, 0 false; 60 of 60 mails right" in done.output
    first, second = re.search(r"mailgap scan (.*) \\\n\s+(.*)\n", done.output).groups()
    scanned = CliRunner().invoke(cli, ["scan", *first.split(), *second.split(), "--fail-on-gap"])
    assert scanned.exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--mails", "3"], "not in the range"), (["--keep", "--no-kafka"], "contradict each other")],
)
def test_bad_usage_is_one_sentence(arguments, sentence):
    done = CliRunner().invoke(cli, ["demo", *arguments])
    assert done.exit_code == 2
    assert sentence in done.output
