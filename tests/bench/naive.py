"""`python -m tests.bench.naive BOOTSTRAP RECORDS WANT`: the smallest join, on Faust as it comes.

One agent a topic, an event at a time, one table in memory with its changelog, one record out for each mail that is
resolved; it ends with the last of `WANT` of them. It prints what `tests.bench.floor` prints.
"""

from __future__ import annotations

import logging
import os
import sys
import time

import faust
import orjson

from tests.bench.floor import ENDS, of_event, of_line

BOOTSTRAP, RECORDS, WANT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

app = faust.App(
    "naive",
    broker=f"kafka://{BOOTSTRAP}",
    store="memory://",
    web_enabled=False,
    topic_partitions=4,
    consumer_auto_offset_reset="earliest",
)
mails = app.Table("mails", default=dict, partitions=4)
smtp, ses, facts, out = (
    app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    for name in ("smtp", "ses", "naive-facts", "naive-out")
)
began: list[tuple[float, float]] = []
resolved: list[str] = []


async def hand_on(said: tuple[str, str, str] | None) -> None:
    """To the partition of the mail's id."""
    if not began:
        began.append((time.perf_counter(), time.process_time()))
    if said is not None:
        await facts.send(key=said[0].encode(), value=orjson.dumps(said))


@app.agent(smtp)
async def lines(stream: faust.Stream) -> None:
    """The mail logs."""
    async for value in stream:
        await hand_on(of_line(value))


@app.agent(ses)
async def events(stream: faust.Stream) -> None:
    """SES's events."""
    async for value in stream:
        await hand_on(of_event(value))


@app.agent(facts)
async def join(stream: faust.Stream) -> None:
    """A mail's facts meet."""
    async for value in stream:
        ses_id, field, what = orjson.loads(value)
        mail = mails[ses_id]
        mail[field] = what
        if "to" in mail and "done" not in mail and ENDS.intersection(mail):
            mail["done"] = True
            await out.send(key=ses_id.encode(), value=orjson.dumps(mail))
            resolved.append(ses_id)
        mails[ses_id] = mail
        if len(resolved) == WANT:
            seconds, cpu = time.perf_counter() - began[0][0], time.process_time() - began[0][1]
            said = orjson.dumps({"records": RECORDS, "seconds": seconds, "cpu": cpu})
            os.write(1, said + b"\n")  # Faust takes print for itself
            os._exit(0)  # what Faust does at its end is not measured


if __name__ == "__main__":
    faust.Worker(app, loglevel=logging.ERROR, quiet=True, override_logging=True).execute_from_commandline()
