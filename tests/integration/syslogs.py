"""Real syslog daemons that have our configuration included, as processes, with a socket to log to.

Each also writes the lines into a file of its own, as on any host, so that both can be compared.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.conftest import need
from tests.integration.world import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST: Final = "mx1.app.example"
_SHIPPERS: Final = ROOT / "deploy" / "shippers"
_LONGEST: Final = 1 << 20
"""Bytes that the socket takes in one datagram; Linux gives less where its own bound is lower."""


@dataclass(frozen=True)
class Syslog:
    """A running daemon; its files lie in `folder`."""

    process: subprocess.Popen
    folder: Path

    def log(self, *lines: bytes) -> None:
        """As syslog(3) does: a datagram a line."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
            for line in lines:
                out.sendto(line, str(self.folder / "socket"))

    async def listens(self) -> bool:
        return (self.folder / "socket").exists()

    def written(self) -> list[bytes]:
        """The lines of the mail log in the daemon's own file."""
        file = self.folder / "mail.log"
        return file.read_bytes().splitlines() if file.exists() else []

    def says(self) -> str:
        return "\n".join(
            path.read_text(errors="replace") for path in map(self.folder.joinpath, ("said", "own.log")) if path.exists()
        )


@contextmanager
def running(name: str, folder: Path, kafka: str, topic: str) -> Iterator[Syslog]:
    """`rsyslog` or `syslog-ng` with what deploy/shippers has for it. What stands in `folder` goes on."""
    folder.mkdir(exist_ok=True)
    (folder / "socket").unlink(missing_ok=True)  # of one that was killed
    (folder / "pid").unlink(missing_ok=True)
    home = Path(os.environ.get(f"MAILGAP_TEST_{name.upper().replace('-', '_')}", ROOT / ".local/mtas" / name / "root"))
    command, environment = _COMMANDS[name](home, folder)
    if not Path(command[0]).exists():
        need(name, f"{name} is not unpacked (.ci/unpack-mtas {name})")
    theirs = {"MAILGAP_BOOTSTRAP_SERVERS": kafka, "MAILGAP_SMTP_TOPIC": topic, "MAILGAP_HOST": f"{HOST}-{topic}"}
    with (folder / "said").open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **environment, **theirs})
    try:
        yield Syslog(process, folder)
    finally:
        stop(process)


def _rsyslog(home: Path, folder: Path) -> tuple[list[str], Mapping[str, str]]:
    libraries = next(home.glob("usr/lib/*-linux-gnu"), home)
    ours = (_SHIPPERS / "rsyslog.conf").read_text().replace("/var/spool/rsyslog", str(folder))
    (folder / "mailgap.conf").write_text(ours)
    (folder / "rsyslog.conf").write_text(
        f'global(workDirectory="{folder}" localHostname="{HOST}")\n'
        'module(load="imuxsock" SysSock.Use="off")\n'
        f'input(type="imuxsock" Socket="{folder}/socket")\n'
        f'include(file="{folder}/mailgap.conf")\n'
        f'mail.* action(type="omfile" file="{folder}/mail.log" template="RSYSLOG_FileFormat")\n'
        f'syslog.* action(type="omfile" file="{folder}/own.log")\n'
    )
    command = [home / "usr/sbin/rsyslogd", "-n", "-f", folder / "rsyslog.conf", "-i", folder / "pid"]
    return [*map(str, command), "-M", f"{libraries}/rsyslog"], {"LD_LIBRARY_PATH": str(libraries)}


def _syslog_ng(home: Path, folder: Path) -> tuple[list[str], Mapping[str, str]]:
    modules = next(home.glob("usr/lib/syslog-ng/[0-9]*"), home)
    libraries = [modules.parent, *home.glob("usr/lib/*-linux-gnu"), *home.glob("lib/*-linux-gnu")]
    ours = (_SHIPPERS / "syslog-ng.conf").read_text().replace("/var/lib/syslog-ng", str(folder))
    (folder / "mailgap.conf").write_text(ours)
    (folder / "syslog-ng.conf").write_text(
        "@version: current\n"
        "options { chain-hostnames(off); use-dns(no); dns-cache(no); ts-format(iso); frac-digits(3); };\n"
        f'source s_src {{ unix-dgram("{folder}/socket" host-override("{HOST}")); internal(); }};\n'
        "filter f_mail { facility(mail); };\n"
        f'log {{ source(s_src); filter(f_mail); destination {{ file("{folder}/mail.log"); }}; }};\n'
        f'log {{ source(s_src); filter {{ facility(syslog); }}; destination {{ file("{folder}/own.log"); }}; }};\n'
        f'@include "{folder}/mailgap.conf"\n'
    )
    command = [
        *(home / "usr/sbin/syslog-ng", "--foreground", "--no-caps", f"--module-path={modules}"),
        *("--cfgfile", folder / "syslog-ng.conf", "--persist-file", folder / "persist"),
        *("--control", folder / "control", "--pidfile", folder / "pid"),
    ]
    return list(map(str, command)), {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}


_COMMANDS: Final = {"rsyslog": _rsyslog, "syslog-ng": _syslog_ng}


def stop(process: subprocess.Popen[bytes]) -> None:
    """By SIGTERM; a shipper may wait a minute for a Kafka that is away, and is killed before that."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
