"""Every command on arguments that are none: one sentence that names the value, exit 1 or 2, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import cli

LINE = (
    "Nov 24 08:00:00 mx1 postfix/smtp[7]: 4F2A001: to=<ann@client.example>, relay=email-smtp.eu-west-1.amazonaws.com"
    "[203.0.113.9]:587, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent"
    " (250 Ok 010201939d0c1f00-76b6ee63-ad84-420f-8c29-90e54410372f-000000)\n"
)
NOWHERE = "127.0.0.1:9"
WORKER = ("worker", "--smtp-topic", "a", "--addresses", "raw", "--bootstrap-servers", NOWHERE)
FEED = ("feed", "--smtp-topic", "a", "--bootstrap-servers", NOWHERE, "--state", "{tmp}/state")
PLAY = ("simulate", "--to", "{tmp}/out", "--mails", "3")
ASKERS = (
    ("topics", "check"),
    ("topics", "create"),
    ("worker", "--smtp-topic", "a", "--addresses", "raw"),
    ("dead-letters", "list"),
    ("dead-letters", "show", "0/1"),
    ("dead-letters", "replay", "--all"),
    ("explain", "x"),
    ("feed", "--file", "x", "--smtp-topic", "a", "--state", "{tmp}/state"),
    ("backfill", "--prefix", "jan", "--smtp", "{tmp}", "--spool", "{tmp}/spool"),
    ("doctor",),
    ("simulate", "--truth", "{tmp}/truth", "--smtp-topic", "a", "--ses-topic", "b"),
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MAILGAP_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "mail.log"
    path.write_text(LINE)
    return path


def said(arguments, tmp_path, code):
    """What the command says on standard error."""
    done = CliRunner().invoke(cli, [str(argument).replace("{tmp}", str(tmp_path)) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done.stderr


@pytest.mark.parametrize("command", ASKERS, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize("servers", ["127.0.0.1:99999", "127.0.0.1:0", "127.0.0.1:", "a b:9", ",", ""])
def test_an_address_that_is_none(tmp_path, command, servers):
    text = said([*command, "--bootstrap-servers", servers], tmp_path, 2)
    assert "--bootstrap-servers: " in text
    assert "is no address of a broker; give host:port, like 127.0.0.1:9092" in text


@pytest.mark.parametrize("command", [*ASKERS[:9]], ids=lambda command: " ".join(command[:2]))
def test_a_broker_that_is_not_there(tmp_path, command):
    """One sentence, and no line of aiokafka's before it."""
    text = said([*command, "--bootstrap-servers", NOWHERE], tmp_path, 1)
    assert text == f"Error: no Kafka answers at {NOWHERE}: start it, or give its address with --bootstrap-servers\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*WORKER, "--ses-topic", "a"), "topic a is given with --smtp-topic and with --ses-topic"),
        ((*WORKER, "--ses-topic", "mailgap-gaps"), "topic mailgap-gaps is one that mailgap itself writes"),
        ((*WORKER, "--session-timeout", "0s"), "--session-timeout: '0s' makes no sense here; give something from 1s"),
        ((*WORKER, "--commit-interval", "0s"), "--commit-interval: '0s' makes no sense here"),
        ((*WORKER, "--brake", "101"), "--brake: '101' is no percentage"),
        ((*WORKER, "--timezone", "Mars"), "--timezone 'Mars' is no zone"),
        ((*WORKER, "--policy", "{tmp}"), "the policy file cannot be read: Is a directory"),
        (FEED, "nothing to follow: give --file, a log or a pattern, or --journal"),
        (("feed", "--file", "x"), "give one --smtp-topic: the topic that the lines go to"),
        ((*FEED, "--file", "{tmp}"), "is a folder; give its files, or a pattern like"),
        ((*FEED, "--journal", "postfix"), "--journal: 'postfix' is no match of the journal; give one like SYSLOG"),
        ((*FEED, "--file", "x", "--start", "now"), "--start: 'now' is unknown; choose one of end, beginning, rotated"),
        ((*FEED, "--file", "x", "--host", "a b"), "--host: 'a b' is no name of a host"),
        (("backfill", "--prefix", "jan"), "nothing to read: give --smtp PATH, --ses PATH or both"),
        (("backfill", "--smtp", "{tmp}"), "--prefix: history needs one of its own"),
        (("topics", "create", "--partitions", "\u00b2"), "--partitions: '\u00b2' is no count"),
        (("topics", "check", "--prefix", "a/b"), "--prefix: 'a/b' cannot be the name of a topic"),
        (("scan", "--smtp", "{tmp}/mail.log", "--rejects", "{tmp}/mail.log"), "is one of the files to read"),
        (("scan", "--smtp", "{tmp}", "--rejects", "{tmp}/mail.log"), "is one of the files to read"),
        (("scan", "--smtp", "{tmp}/mail.log", "--policy", ""), "'': the policy file cannot be read"),
        (("scan", "--smtp", "{tmp}/mail.log", "--as-of", ""), "--as-of '' is no time"),
        ((*PLAY, "--rate", "0"), "--rate: 0 does not do"),
        ((*PLAY, "--rate", "nan"), "--rate: nan does not do"),
        ((*PLAY, "--mails", "99999999999999999999"), "--mails: 1e+20 does not do"),
        ((*PLAY, "--recipients", "51"), "--recipients: 51 does not do; give something from 1 to 50"),
        ((*PLAY, "--hosts", "0"), "--hosts: 0 does not do"),
        ((*PLAY, "--duplicates", "inf"), "--duplicates: inf does not do; give something from 0 to 1"),
        ((*PLAY, "--reorder", "-1"), "--reorder: -1 does not do"),
        ((*PLAY, "--skew", "99999999999999999d"), "is no duration"),
        ((*PLAY, "--ago", "366d"), "--ago: '366d' is longer than a year"),
        ((*PLAY, "--start", "0001-01-01T00:00:00Z"), "--start: the run has to lie between"),
        ((*PLAY, "--mix", "delivered=nan"), "write a fate and its share"),
        ((*PLAY, "--mix", "delivered=0"), "leaves nothing to choose from"),
        ((*PLAY, "--stall", "ses:1s+0s"), "it lasts no time"),
    ],
)
def test_bad_usage(tmp_path, log, arguments, words):
    assert words in said(arguments, tmp_path, 2)
    assert log.read_text() == LINE  # nothing is lost


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("scan", "--smtp", ""), "'': there is no such file or folder"),
        (("scan", "--smtp", "x" * 5000), "File name too long"),
        (("scan", "--smtp", "{tmp}/mail.log", "--rejects", "{tmp}"), "cannot be written: Is a directory"),
        (("scan", "--smtp", "{tmp}/mail.log", "--rejects", "{tmp}/no/such/folder"), "cannot be written: No such file"),
        (("simulate", "--to", "/dev/null/x", "--mails", "3"), "cannot be written: Not a directory"),
    ],
)
@pytest.mark.usefixtures("log")
def test_files_that_cannot_be_used(tmp_path, arguments, words):
    assert words in said(arguments, tmp_path, 1)


def test_a_file_name_of_any_bytes(tmp_path):
    """It is shown, in evidence and in errors, with its odd bytes spelled out."""
    path = os.fsencode(tmp_path) + b"/\xff\xfename.log"
    Path(os.fsdecode(path)).write_text(LINE)
    done = _run("scan", "--smtp", os.fsdecode(path), "--format", "jsonl", stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout.count(b"\\\\xff\\\\xfename.log:1")) == (0, 1)
    assert b"xff" in _run("scan", "--smtp", os.fsdecode(path) + "s").stderr


@pytest.mark.parametrize("form", ["table", "jsonl", "html"])
def test_an_output_that_is_full(log, form):
    with Path("/dev/full").open("wb") as full:
        done = _run("scan", "--smtp", log, "--format", form, stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == "Error: the output cannot be written: No space left on device"


@pytest.mark.parametrize("form", ["table", "jsonl", "html"])
def test_a_reader_that_goes_away(log, form):
    """`mailgap scan … | head`"""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as broken:
        done = _run("scan", "--smtp", log, "--format", form, stdout=broken)
    assert done.returncode == 1
    assert b"Error" not in done.stderr
    assert b"Exception" not in done.stderr


def test_rejects_that_find_no_room(tmp_path):
    path = tmp_path / "mail.log"
    path.write_bytes(b"Nov 24 08:00:00 mx1 \0\0\0 postfix/smtp[7]: 4F2A00: to=<a@b.example>\n" * 1000)
    assert "/dev/full: cannot be written: No space left" in said(
        ("scan", "--smtp", path, "--rejects", "/dev/full"), tmp_path, 1
    )


def test_a_policy_that_hardly_means_what_it_says_is_warned_of(tmp_path, log):
    (tmp_path / "policy.yaml").write_text("streams: [{name: otp, match: {configuration_set: otp}, handoff: 2m}]")
    text = said(("scan", "--smtp", log, "--policy", tmp_path / "policy.yaml"), tmp_path, 0)
    assert "Warning: " in text
    assert "streams[0] (otp): matches by configuration_set" in text


def _run(*arguments, stdout=subprocess.DEVNULL):
    """The command as a process, whose streams are real ones."""
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    root = Path(__file__).parents[2]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, cwd=root, timeout=60, check=False)
