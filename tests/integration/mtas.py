"""Real mail servers other than Postfix for one test, run from Debian's packages unpacked into `.local/mtas`.

Each runs in namespaces of its own: a copy of /etc in which its users exist and SES's endpoint is 127.0.0.1, an empty
/var, and a /dev with our own /dev/log. So nothing is installed, no server meets another, and none can reach the real
SES, since nothing here asks DNS.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

from service.demo.broker_servers import Guard, free_port
from tests.integration.mta_configurations import EXIM, OPENSMTPD, SENDMAIL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNPACKED = Path(__file__).parents[2] / ".local" / "mtas"
RELAY = "email-smtp.us-east-1.amazonaws.com"
OTHER, OTHER_ADDRESS = "mx.elsewhere.example", "127.0.0.2"
"""A server that is not SES, for mail to elsewhere.example."""
START_SECONDS = 20.0

# Mounts are seen by the server alone, and go with it.
_ENTER = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$0/dev"
for device in null zero full random urandom; do
    touch "$0/dev/$device"
    mount --bind "/dev/$device" "$0/dev/$device"
done
ln -s /proc/self/fd "$0/dev/fd"
touch "$0/dev/log"
mount --bind "$0/log.socket" "$0/dev/log"
mount --move "$0/dev" /dev
mount --bind "$0/etc" /etc
mount --bind "$0/var" /var
ldconfig
exec "$@"
"""


class MtaUnavailable(Exception):  # noqa: N818 - it reads as the sentence that it is
    """The server cannot run here; the text is one sentence that says why and what to do."""


class Mta:
    """A mail server: `start` it, hand mails to `port`, read `log`, and `close` it."""

    name: ClassVar[str]
    users: ClassVar[Sequence[str]] = ()
    settled: ClassVar[Callable[[str], bool]]
    """Whether its log has spoken of every mail for the last time."""

    def __init__(self, home: Path, relay_port: int, other_port: int) -> None:
        self.root = UNPACKED / self.name / "root"
        if not (self.root.parent / "complete").exists():
            raise MtaUnavailable(f"{self.name} is not unpacked: `make mtas` does it.")
        if os.geteuid() != 0 or not _may_unshare():
            raise MtaUnavailable(f"{self.name} runs in namespaces of its own, and these tests may not make any.")
        # Not in pytest's own folder, which is closed to other users.
        self.home = Path(tempfile.mkdtemp(prefix=f"mailgap-{self.name}-"))
        self.kept = home
        self.port = free_port()
        self.places = {
            "port": self.port,
            "relay": RELAY,
            "relay_port": relay_port,
            "other": OTHER,
            "other_port": other_port,
            "closed_port": free_port(),
        }
        self._log = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    @property
    def log(self) -> Path:
        """Its log, as far as it is written, behind the header that a syslog daemon would have made."""
        path = self.kept / f"{self.name}.log"
        path.write_bytes(self._log)
        return path

    def start(self) -> Self:
        self.home.chmod(0o755)
        for folder in ("dev", "var/run", "var/tmp", "var/log", "var/spool", "var/lib"):
            (self.home / folder).mkdir(parents=True)
        self._copy_etc()
        self._listen()
        self.prepare()
        enter = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", _ENTER]
        with (self.kept / f"{self.name}.out").open("wb") as out:
            self._process = subprocess.Popen(
                [*enter, str(self.home), *map(str, self.command())], stdout=out, stderr=subprocess.STDOUT
            )
        if soon(self._first, START_SECONDS):
            self._guard = Guard('kill -s KILL "$0"', str(self._first()))
        if not soon(self._greets, START_SECONDS):
            raise AssertionError(f"{self.name} did not start: {self.tail()}")
        return self

    def close(self) -> None:
        if self._process:
            if first := self._first():
                os.kill(first, signal.SIGKILL)
            self._process.wait()
        if self._guard:
            self._guard.dismiss()
        self._socket.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _first(self) -> int:
        """The first process of its namespace, with which all others end; 0 while there is none."""
        parent = self._process.pid if self._process else 0
        with contextlib.suppress(OSError):
            return int((Path(f"/proc/{parent}/task/{parent}/children").read_text().split() or ["0"])[0])
        return 0

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def await_settled(self, seconds: float) -> None:
        if not soon(lambda: type(self).settled(self.text()), seconds):
            raise AssertionError(f"{self.name} is not done with its mails after {seconds} s:\n{self.tail()}")

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        return (self.kept / f"{self.name}.out").read_text(errors="replace")[-2000:] + self.text()[-4000:]

    def prepare(self) -> None:
        """Writes its configuration into `etc` and makes its folders in `var`."""

    def command(self) -> list[object]:
        raise NotImplementedError

    def binary(self, path: str) -> Path:
        return self.root / path

    def own(self, folder: str, user: str, mode: int = 0o755) -> Path:
        path = self.home / folder
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        number = _FIRST_ID + list(self.users).index(user) if user in self.users else 0
        os.chown(path, number, number)
        return path

    def _copy_etc(self) -> None:
        etc = self.home / "etc"
        with contextlib.suppress(shutil.Error):  # a file that went while we copied
            shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
        (etc / "hosts").write_text(f"127.0.0.1 {RELAY} localhost mx1.mailgap.test\n{OTHER_ADDRESS} {OTHER}\n")
        for number, user in enumerate(self.users, _FIRST_ID):
            with (etc / "passwd").open("a") as users, (etc / "group").open("a") as groups:
                users.write(f"{user}:x:{number}:{number}::{_EMPTY}:/usr/sbin/nologin\n")
                groups.write(f"{user}:x:{number}:\n")
        libraries = {path.parent for path in self.root.rglob("*.so*")}
        (etc / "ld.so.conf.d").mkdir(exist_ok=True)
        (etc / "ld.so.conf.d" / "mailgap.conf").write_text("".join(f"{path}\n" for path in sorted(libraries)))

    def _listen(self) -> None:
        self._socket.bind(str(self.home / "log.socket"))
        (self.home / "log.socket").chmod(0o666)
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        """`<22>Mar  5 11:59:58 tag[1]: text` comes without the host, which a syslog daemon puts in."""
        with contextlib.suppress(OSError):
            while record := self._socket.recv(65536):
                self._log += re.sub(rb"^<\d+>(.{15}) ", rb"\1 mx1 ", record.rstrip(b"\0\n")) + b"\n"

    def _greets(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as client:
            return client.recv(3) == b"220"
        return False


_FIRST_ID = 61_100
_EMPTY = "/var/lib/opensmtpd/empty"


def _all(begun: str, ended: str) -> Callable[[str], bool]:
    """Whether every id that the first pattern finds is found by the second."""
    return staticmethod(lambda text: set(re.findall(begun, text)) <= set(re.findall(ended, text)))  # type: ignore[return-value]


class Exim(Mta):
    """Its main log goes to syslog here, and beside it to `mainlog`, which has no header."""

    name = "exim"
    users = ("Debian-exim",)
    settled = _all(r" (\S{6}-\S+-\S+) <= shop@", r" (\S{6}-\S+-\S+) Completed")

    def prepare(self) -> None:
        self.own("var/spool/exim4", "Debian-exim")
        self.own("var/log/exim4", "Debian-exim")
        config = self.own("etc/exim4", "root") / "exim4.conf"
        config.write_text(EXIM.format(binary=self.binary("usr/sbin/exim4"), **self.places))
        config.chmod(0o644)

    @property
    def mainlog(self) -> Path:
        """A copy of the file that Exim wrote itself."""
        path = self.kept / "mainlog"
        shutil.copy(self.home / "var/log/exim4/mainlog", path)
        return path

    def command(self) -> list[object]:
        return [self.binary("usr/sbin/exim4"), "-bdf", "-q1s"]


class Sendmail(Mta):
    """Its configuration is made by Debian's own macros."""

    name = "sendmail"
    users = ("smmta", "smmsp")
    settled = _all(r": (\w+): from=<shop@", r": (\w+): done; ")

    def prepare(self) -> None:
        folder = self.own("etc/mail", "root")
        self.own("var/spool/mqueue", "root", 0o700)
        for name in ("etc", "var", "var/spool", "var/run"):
            self.own(name, "root")
        (folder / "service.switch").write_text("hosts files\naliases files\n")
        (folder / "local-host-names").write_text("")
        macros = self.binary("usr/share/sendmail/cf")
        (folder / "sendmail.mc").write_text(SENDMAIL.format(macros=macros, **self.places))
        libraries = ":".join(str(path.parent) for path in self.root.rglob("*.so*"))
        made = subprocess.run(
            [self.binary("usr/bin/m4"), folder / "sendmail.mc"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "LD_LIBRARY_PATH": libraries},
        )
        (folder / "sendmail.cf").write_text(made.stdout)

    def command(self) -> list[object]:
        return [self.binary("usr/libexec/sendmail/sendmail"), "-bD", "-q1s", "-C", "/etc/mail/sendmail.cf"]


class OpenSmtpd(Mta):
    """It says nothing of a mail whose server it cannot reach, and never gives up waiting for an answer."""

    name = "opensmtpd"
    users = ("opensmtpd", "opensmtpq")
    settled = _all(
        r"evpid=(?!\w{16} from=<[^>]*> to=<\S+@unreachable)(\w{16}) from=<shop@",
        r"(?:evpid=|Expire for )(\w{16})(?: from=<shop@.* result=\"(?:Ok|PermFail)\"|: from=<shop@)",
    )

    def prepare(self) -> None:
        self.own("var/lib/opensmtpd/empty", "root")
        self.own("var/spool/smtpd", "root", 0o711)
        config = self.home / "etc/smtpd.conf"
        config.write_text(OPENSMTPD.format(**self.places))

    def command(self) -> list[object]:
        return [self.binary("usr/sbin/smtpd"), "-F", "-f", "/etc/smtpd.conf"]


class Elsewhere(Controller):
    """A mail server that is not SES and takes everything."""

    def __init__(self) -> None:
        super().__init__(Sink(), hostname=OTHER_ADDRESS, port=free_port())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def soon(condition: Callable[[], object], seconds: float) -> bool:
    """Whether the condition comes true within that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "--pid", "--fork", "mount", "--make-rprivate", "/"]
    return subprocess.run(command, capture_output=True, check=False, timeout=START_SECONDS).returncode == 0
