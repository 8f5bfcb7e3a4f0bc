"""`mailgap scan` and what it says of bad usage: one sentence with the value and the way out, and never a traceback."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import zstandard
from click.testing import CliRunner

from service.cli import cli
from tests.integration import sample as samples
from tests.integration.judged import differences, none

if TYPE_CHECKING:
    from pathlib import Path

SECONDS, MAILS = 10, 120


@pytest.fixture(scope="module")
def sample():
    start = int(time.time() * 1000) - (SECONDS + samples.SETTLED + 2) * 1000
    return samples.make(8, MAILS, start, SECONDS)


@pytest.fixture(scope="module")
def files(sample, tmp_path_factory):
    """The sample as plain files, and its policy."""
    folder = tmp_path_factory.mktemp("sample")
    for source in ("smtp", "ses"):
        values = [record.value for record in sample.records if record.source == source]
        (folder / source).write_bytes(b"\n".join(values) + b"\n")
    (folder / "policy.yaml").write_text(samples.POLICY)
    return folder


def run(*arguments: object, code: int = 0, stdin: bytes = b"") -> tuple[str, str]:
    """Standard output and error of a command that ends with this code, by an exit of its own."""
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def scan(files: Path, sample: samples.Sample, *more: object, smtp: object = None, ses: object = None, **kw: object):
    """The documents, and the summary."""
    out, summary = run(
        "scan", "--smtp", smtp or files / "smtp", "--ses", ses or files / "ses", "--policy", files / "policy.yaml",
        "--as-of", samples.iso(sample.end), "--format", "jsonl", *more, **kw,
    )  # fmt: skip
    return [json.loads(line) for line in out.splitlines()], summary


def test_it_finds_what_happened(files, sample):
    documents, summary = scan(files, sample)
    none(differences(sample, documents))
    assert f"{len([r for r in sample.records if r.source == 'smtp'])} smtp records" in summary
    opened = [gap for gap in sample.gaps if gap.resolution is None]
    assert f"gaps      {len(opened)} open" in summary
    assert f"{len(sample.gaps) - len(opened)} opened and resolved" in summary
    assert "rejected  0" in summary


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_packed_files_and_folders(files, sample, tmp_path, pack):
    for source in ("smtp", "ses"):
        lines = (files / source).read_bytes().splitlines(keepends=True)
        (tmp_path / source / "older").mkdir(parents=True)
        half = len(lines) // 2
        (tmp_path / source / "a.packed").write_bytes(pack(b"".join(lines[:half])))
        (tmp_path / source / "older" / "b.packed").write_bytes(pack(b"".join(lines[half:])))
    documents, _ = scan(files, sample, smtp=tmp_path / "smtp", ses=tmp_path / "ses")
    none(differences(sample, documents))


@pytest.mark.parametrize("how", ["pretty", "concatenated", "array", "pretty array"])
def test_events_however_they_are_written(files, sample, tmp_path, how):
    events = [json.loads(line) for line in (files / "ses").read_bytes().splitlines()]
    text = {
        "pretty": "\n".join(json.dumps(event, indent=2) for event in events),
        "concatenated": "".join(json.dumps(event) for event in events[:100])
        + "\n"
        + "\n".join(json.dumps(event) for event in events[100:]),
        "array": json.dumps(events),
        "pretty array": json.dumps(events, indent=4),
    }[how]
    (tmp_path / "ses.json").write_text(text)
    documents, _ = scan(files, sample, ses=tmp_path / "ses.json")
    none(differences(sample, documents))


@pytest.mark.parametrize("source", ["smtp", "ses"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_standard_input(files, sample, source, pack):
    """As a process, since it is about a real pipe."""
    paths = {name: "-" if name == source else str(files / name) for name in ("smtp", "ses")}
    command = [
        sys.executable, "-m", "service.cli", "scan", "--smtp", paths["smtp"], "--ses", paths["ses"], "--policy",
        str(files / "policy.yaml"), "--as-of", samples.iso(sample.end), "--format", "jsonl",
    ]  # fmt: skip
    data = pack((files / source).read_bytes())
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60)
    none(differences(sample, [json.loads(line) for line in done.stdout.splitlines()]))


def test_a_reader_that_goes_away_is_no_error(files):
    command = f"{sys.executable} -m service.cli scan --smtp {files / 'smtp'} --format jsonl | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False, timeout=60)
    assert done.stdout.count(b"\n") == 1
    assert b"Traceback" not in done.stderr
    assert b"Broken pipe" not in done.stderr


def test_only_gaps(files, sample):
    documents, _ = scan(files, sample, "--only", "gaps")
    every, _ = scan(files, sample)
    assert documents == [document for document in every if document["gaps"]]
    assert 0 < len(documents) < len(every)


def test_fail_on_gap(files, sample, tmp_path):
    scan(files, sample, "--fail-on-gap", code=3)
    (tmp_path / "nothing").write_text("")
    run("scan", "--smtp", tmp_path / "nothing", "--fail-on-gap")


def test_as_of_leaves_out_and_counts_what_is_later(files, sample):
    until = sample.records[len(sample.records) // 2].at
    later = sum(record.at > until for record in sample.records)
    out, summary = run(
        "scan", "--smtp", files / "smtp", "--ses", files / "ses", "--policy", files / "policy.yaml", "--as-of",
        samples.iso(until), "--format", "jsonl",
    )  # fmt: skip
    assert f"{later} are later than --as-of" in summary
    said = [entry["at"] for line in out.splitlines() for entry in json.loads(line)["trail"]]
    assert max(said) <= samples.iso(until)


def test_as_of_is_the_watermark_of_both(files, sample):
    """The same facts: right after the last of them nothing is due of the last mails, later everything is."""
    last = sample.records[-1].at
    early, _ = run("scan", "--smtp", files / "smtp", "--as-of", samples.iso(last), "--format", "jsonl")
    late, _ = run("scan", "--smtp", files / "smtp", "--as-of", "2099-01-01T00:00:00Z", "--format", "jsonl")
    assert '"silent"' not in early
    assert '"silent"' in late


def test_a_table_for_people(files):
    out, summary = run("scan", "--smtp", files / "smtp", "--ses", files / "ses", "--only", "gaps")
    assert "next step" in out
    assert "spoken" in summary


def test_text_of_mails_does_nothing_to_a_terminal(tmp_path):
    mail = {"messageId": "x-1-2", "timestamp": "2026-11-24T08:00:00Z", "destination": ["[red]\x1b[2J@evil.example"]}
    (tmp_path / "events").write_text(json.dumps({"eventType": "Send", "mail": mail}))
    out, _ = run("scan", "--ses", tmp_path / "events")
    assert "\x1b" not in out
    assert "[red]" in out


USAGE = [
    (["scan"], ["nothing to read", "--smtp"]),
    (["scan", "--smtp", "-", "--ses", "-"], ["standard input", "file"]),
    (["scan", "--smtp", "/dev/null", "--as-of", "yesterday"], ["'yesterday'", "RFC 3339"]),
    (["scan", "--smtp", "/dev/null", "--as-of", "2026-13-01T00:00:00Z"], ["2026-13-01", "RFC 3339"]),
    (["scan", "--smtp", "/dev/null", "--as-of", "2026-11-24T09:00:00"], ["2026-11-24T09:00:00", "zone"]),
    (["scan", "--smtp", "/dev/null", "--timezone", "Mars/Olympus"], ["Mars/Olympus", "Europe/Vienna"]),
    (["scan", "--smtp", "/dev/null", "--policy", "/nowhere/policy.yaml"], ["/nowhere/policy.yaml"]),
    (["scan", "--smtp", "/dev/null", "--format", "xml"], ["xml", "jsonl"]),
    (["scan", "--smtp", "/dev/null", "--only", "all"], ["'all'", "gaps"]),
    (["scan", "--smtp"], ["--smtp"]),
    (["scan", "--mail", "x"], ["--mail"]),
    (["scan", "mail.log"], ["mail.log"]),
    (["scam"], ["scam"]),
    (["worker"], ["nothing to read", "--smtp-topic"]),
    (["worker", "--smtp-topic", "a"], ["--pseudonym-key-file", "--addresses raw"]),
    (["worker", "--smtp-topic", "a", "--addresses", "hidden"], ["--addresses", "'hidden'", "raw"]),
    (["worker", "--smtp-topic", "a", "--http-bind", "here"], ["--http-bind", "'here'", "127.0.0.1:9750"]),
    (["worker", "--smtp-topic", "a", "--session-timeout", "10"], ["--session-timeout", "'10'", "90s"]),
    (["worker", "--smtp-topic", "a", "--role", "judge"], ["'judge'", "ingest"]),
    (["worker", "--smtp-topic", "a", "--addresses", "raw", "--policy", "/nowhere"], ["/nowhere"]),
    (["worker", "--smtp-topic", "a", "--addresses", "raw", "--timezone", "Mars"], ["Mars"]),
    (["worker", "--smtp-topic", "a", "--pseudonym-key-file", "/nowhere/key"], ["/nowhere/key"]),
    (["worker", "--config", "/nowhere/config.yaml"], ["/nowhere/config.yaml"]),
    (["topics", "create", "--partitions", "0"], ["--partitions", "'0'"]),
    (["topics", "remove"], ["remove"]),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_bad_usage_is_one_sentence(arguments, words, monkeypatch):
    for name in ("MAILGAP_PSEUDONYM_KEY", "MAILGAP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    out, said = run(*arguments, code=2)
    assert out == ""
    error = said[said.index("Error: ") :].splitlines()
    assert len(error) == 1
    assert all(word in error[0] for word in words), error


@pytest.mark.parametrize(
    ("text", "words"), [("defaults: {handoff: 15}", "handoff"), ("streams: [{}]", "streams[0]"), ("{", "no YAML")]
)
def test_a_bad_policy_is_one_sentence(tmp_path, text, words):
    (tmp_path / "policy.yaml").write_text(text)
    _, said = run("scan", "--smtp", "/dev/null", "--policy", tmp_path / "policy.yaml", code=2)
    assert f"{tmp_path / 'policy.yaml'}" in said
    assert words in said


def test_files_that_cannot_be_read(tmp_path):
    _, said = run("scan", "--smtp", tmp_path / "missing.log", code=1)
    assert f"{tmp_path / 'missing.log'}: there is no such file or folder" in said
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"line\n" * 10_000)[:-20])
    _, said = run("scan", "--ses", tmp_path / "cut.gz", code=1)
    assert f"{tmp_path / 'cut.gz'}: cannot be read to its end" in said


def test_rejects_that_cannot_be_written(tmp_path):
    _, said = run("scan", "--smtp", "/dev/null", "--rejects", tmp_path / "no" / "folder", code=1)
    assert f"{tmp_path / 'no' / 'folder'}: cannot be written" in said


def test_an_empty_folder_is_read_to_its_end(tmp_path):
    _, summary = run("scan", "--smtp", tmp_path)
    assert "read      nothing" in summary


@pytest.mark.parametrize("command", [[], ["scan"], ["worker"], ["topics"], ["topics", "create"], ["demo"]])
def test_help_reads(command):
    out, _ = run(*command, "--help")
    assert out.startswith("Usage: ")
    assert len(out.splitlines()) > 5


def test_version():
    assert run("--version")[0].startswith("mailgap, version ")
