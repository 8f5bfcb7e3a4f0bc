"""A real rsyslog with our configuration brings a mail's lines to Kafka, and the worker judges them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import need
from tests.integration import sample as samples
from tests.integration.world import ROOT, eventually, ready

HOME = Path(os.environ.get("MAILGAP_TEST_RSYSLOG", ROOT / ".local/mtas/rsyslog/root"))
CONFIGURATION = ROOT / "deploy/shippers/rsyslog.conf"
RELAY = "email-smtp.eu-west-1.amazonaws.com[203.0.113.9]:587"
LINES = (
    "postfix/qmgr[5]: 4F2A001: from=<shop@app.example>, size=800, nrcpt=1 (queue active)",
    f"postfix/smtp[7]: 4F2A001: to=<ann@client.example>, relay={RELAY}, delay=1, delays=0/0/0/1, dsn=5.0.0,"
    f" status=bounced (host {RELAY} said: 554 Message rejected: Email address is not verified.)",
    "postfix/qmgr[5]: 4F2A001: removed",
)


@pytest.fixture
def rsyslog(world, tmp_path):
    """The socket of a rsyslogd that has our file included."""
    program = HOME / "usr/sbin/rsyslogd"
    if not program.exists():
        need("rsyslog", "rsyslog is not unpacked (.ci/unpack-mtas rsyslog)")
    libraries = HOME / "usr/lib/x86_64-linux-gnu"
    spool, log, listens = tmp_path / "spool", tmp_path / "rsyslog.log", tmp_path / "log.sock"
    spool.mkdir()
    ours = CONFIGURATION.read_text().replace("/var/spool/rsyslog", str(spool))
    (tmp_path / "mailgap.conf").write_text(ours)
    (tmp_path / "rsyslog.conf").write_text(
        f'global(workDirectory="{spool}" localHostname="mx1.app.example")\n'
        'module(load="imuxsock" SysSock.Use="off")\n'
        f'input(type="imuxsock" Socket="{listens}")\n'
        f'include(file="{tmp_path}/mailgap.conf")\n'
        f'syslog.* action(type="omfile" file="{log}")\n'
    )
    environment = os.environ | {
        "LD_LIBRARY_PATH": str(libraries),
        "MAILGAP_BOOTSTRAP_SERVERS": world.kafka,
        "MAILGAP_SMTP_TOPIC": world.smtp,
    }
    command = [program, "-n", "-f", tmp_path / "rsyslog.conf", "-i", tmp_path / "pid", "-M", libraries / "rsyslog"]
    said = tmp_path / "said"
    with said.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        yield listens, lambda: (said.read_text(), log.read_text() if log.exists() else "")
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.kafka
@pytest.mark.slow
def test_rsyslog_with_omkafka(world, rsyslog, tmp_path):
    listens, said = rsyslog
    policy = tmp_path / "policy.yaml"
    policy.write_text(samples.POLICY)

    async def listening() -> bool:
        return listens.exists()

    async def judged() -> bool:
        return bool(await world.documents("gaps"))

    async def story() -> None:
        await eventually(listening, 20, said)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            for line in LINES:
                log.sendto(f"<22>Nov 24 08:00:00 {line}".encode(), str(listens))
            log.sendto(b"<14>Nov 24 08:00:00 cron[1]: not of the mail system", str(listens))
        worker = world.start("--policy", str(policy))
        await ready(worker)
        await eventually(judged, 60, lambda: (said(), worker.text()))

    asyncio.run(story())
    gaps = asyncio.run(world.documents("gaps"))
    assert [[gap["cause"] for gap in each] for each in gaps.values()] == [["unverified_identity"]]
    (document,) = [found[-1] for found in asyncio.run(world.documents()).values()]
    assert document["queue_ids"] == ["mx1.app.example/4F2A001"]
