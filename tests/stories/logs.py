"""A mail server's log as a file, and what `mailgap scan` says of it, run as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import tzinfo

ROOT = Path(__file__).parents[2]
RELAY = "email-smtp.us-east-1.amazonaws.com[192.0.2.1]:587"
UNVERIFIED = (
    f"host {RELAY} said: 554 Message rejected: Email address is not verified. (in reply to end of DATA command)"
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ses_id(at: datetime, number: int = 0) -> str:
    return f"0100{round(at.timestamp() * 1000):012x}-11112222-3333-4444-5555-{number:012x}-000000"


@dataclass
class Log:
    """Lines of several hosts, each by its own clock."""

    lines: list[tuple[datetime, str]] = field(default_factory=list)
    sent: dict[str, datetime] = field(default_factory=dict)
    """When each recipient's mail was really handed in."""

    def mail(
        self,
        at: datetime,
        host: str = "mx1",
        zone: tzinfo = UTC,
        *,
        accepted: bool = True,
        ahead: timedelta = timedelta(),
        form: str = "%b %e %H:%M:%S",
    ) -> str:
        """A mail that Postfix took in at `at` and handed to SES a second later. Returns its recipient."""
        number = len(self.sent)
        recipient = f"r{number}@client.example"
        status = f"dsn=2.0.0, status=sent (250 Ok {ses_id(at + timedelta(seconds=1), number)})"
        status = status if accepted else f"dsn=5.0.0, status=bounced ({UNVERIFIED})"
        said = [
            (0, "smtpd", "client=app[10.0.0.7]"),
            (0, "cleanup", f"message-id=<{number}@app.example>"),
            (0, "qmgr", "from=<shop@app.example>, size=1, nrcpt=1 (queue active)"),
            (1, "smtp", f"to=<{recipient}>, relay={RELAY}, delay=1, delays=0/0/0/1, {status}"),
            (1, "qmgr", "removed"),
        ]
        for seconds, service, text in said:
            when = at + timedelta(seconds=seconds)
            stamp = (when + ahead).astimezone(zone).strftime(form)
            self.lines.append((when, f"{stamp} {host} postfix/{service}[7]: {0x4A000 + number:X}: {text}"))
        self.sent[recipient] = at
        return recipient

    def text(self) -> str:
        return "".join(line + "\n" for _, line in sorted(self.lines, key=lambda line: line[0]))

    def misdated(self, documents: list[dict[str, Any]], seconds: float = 2) -> list[tuple[str, str, datetime]]:
        """Mails that are said to have been handed in, or found missing, at another time than they were."""
        found = []
        for document in documents:
            (recipient,) = document["recipients"]
            times = [document["submitted_at"], *[g["opened_at"] for g in document["gaps"]]]
            times += [recipient["at"]] if recipient["outcome"] == "refused" else []
            really = self.sent[recipient["address"]]
            found += [
                (recipient["address"], time, really)
                for time in times
                if abs(datetime.fromisoformat(time) - really) > timedelta(seconds=seconds)
            ]
        assert len(documents) == len(self.sent)
        return found


def scan(
    folder: Path, smtp: str | bytes, *arguments: str, ses: str | bytes = b"", written: datetime | None = None
) -> list[dict[str, Any]]:
    """The records of `mailgap scan`. `written` is when the log was last written to."""
    inputs = []
    for source, content in (("smtp", smtp), ("ses", ses)):
        if content:
            path = folder / source
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            inputs += [f"--{source}", str(path)]
            if written is not None:
                os.utime(path, (written.timestamp(), written.timestamp()))
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "scan", *inputs, *arguments, "--format", "jsonl"],
        capture_output=True, timeout=90, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]
