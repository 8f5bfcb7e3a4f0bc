"""How fast the trail store takes mails, and how fast it answers: `python -m tests.bench.trace --mails 10000000`.

The records are those of a simulated load, judged by `scan`, and told again under other ids, recipients and
times. It prints; it asserts nothing, since a machine's speed is no property of the code.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import uvicorn

from service.contract.wire import timestamp
from service.trace.entry import State, entry
from service.trace.limits import Limiter
from service.trace.serving import listen
from service.trace.store.questions import Gaps, Mails
from service.trace.store.store import Store, open_store
from service.trace.store.writing import Batch
from service.trace.web.app import build
from service.trace.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPES = 400
SPACING_MS = 250
"""Between two mails: ten million are a month."""
FIRST = 1_760_000_000_000
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_SES_ID = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d{6}")


def shapes(folder: Path) -> list[dict[str, object]]:
    """Correlated records of every fate that `simulate` knows."""
    run = [sys.executable, "-m", "service.cli"]
    subprocess.run([*run, "simulate", "--to", folder, "--mails", str(SHAPES)], check=True, capture_output=True)
    command = [*run, "scan", "--smtp", folder / "smtp", "--ses", folder / "ses", "--format", "jsonl"]
    lines = subprocess.run(command, check=True, capture_output=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


class Teller:
    """Tells a shape again as the n-th mail: names are numbered, times are moved."""

    def __init__(self, shape: dict[str, object]) -> None:
        text = json.dumps(shape, separators=(",", ":"))
        begun = shape["accepted_at"] or shape["submitted_at"] or shape["trail"][0]["at"]  # type: ignore[index]
        self._parts = _TIME.split(text.encode())
        self._deltas = [_ms(t.decode()) - _ms(str(begun)) for t in _TIME.findall(text.encode())]
        names = {str(shape["mail_id"]), *map(str, shape["queue_ids"]), str(shape["message_id_header"])}  # type: ignore[call-overload]
        names |= {str(recipient["address"]) for recipient in shape["recipients"]}  # type: ignore[attr-defined]
        names |= {str(gap["gap_id"]) for gap in shape["gaps"]}  # type: ignore[attr-defined]
        names |= {match[0] for match in _SES_ID.finditer(text)}
        self._names = [(name.encode(), _pattern(name)) for name in sorted(names - {"None", ""}, key=len, reverse=True)]

    def tell(self, number: int, at: int) -> tuple[str, bytes]:
        pieces = [self._parts[0]]
        for part, delta in zip(self._parts[1:], self._deltas, strict=True):
            pieces += [timestamp(at + delta).encode(), part]
        value = b"".join(pieces)
        for name, pattern in self._names:
            value = value.replace(name, pattern % number)
        key = value[value.index(b'"mail_id":"') + 11 :]
        return key[: key.index(b'"')].decode(), value


def _pattern(name: str) -> bytes:
    """The name with room for a number that makes it unique, in the form it had."""
    if _SES_ID.fullmatch(name):
        return f"{name[:16]}-%08x{name[25:]}".encode()
    head, at, tail = name.partition("@")
    return f"{head}%x{at}{tail}".encode().replace(b"%", b"%%").replace(b"%%x", b"%x", 1)


def _ms(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def mails(tellers: list[Teller]) -> Iterator[tuple[str, bytes]]:
    for number, teller in zip(itertools.count(1), itertools.cycle(tellers), strict=False):
        yield teller.tell(number, FIRST + number * SPACING_MS)


def fill(store: Store, count: int, batch: int, tellers: list[Teller]) -> None:
    """Prints mails/s of the store alone (decode, compress, index, commit), since making the load takes time too."""
    told, spent, since, step = mails(tellers), 0.0, 0.0, max(batch, count // 10)
    for done in range(batch, count + 1, batch):
        records = list(itertools.islice(told, batch))
        began = time.perf_counter()
        store.write(Batch([entry(key, value) for key, value in records], positions={("bench", 0): done}))
        spent += time.perf_counter() - began
        if done % step < batch:
            print(
                f"{done:>10,} mails  {step / (spent - since):>7,.0f} /s  {store.size().bytes / 2**30:.2f} GiB",
                flush=True,
            )
            since = spent
    print(f"written: {count:,} mails at {count / spent:,.0f} mails/s")


def measure(what: str, ask: Callable[[], object], times: int) -> None:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    print(f"{what:<48} p50 {taken[times // 2]:8.2f} ms   p99 {taken[times * 99 // 100]:8.2f} ms", flush=True)


def ask(store: Store, count: int, times: int) -> None:
    """Look-ups of mails at random; the first run of each also finds a cold cache."""
    chance = random.Random(7)
    newest = store.mails.find(Mails(), 200).items

    def some_name(pick: Callable[[object], str]) -> Callable[[], object]:
        sample = []
        while len(sample) < min(times, 400):
            at = FIRST + chance.randrange(count) * SPACING_MS
            sample += [name for f in store.mails.find(Mails(until=at), 5).items if (name := pick(f.document))]
        return lambda: store.mails.find(Mails(frozenset({chance.choice(sample)})), 50)

    measure("by SES id", some_name(lambda d: d.ses_message_id or ""), times)  # type: ignore[attr-defined]
    measure("by queue id", some_name(lambda d: d.queue_ids[0].rpartition("/")[2] if d.queue_ids else ""), times)  # type: ignore[attr-defined]
    measure("by Message-ID", some_name(lambda d: d.message_id_header or ""), times)  # type: ignore[attr-defined]
    measure("by recipient", some_name(lambda d: d.recipients[0].address if d.recipients else ""), times)  # type: ignore[attr-defined]
    measure("by sender, the newest 50 of very many", some_name(lambda d: d.sender), times // 10)  # type: ignore[attr-defined]
    measure("a name that is not there", lambda: store.mails.find(Mails(frozenset({str(chance.random())})), 50), times)
    stream = newest[0].document.stream
    measure("the newest 50 of a stream", lambda: store.mails.find(Mails(stream=stream), 50), times // 10)
    measure("the newest 50 of a state", lambda: store.mails.find(Mails(state=State.BOUNCED), 50), times // 10)
    measure("open gaps, the newest 50", lambda: store.gaps.find(Gaps(), 50), times // 10)
    measure("open gaps by cause", lambda: store.gaps.groups(Gaps(), "cause"), 5)
    day = 86_400_000
    end = newest[0].at
    measure("a week's sums", lambda: store.statistics.tallies(end - 7 * day, end), 5)
    measure("size", store.size, 5)


def serve(where: str) -> None:
    """The API as it is served, without its limits, until it is told to stop."""
    unlimited = {name: Limiter(1e9, 1 << 30) for name in ("searches", "requests")}
    site = Site(store=open_store(where), now=lambda: int(time.time() * 1000), **unlimited)
    with listen(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(build(site), log_config=None, access_log=False, lifespan="off", ws="none")
        asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


async def load(base: str, questions: list[tuple[str, list[str]]], times: int, at_once: int) -> None:
    """Asks each kind of question so many times, so many at once: bounded, on the loopback."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=at_once)) as session:

        async def one(path: str, taken: list[float]) -> None:
            began = time.perf_counter()
            async with session.get(base + path) as answer:
                await answer.read()
                assert answer.status == 200, (path, answer.status)
            taken.append((time.perf_counter() - began) * 1000)

        for what, paths in questions:
            taken: list[float] = []
            began = time.perf_counter()
            waiting = iter(list(itertools.islice(itertools.cycle(paths), times)))

            async def client(waiting: Iterator[str] = waiting, taken: list[float] = taken) -> None:
                for path in waiting:
                    await one(path, taken)

            await asyncio.gather(*(client() for _ in range(at_once)))
            rate = len(taken) / (time.perf_counter() - began)
            taken.sort()
            p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
            print(f"{what:<48} p50 {p50:8.2f} ms   p99 {p99:8.2f} ms   {rate:6,.0f} /s", flush=True)


def ask_over_http(where: str, count: int, times: int, at_once: int) -> None:
    """The API under load, served by a process of its own."""
    store, chance = open_store(where), random.Random(11)
    found = [
        each.document
        for _ in range(100)
        for each in store.mails.find(Mails(until=FIRST + chance.randrange(count) * SPACING_MS), 3).items
    ]
    store.close()
    names = {
        "one mail": [f"/api/v1/mails/{quote(d.mail_id, safe='')}" for d in found],
        "search by recipient": [f"/api/v1/mails?q={quote(d.recipients[0].address)}" for d in found if d.recipients],
        "search by Message-ID": [f"/api/v1/mails?q={quote(d.message_id_header)}" for d in found if d.message_id_header],
        "the page of a mail": [f"/mail/{quote(d.mail_id)}" for d in found],
        "open gaps": ["/api/v1/gaps"],
        "the overview": ["/"],
    }
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.trace", "--serve", where], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        base = f"http://127.0.0.1:{int(server.stdout.readline())}"
        asyncio.run(load(base, list(names.items()), times, at_once))
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mails", type=int, default=200_000)
    options.add_argument("--batch", type=int, default=5_000)
    options.add_argument("--lookups", type=int, default=2_000)
    options.add_argument("--store", help="a path or postgresql:// address; kept. [default: a file that is removed]")
    options.add_argument("--ask-only", action="store_true", help="the store is full already")
    options.add_argument("--http", type=int, metavar="N", help="ask the API, too, so many at once")
    options.add_argument("--serve", metavar="STORE", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.serve:
        serve(given.serve)
        return
    scratch = Path(tempfile.mkdtemp(prefix="mailgap-bench-"))
    try:
        store = open_store(given.store or str(scratch / "trail.db"))
        if not given.ask_only:
            fill(store, given.mails, given.batch, [Teller(shape) for shape in shapes(scratch / "load")])
        ask(store, given.mails, given.lookups)
        store.close()
        if given.http:
            ask_over_http(given.store or str(scratch / "trail.db"), given.mails, given.lookups, given.http)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
