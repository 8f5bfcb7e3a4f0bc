"""`mailgap feed` as a process, and a journalctl that reads a file of entries."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from service.demo.broker_servers import free_port
from tests.integration.world import Worker, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.world import World

# What of journalctl a feed relies on: entries after a cursor, and on; or the newest one alone. The real one was tried
# by hand (deploy/shippers/README.md); where tests run there is no journal.
JOURNALCTL = """#!{python}
import json, os, sys, time
feed = os.getppid()
lines = lambda: open({entries!r}).read().splitlines()
if "--lines=1" in sys.argv:
    print(*lines()[-1:])
    raise SystemExit
assert "--follow" in sys.argv and "SYSLOG_FACILITY=2" in sys.argv, sys.argv
cursor = next((a.partition("=")[2] for a in sys.argv if a.startswith("--after-cursor=")), "")
done = [json.loads(line)["__CURSOR"] for line in lines()].index(cursor) + 1 if cursor else 0
while os.getppid() == feed:  # the real one ends at its next line, once the feed was killed
    for line in lines()[done:]:
        if line == "die":
            open({entries!r}, "a").close()
            sys.exit("Journal file corrupted")
        print(line, flush=True)
        done += 1
    time.sleep(0.05)
"""


def feed(world: World, *arguments: object, **environment: str) -> Worker:
    """A feed into the world's SMTP topic, with a checkpoint in its folder; it ends with the world."""
    log, port = world.folder / f"feed-{len(world.workers)}.log", free_port()
    command = [
        sys.executable, "-m", "service.cli", "feed", "--bootstrap-servers", world.kafka, "--smtp-topic", world.smtp,
        "--http-bind", f"127.0.0.1:{port}", "--state", world.folder / "feed.json", *arguments,
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(map(str, command)), stdout=out, stderr=out, env=clean_environment(**environment)
        )
    world.workers.append(Worker(process, log, port))
    return world.workers[-1]


def journalctl(folder: Path, entries: Path) -> str:
    """A PATH on which the stand-in comes first."""
    script = folder / "journalctl"
    script.write_text(JOURNALCTL.format(python=sys.executable, entries=str(entries)))
    script.chmod(0o755)
    return str(folder)
