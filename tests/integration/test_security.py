"""The worker and the tools against a Kafka that demands TLS, SCRAM and ACLs: those of deploy/kafka/ACLS.md."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from service.demo.broker import KafkaUnavailable
from tests.conftest import need
from tests.integration.secured import Secured
from tests.integration.world import Input, World, eventually, mailgap, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

PAGE = Path(__file__).parents[2] / "deploy/kafka/ACLS.md"
PREFIX = "gap"
SES = "email-smtp.eu-west-1.amazonaws.com[192.0.2.1]"
REFUSED = [
    "Nov 24 09:00:00 mx postfix/qmgr[1]: 3F2A81C0DE: from=<app@a.example>, size=812, nrcpt=1 (queue active)",
    f"Nov 24 09:00:01 mx postfix/smtp[2]: 3F2A81C0DE: to=<a@b.example>, relay={SES}:587, delay=1, delays=0/0/1/0,"
    f" dsn=5.0.0, status=bounced (host {SES} said: 554 Message rejected: Email address is not verified."
    " (in reply to end of DATA command))",
]


def least_rules(prefix: str) -> list[list[str]]:
    """As the page lists them."""
    found = re.findall(r"^kafka-acls .*--add --allow-principal User:mailgap (.+)$", PAGE.read_text(), re.MULTILINE)
    inputs = {"app-smtp": f"{prefix}-in-smtp", "ses-events": f"{prefix}-in-ses", "mailgap-": f"{prefix}-"}
    return [[inputs.get(word, word) for word in line.split()] for line in found]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    try:
        made = Secured(tmp_path)
    except KafkaUnavailable as missing:
        need("kafka", str(missing))
    with made.broker:
        yield made


def _flags(secured: Secured, user: str, password: Path) -> list[str]:
    return [
        "--security-protocol", "SASL_SSL", "--tls-ca-file", str(secured.ca), "--sasl-mechanism", "SCRAM-SHA-512",
        "--sasl-username", user, "--sasl-password-file", str(password),
    ]  # fmt: skip


async def test_a_worker_lives_with_tls_scram_and_the_least_acls(secured: Secured, tmp_path: Path):
    password = tmp_path / "password"
    password.write_text("open-sesame\n")
    inside, outside = World(secured.plain, PREFIX, tmp_path), World(secured.address, PREFIX, tmp_path)
    await inside.make_topics({inside.smtp: 3, inside.ses: 3})
    for user in ("mailgap", "stranger"):
        secured.add_user(user, "open-sesame")
    rules = least_rules(PREFIX)
    assert len(rules) >= 4
    for rule in rules:
        secured.allow("mailgap", *rule)
    ours, strange = _flags(secured, "mailgap", password), _flags(secured, "stranger", password)
    _is_told_what_is_wrong(secured, outside, tmp_path, password, strange)

    made = mailgap("topics", "create", *outside.where(), "--partitions", 4, *ours)
    assert made.returncode == 0, made.stderr
    _dead_letters_are_ours_alone(outside, ours, strange)
    worker = outside.start(*ours)
    try:
        await ready(worker)
        await inside.produce(Input(int(time.time() * 1000), "smtp", b"mx", line.encode()) for line in REFUSED)

        async def found() -> bool:
            assert worker.process.poll() is None, worker.text()
            return any(gap[0]["kind"] == "sent_no_ses_id" for gap in (await inside.documents("gaps")).values())

        await eventually(found, 90, worker.text)
        inputs = "--smtp-topic", outside.smtp, "--ses-topic", outside.ses
        checked = mailgap("topics", "check", *outside.where(), *inputs, *ours)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        code, _ = worker.stopped()
        assert code == 0, worker.text()
    finally:
        outside.end()
    _groups_are_named(secured, outside, strange)


def _is_told_what_is_wrong(secured: Secured, outside: World, folder: Path, password: Path, strange: list[str]) -> None:
    """Each in one sentence, exit 1, and the password in none."""
    wrong = folder / "wrong"
    wrong.write_text("open-simsim")
    untrusted = ["--tls-ca-file", str(secured.other_ca())]
    for flags, said in (
        ([*_flags(secured, "mailgap", wrong)], "with SASL_SSL and SCRAM-SHA-512: "),
        ([*_flags(secured, "mailgap", password), *untrusted], "its certificate is not trusted"),
        ([], "with PLAINTEXT: it ended the connection"),
    ):
        done = mailgap("topics", "create", *outside.where(), *flags)
        assert done.returncode == 1, flags
        assert said in done.stderr.decode(), done.stderr
        assert b"Traceback" not in done.stderr
        assert b"open-" not in done.stderr
    done = mailgap("topics", "create", *outside.where(), *strange)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"uthoriz" in done.stderr, done.stderr


def _dead_letters_are_ours_alone(outside: World, ours: list[str], strange: list[str]) -> None:
    """They are raw log lines. There are none yet: who may read them is told so, and nobody else."""
    assert mailgap("dead-letters", "list", *outside.where(), *ours).returncode == 0
    done = mailgap("dead-letters", "list", *outside.where(), *strange)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Traceback" not in done.stderr


def _groups_are_named(secured: Secured, outside: World, strange: list[str]) -> None:
    """A user who may use the topics and no group: the worker ends, and its line says which right is missing."""
    rule = "--topic", f"{PREFIX}-", "--resource-pattern-type", "prefixed"
    secured.allow("stranger", "--operation", "Read", "--operation", "Write", "--operation", "Describe", *rule)
    worker = outside.start(*strange)
    try:
        assert worker.ends(60) == 1
        assert f"may not use the group {PREFIX}-" in worker.text(), worker.text()
        assert "Traceback" not in worker.text()
    finally:
        outside.end()
