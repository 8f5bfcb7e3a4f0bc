"""A real Postfix for one test: its own configuration, queue, log and ports under one folder, on 127.0.0.1 only.

It relays to a stand-in under the name of SES's own endpoint, so that its log reads like the field's: the daemons run
in a mount namespace whose /etc/hosts points that name to 127.0.0.1. They cannot reach the real one, since nothing here
asks DNS. Where namespaces are not allowed the relay is called 127.0.0.1.
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
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from service.demo.broker_servers import Guard, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RELAY = "email-smtp.us-east-1.amazonaws.com"
START_SECONDS = 20.0
STOP_SECONDS = 10.0

_MAIN = """\
compatibility_level = 3.6
queue_directory = {spool}/queue
data_directory = {spool}/data
maillog_file = {home}/mail.log
maillog_file_prefixes = {home}
myhostname = mx1.mailgap.test
mydomain = mailgap.test
myorigin = app.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
# Add no Message-ID to mail that comes without one, as for clients from outside: the log says `message-id=<>`.
local_header_rewrite_clients =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{refused.example=REJECT}}
relayhost = [{relay}]:{relay_port}
transport_maps = inline:{{
    {{ unreachable.example = smtp:[{relay}]:{closed_port} }}
    {{ elsewhere.example = discard:kept here }} }}
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_tls_security_level =
smtp_connection_cache_on_demand = no
# A lost connection must not defer everybody else's mail: each mail meets its own fate.
default_destination_concurrency_failed_cohort_limit = 1000
smtp_data_done_timeout = 2s
# An hour of the field in ten seconds.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
maximal_queue_lifetime = 10s
bounce_queue_lifetime = 10s
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""


class PostfixUnavailable(Exception):  # noqa: N818 - it reads as the sentence that it is
    """Postfix cannot run here; the text is one sentence that says why and what to do."""


class Postfix:
    """`start` it, hand mails to `port` (SMTP) or `sendmail`, read `log`, and `close` it.

    `settings` add to main.cf. `relay` is the name that its log gives the stand-in.
    """

    def __init__(self, home: Path, relay_port: int, settings: Mapping[str, str] | None = None) -> None:
        self._command = _postfix()
        self._own_names = _may_unshare()
        self.home = home.resolve()
        self.port = free_port()
        self.relay = RELAY if self._own_names else "127.0.0.1"
        self._spool = Path(tempfile.mkdtemp(prefix="mailgap-postfix-"))
        self.config, self.log = self.home / "conf", self.home / "mail.log"
        self._relay_port, self._settings = relay_port, settings or {}
        self._pid: int | None = None
        self._guard: Guard | None = None

    def start(self) -> Self:
        self._write()
        command = [self._command, "-c", str(self.config), "start"]
        if self._own_names:
            script = 'mount --bind "$0" /etc/hosts && exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", script, str(self._hosts()), *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
        pid_file = self._spool / "queue" / "pid" / "master.pid"
        if done.returncode or not _soon(lambda: pid_file.exists() and self._greets(), START_SECONDS):
            raise AssertionError(f"Postfix did not start: {done.stdout}{done.stderr}{self._tail()}")
        self._pid = int(pid_file.read_text())
        self._guard = Guard.of_group(self._pid)
        return self

    def close(self) -> None:
        """`SIGTERM` to its master, which passes it on, and `SIGKILL` to its group after `STOP_SECONDS`."""
        pid, self._pid = self._pid, None
        if pid is not None:
            self._end(pid)
        shutil.rmtree(self._spool, ignore_errors=True)

    def _end(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            if not _soon(lambda: not _runs(pid), STOP_SECONDS):
                os.killpg(pid, signal.SIGKILL)
        if self._guard:
            self._guard.dismiss()

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.close()

    def sendmail(self, sender: str, recipient: str, text: str) -> None:
        """Hand a mail over as a local program does: Postfix's pickup logs it instead of smtpd."""
        command = ["/usr/sbin/sendmail", "-C", str(self.config), "-f", sender, "-i", recipient]
        subprocess.run(command, input=text, text=True, timeout=START_SECONDS, check=True)

    def await_empty_queue(self, seconds: float) -> None:
        """Return once Postfix has said `removed` of every mail in its log, its own notices included."""
        if not _soon(lambda: not self.open_queue_ids() and not self._queued(), seconds):
            raise AssertionError(f"still in the queue after {seconds} s: {self.open_queue_ids()}\n{self._tail()}")

    def open_queue_ids(self) -> set[str]:
        """The queue ids that its log names and that are not `removed` yet."""
        text = self.log.read_text(errors="replace")
        begun = set(re.findall(r"postfix/(?:cleanup|bounce)\[\d+\]: ([0-9A-F]{6,}): (?:resent-)?message-id=", text))
        return begun - set(re.findall(r"postfix/qmgr\[\d+\]: ([0-9A-F]{6,}): removed", text))

    def _queued(self) -> list[Path]:
        queues = ("maildrop", "incoming", "active", "deferred")
        return [path for name in queues for path in (self._spool / "queue" / name).rglob("*") if path.is_file()]

    def _write(self) -> None:
        for folder in (self.config, self._spool / "queue", self._spool / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        self._spool.chmod(0o755)  # the daemons give up root and must pass every parent; pytest's folders are closed
        shutil.chown(self._spool / "data", "postfix")
        places = {
            "home": self.home,
            "spool": self._spool,
            "relay": self.relay,
            "relay_port": self._relay_port,
            "closed_port": free_port(),
        }
        extra = "".join(f"{name} = {value}\n" for name, value in self._settings.items())
        (self.config / "main.cf").write_text(_MAIN.format(**places) + extra)
        (self.config / "master.cf").write_text(_MASTER.format(port=self.port))

    def _hosts(self) -> Path:
        hosts = self.home / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {self.relay}\n")
        return hosts

    def _greets(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as client:
            return client.recv(3) == b"220"
        return False

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def _postfix() -> str:
    command = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if command is None:
        raise PostfixUnavailable("Postfix is not installed: `make postfix` installs it.")
    if os.geteuid() != 0:
        raise PostfixUnavailable("Postfix's master runs as root only, and these tests do not.")
    return command


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    with tempfile.NamedTemporaryFile() as hosts:
        script = 'mount --bind "$0" /etc/hosts'
        command = ["unshare", "--mount", "sh", "-c", script, hosts.name]
        return subprocess.run(command, capture_output=True, check=False, timeout=START_SECONDS).returncode == 0


def _runs(pid: int) -> bool:
    """A zombie that nobody has fetched yet does not run."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _soon(condition: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
