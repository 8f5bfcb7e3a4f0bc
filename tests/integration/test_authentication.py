"""Every way to say who one is, against a real Kafka with ACLs: who is let in can do everything, who is not is told why.

OAuth's tokens are signed JWTs that the broker checks itself. For Amazon MSK, AWS's own library signs the tokens, and a
class in the broker checks all of them but the signature (`msk/MskStandIn.java`); MSK itself was not to be had.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from service.demo.broker import KafkaUnavailable
from tests.conftest import need
from tests.integration import oauth
from tests.integration.aws import REGION, bridge
from tests.integration.secured import PASSWORD, SESSION_MS, USER, Secured, prepare_java
from tests.integration.test_bridge import event, ses_id
from tests.integration.test_security import REFUSED, least_rules
from tests.integration.world import Input, Reader, World, eventually, mailgap, ready
from tests.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

    from tests.integration.aws import Aws

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(600)]

PREFIX = "gap"
POLICY = "defaults: {handoff: 20s, first_event: 20s, max_delivery: 40s, grace: 10s}\n"
WAYS = ["mutual TLS", "PLAIN", "SCRAM-SHA-256", "OAuth by client credentials", "OAuth by a file", "MSK with IAM"]


class Site(NamedTuple):
    """A broker, an OAuth server, and a folder with what proves who one is."""

    secured: Secured
    oauth: oauth.OAuthServer
    folder: Path

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def token(self, name: str, **how: object) -> list[str]:
        """Flags of a token in a file, made in this way."""
        return [*self.sasl("OAUTHBEARER"), "--oauth-token-file", self.file(name, self.oauth.token(**how))]  # type: ignore[arg-type]

    def client(self, secret: str, url: str = "") -> list[str]:
        """Flags of client credentials."""
        flags = ["--oauth-token-url", url or self.oauth.token_url, "--oauth-client-id", oauth.CLIENT]
        return [*self.sasl("OAUTHBEARER"), *flags, "--oauth-client-secret-file", self.file(f"secret-{secret}", secret)]

    def password(self, mechanism: str, password: str = PASSWORD) -> list[str]:
        """Flags of a user and a password."""
        file = self.file(f"password-{password}", password)
        return [*self.sasl(mechanism), "--sasl-username", USER, "--sasl-password-file", file]

    def msk(self, region: str = "eu-central-1") -> list[str]:
        """Flags of IAM; the credentials stand in the environment."""
        return [*self.sasl("AWS_MSK_IAM"), "--region", region]

    def sasl(self, mechanism: str) -> list[str]:
        return [*self.tls("SASL_SSL"), "--sasl-mechanism", mechanism]

    def tls(self, protocol: str = "SSL", files: tuple[Path, Path] | None = None) -> list[str]:
        """Flags of TLS, with a certificate of ours or without."""
        ours = ["--tls-cert-file", str(files[0]), "--tls-key-file", str(files[1])] if files else []
        return ["--security-protocol", protocol, "--tls-ca-file", str(self.secured.ca), *ours]

    def way(self, name: str) -> tuple[str, list[str]]:
        """Where this way in is, and the flags that take it."""
        sasl, authority = self.secured.at("SASL"), self.secured.authority
        return {
            "mutual TLS": lambda: (self.secured.at("MUTUAL"), self.tls(files=authority.issue(USER))),
            "PLAIN": lambda: (sasl, self.password("PLAIN")),
            "SCRAM-SHA-256": lambda: (sasl, self.password("SCRAM-SHA-256")),
            "OAuth by client credentials": lambda: (sasl, self.client(oauth.SECRET)),
            "OAuth by a file": lambda: (sasl, self.token("token", life=3600)),
            "MSK with IAM": lambda: (self.secured.at("MSK"), self.msk()),
        }[name]()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all: it starts a JVM or two for each user and rule."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch, oauth.OAuthServer(USER) as server:
        prepare_java(folder, server, patch)
        patch.setenv("AWS_ACCESS_KEY_ID", USER)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-nobody")
        try:
            secured = Secured(folder, server)
        except KafkaUnavailable as missing:
            need("kafka", str(missing))
        with secured.broker:
            secured.add_user(USER, PASSWORD, "SCRAM-SHA-256")
            for rule in least_rules(PREFIX):
                secured.allow(USER, *rule)
            yield Site(secured, server, folder)


def _now() -> int:
    return int(time.time() * 1000)


def _refused(number: int) -> list[Input]:
    """A mail that SES refused, with a queue id of its own."""
    return [Input(_now(), "smtp", b"mx", line.replace("3F2A81C0DE", f"3F2A8{number:05X}").encode()) for line in REFUSED]


async def _prepared(site: Site, way: str, folder: Path) -> tuple[World, World, list[str]]:
    """The topics of a world of its own, seen from inside and by this way; and the way's flags."""
    address, flags = site.way(way)
    prefix = f"{PREFIX}-{WAYS.index(way)}"
    inside, outside = World(site.secured.plain, prefix, folder), World(address, prefix, folder)
    there = await _inputs(inside)
    made = await asyncio.to_thread(mailgap, "topics", "create", *outside.where(), "--partitions", 2, *flags)
    assert made.returncode == (0 if not there else made.returncode), made.stderr
    return inside, outside, flags


async def _inputs(inside: World) -> bool:
    async with inside.admin() as admin:
        there = inside.smtp in await admin.list_topics()
    if not there:
        await inside.make_topics({inside.smtp: 1, inside.ses: 1})
    return there


async def _found(inside: World, count: int, otherwise: object) -> None:
    async def enough() -> bool:
        gaps = await inside.documents("gaps")
        assert all(len(records) == 1 for records in gaps.values()), "a gap was announced twice"
        return len(gaps) >= count

    await eventually(enough, 120, lambda: otherwise)


@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_and_the_tools_are_let_in(site: Site, way: str, tmp_path: Path):
    """Consumer, both producers, restore and administration: a worker that is started again has its state."""
    inside, outside, flags = await _prepared(site, way, tmp_path)
    try:
        for number in (1, 2):
            worker = outside.start(*flags)
            await ready(worker)
            await inside.produce(_refused(number))
            await _found(inside, number, worker.text)
            assert worker.stopped()[0] == 0, worker.text()
            assert PASSWORD not in worker.text()
    finally:
        outside.end()
    inputs = "--smtp-topic", outside.smtp, "--ses-topic", outside.ses
    for command in (["topics", "check", *inputs], ["gaps", "list"], ["dead-letters", "list"]):
        done = mailgap(*command, *outside.where(), *flags)
        assert done.returncode == 0, done.stdout + done.stderr


async def test_a_worker_outlives_its_sessions_and_its_tokens(site: Site, tmp_path: Path):
    """MSK ends a connection when its token does, and aiokafka renews none: each ends in the middle of our work.

    One process lives through it, and announces each gap once.
    """
    inside, outside, flags = await _prepared(site, "MSK with IAM", tmp_path)
    before = len(await inside.documents("gaps"))
    worker = outside.start(*flags)
    try:
        await ready(worker)
        count, until = 0, time.monotonic() + 3.5 * SESSION_MS / 1000
        while time.monotonic() < until:
            count += 1
            await inside.produce(_refused(100 + count))
            await _found(inside, before + count, worker.text)
            assert worker.process.poll() is None, worker.text()
        assert worker.stopped()[0] == 0, worker.text()
        assert "closed" in worker.text(), "no session ended, so nothing was outlived"
        assert "Traceback" not in worker.text()
    finally:
        outside.end()


async def test_every_other_command_is_let_in_with_tokens_that_live_for_seconds(site: Site, aws: Aws, tmp_path: Path):
    """What serves (notify, trace, the bridge), what reads and what writes; each asks the OAuth server for its own."""
    inside, outside, flags = await _prepared(site, "OAuth by client credentials", tmp_path)
    policy, hook, truth = (tmp_path / name for name in ("policy.yaml", "sinks.yaml", "truth.jsonl"))
    policy.write_text(POLICY)
    queue = aws.queue(outside.prefix)
    inputs = "--smtp-topic", outside.smtp, "--ses-topic", outside.ses
    given = site.oauth.given
    with Receiver() as receiver:
        hook.write_text(json.dumps({"pace": {"wait": "0s"}, "sinks": [{"type": "webhook", "url_env": "HOOK"}]}))
        serving = [
            outside.start("--policy", str(policy), *flags),
            outside.notify(hook, *flags, HOOK=f"{receiver.url}/hook"),
            outside.trace(str(tmp_path / "trail.db"), *flags),
            bridge(outside, aws, "--queue", queue, *flags),
        ]
        try:
            for each in serving:
                await ready(each)
            aws.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event(1)))
            async with Reader(inside.kafka, inside.ses) as reader:
                await eventually(lambda: _comes(reader, ses_id(1)), 60, serving[3].text)
            told = "--truth", truth, "--policy", policy, "--mails", 20, "--rate", 10, "--mix", "even"
            for command in (
                ["simulate", *inputs, *told],
                ["verify", "--addresses", "raw", "--truth", truth],
                ["doctor", "--try-writing", *inputs, "--policy", policy, "--addresses", "raw"],
                ["explain", ses_id(1)],
                ["gaps", "list"],
                ["dead-letters", "list"],
                ["erase", "nobody@client.example", "--dry-run", "--policy", policy, "--addresses", "raw"],
            ):
                where = outside.where()[: 2 if command[0] == "simulate" else 4]
                done = await asyncio.to_thread(mailgap, *command, *where, *flags)
                assert done.returncode == 0, (command, done.stdout.decode(), done.stderr.decode())
            await eventually(lambda: _told(receiver), 60, serving[1].text)
            for each in serving:
                assert each.stopped()[0] == 0, each.text()
                assert oauth.SECRET not in each.text()
        finally:
            outside.end()
    assert site.oauth.given >= given + len(serving)


async def _comes(reader: Reader, mail: str) -> bool:
    return any(mail.encode() in record.value for record in await reader.news())


async def _told(receiver: Receiver) -> bool:
    return bool(receiver.to("/hook"))


STRANGER, AWAY = "open-simsim", "http://127.0.0.1:1/token"
REFUSALS = {
    "an expired certificate of the broker": (
        lambda site: (site.secured.at("EXPIRED"), site.tls()),
        "its certificate is not trusted (certificate has expired)",
    ),
    "a certificate of another host": (
        lambda site: (site.secured.at("ELSEWHERE"), site.tls()),
        "its certificate is not trusted (IP address mismatch",
    ),
    "no certificate of ours": (
        lambda site: (site.secured.at("MUTUAL"), site.tls()),
        "it demands a certificate of ours, --tls-cert-file and --tls-key-file",
    ),
    "a certificate of ours by another CA": (
        lambda site: (site.secured.at("MUTUAL"), site.tls(files=site.secured.other.issue(USER))),
        "it does not accept our certificate",
    ),
    "an expired certificate of ours": (
        lambda site: (site.secured.at("MUTUAL"), site.tls(files=site.secured.authority.issue(USER, expired=True))),
        "it does not accept our certificate",
    ),
    "a wrong password, PLAIN": (
        lambda site: (site.secured.at("SASL"), site.password("PLAIN", STRANGER)),
        "Invalid username or password",
    ),
    "a wrong password, SCRAM": (
        lambda site: (site.secured.at("SASL"), site.password("SCRAM-SHA-256", STRANGER)),
        "Authentication failed during authentication due to invalid credentials",
    ),
    "a mechanism that is not offered": (
        lambda site: (site.secured.at("MSK"), site.password("PLAIN")),
        "it does not offer PLAIN",
    ),
    "TLS without SASL": (lambda site: (site.secured.at("SASL"), site.tls()), "it ended the connection without a word"),
    "neither": (lambda site: (site.secured.at("SASL"), []), "it ended the connection without a word"),
    "a forged token": (
        lambda site: (site.secured.at("SASL"), site.token("forged", forged=True)),
        "it does not take the token",
    ),
    "an expired token": (
        lambda site: (site.secured.at("SASL"), site.token("expired", life=-5)),
        "it does not take the token",
    ),
    "a token for another audience": (
        lambda site: (site.secured.at("SASL"), site.token("other", audience="mail")),
        "it does not take the token",
    ),
    "a wrong client secret": (
        lambda site: (site.secured.at("SASL"), site.client(STRANGER)),
        "gave no token: HTTP 401",
    ),
    "an OAuth server that is away": (
        lambda site: (site.secured.at("SASL"), site.client(STRANGER, AWAY)),
        f"{AWAY} gave no token",
    ),
    "IAM in another region": (
        lambda site: (site.secured.at("MSK"), site.msk("eu-west-1")),
        "it does not take the token",
    ),
}
BIND = ["--http-bind", "127.0.0.1:0"]
COMMANDS = {
    "topics": ["topics", "create"],
    "worker": ["worker", "--smtp-topic", "gap-in-smtp", "--addresses", "raw", *BIND],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("why", REFUSALS)
def test_who_is_not_let_in_is_told_why_in_one_sentence(site: Site, why: str, command: str):
    way, said = REFUSALS[why]
    address, flags = way(site)
    done = mailgap(*COMMANDS[command], "--bootstrap-servers", address, "--prefix", PREFIX, *flags)
    _one_sentence(done, said)


@pytest.mark.parametrize(
    "command",
    [
        ["notify", "--sinks", "sinks.yaml", *BIND],
        ["bridge", "--ses-topic", "gap-in-ses", "--queue", "q", *BIND],
        ["gaps", "list"],
        ["dead-letters", "list"],
        ["explain", "EXAMPLE7c191be45"],
        ["erase", "ann@client.example", "--addresses", "raw"],
        ["verify", "--truth", "truth.jsonl", "--addresses", "raw"],
        ["simulate", "--truth", "truth.jsonl", "--smtp-topic", "gap-in-smtp", "--ses-topic", "gap-in-ses"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_says_so(site: Site, aws: Aws, command: list[str], tmp_path: Path):
    """The wrong password, of all that can be wrong."""
    (tmp_path / "sinks.yaml").write_text("sinks: [{type: webhook, url_env: HOOK}]\n")
    simulated = mailgap("simulate", "--to", tmp_path / "made", "--mails", 1)
    assert simulated.returncode == 0, simulated.stderr
    (tmp_path / "truth.jsonl").write_bytes((tmp_path / "made/truth.jsonl").read_bytes())
    words = [str(tmp_path / word) if (tmp_path / word).is_file() else word for word in command]
    if command[0] != "simulate":
        words += ["--prefix", PREFIX]
    if command[0] == "bridge":
        aws.queue("q")
        words += ["--endpoint-url", aws.address, "--region", REGION]
    where = "--bootstrap-servers", site.secured.at("SASL")
    done = mailgap(*words, *where, *site.password("PLAIN", STRANGER), HOOK="http://127.0.0.1:1/")
    _one_sentence(done, "Invalid username or password")


def test_a_trace_page_says_so_and_ends(site: Site, tmp_path: Path):
    """It serves what it has until it knows."""
    outside = World(site.secured.at("SASL"), PREFIX, tmp_path)
    page = outside.trace(str(tmp_path / "trail.db"), *site.password("PLAIN", STRANGER))
    try:
        assert page.ends(60) == 1
        assert "Error: Kafka at" in page.text()
        assert "Invalid username or password" in page.text()
        assert "Traceback" not in page.text()
        assert STRANGER not in page.text()
    finally:
        outside.end()


def _one_sentence(done: CompletedProcess, said: str) -> None:
    text = done.stderr.decode()
    assert done.returncode == 1, text
    assert said in text
    # What serves and has begun to log says it there.
    told = [line for line in text.splitlines() if line and (line[0] != "{" or '"event": "stopped"' in line)]
    assert len(told) == 1, text
    assert "Traceback" not in text
    for secret in (STRANGER, PASSWORD, oauth.SECRET):
        assert secret not in text
