"""`mailgap trace` as it is typed: what it refuses in a sentence, and a page over files that answers over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli import cli
from service.contract.wire import encode
from tests.trace.mails import mail, silent

TOKEN = "a-token-of-the-tests-0123456789"


@contextmanager
def running(*words: str, folder: Path):
    """The program itself, until it says where it listens; then SIGTERM, and it ends well."""
    program = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "trace", "--http-bind", "127.0.0.1:0", *words],
        stderr=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    try:
        said = []
        for line in program.stderr:
            said.append(line)
            if line.startswith("mailgap trace: "):
                yield line.split()[-1]
                break
        else:
            pytest.fail("".join(said))
    finally:
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=30)
    assert program.returncode == 0


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return answer.read().decode()


def test_a_page_over_what_scan_wrote(tmp_path):
    records = tmp_path / "mails.jsonl"
    records.write_bytes(b"\n".join(map(encode, (mail(1), silent(2)))) + b"\n\n")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"reader ann {TOKEN}\n")
    with running("--from", str(records), "--trace-tokens-file", str(tokens), folder=tmp_path) as base:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(base + "api/v1/gaps")
        found = json.loads(get(base + "api/v1/gaps", Authorization=f"Bearer {TOKEN}"))
        assert [gap["mail_id"] for gap in found["items"]] == [silent(2).mail_id]
        assert "mailgap_trace_store_mails 2.0" in get(base + "metrics")
    assert {path.name for path in tmp_path.iterdir()} == {"mails.jsonl", "tokens"}  # it kept nothing


@pytest.mark.parametrize(("words", "status"), [((), 403), (("--addresses", "raw"), 200)])
def test_whoever_shows_a_file_of_their_own_may_say_that_its_addresses_are_shown(tmp_path, words, status):
    records = tmp_path / "mails.jsonl"
    records.write_bytes(encode(silent(2)) + b"\n")
    address = silent(2).recipients[0].address
    with running("--from", str(records), *words, folder=tmp_path) as base:
        assert address not in get(base + "api/v1/mails")
        if status == 200:
            assert address in get(base + "api/v1/mails?addresses=raw")
        else:
            with pytest.raises(urllib.error.HTTPError, match=str(status)):
                get(base + "api/v1/mails?addresses=raw")


def run(*words, **environ):
    return CliRunner().invoke(cli, ["trace", *words], env=environ)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--http-bind", "0.0.0.0:9750"], "--trace-tokens-file or --trace-proxy"),
        (["--http-bind", "[::]:9750"], "is open to others"),
        (["--trace-proxy", "the.proxy"], "'the.proxy' is no address or network"),
        (["--trace-retention", "1s"], "--trace-retention"),
        (["--trace-tokens-file", "/nowhere/tokens"], "/nowhere/tokens: the tokens cannot be read"),
        (["--former-key-file", "/nowhere/key"], "/nowhere/key"),
        (["--pseudonym-key-file", "/nowhere/key"], "/nowhere/key"),
        (["--policy", "/nowhere/policy"], "/nowhere/policy"),
        (["--trace-store", "postgresql://u:secret@h/d"], "PGPASSWORD"),
        (["--from", "x", "--serve-only"], "--from"),
    ],
)
def test_what_is_wrong_with_the_settings_is_bad_usage(words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{}\n", ":1: is no correlated record"), (encode(mail()) + b"\nnonsense\n", ":2: is no correlated record"),
     (b"\xff\xfe\n", ":1: is no correlated record")],
)  # fmt: skip
def test_a_file_of_something_else(tmp_path, content, said):
    (tmp_path / "x").write_bytes(content)
    result = run("--from", str(tmp_path / "x"), "--http-bind", "127.0.0.1:0")
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    assert said in result.output


def test_a_file_that_is_not_there():
    result = run("--from", "/nowhere/mails", "--http-bind", "127.0.0.1:0")
    assert result.exit_code == 1
    assert "/nowhere/mails" in result.output


def test_a_store_that_cannot_be_opened(tmp_path):
    (tmp_path / "folder").mkdir()
    result = run("--serve-only", "--trace-store", str(tmp_path / "folder"), "--http-bind", "127.0.0.1:0")
    assert result.exit_code == 1
    assert "--trace-store" in result.output


def test_a_port_that_is_taken():
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("--from", "/dev/null", "--http-bind", f"127.0.0.1:{taken.getsockname()[1]}")
    assert result.exit_code == 1
    assert "--http-bind" in result.output
