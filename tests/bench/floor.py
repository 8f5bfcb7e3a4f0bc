"""`python -m tests.bench.floor BOOTSTRAP RECORDS`: what one Python process can do at most.

Bare aiokafka, one regular expression, one `orjson.loads` and a dict; one record out for each mail that is resolved.
Nothing is kept, nothing is judged. It prints one line of JSON: records, and seconds and CPU from the first batch on.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
import uuid

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SENT = re.compile(rb": to=<([^>]*)>, .*status=sent \(250 Ok ([0-9a-f-]{60})\)$").search
ENDS = frozenset({"Delivery", "Bounce"})


async def main(bootstrap: str, records: int) -> None:
    """Reads so many records of both topics."""
    group = f"floor-{uuid.uuid4().hex}"
    consumer = AIOKafkaConsumer(
        "smtp", "ses", bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=1 << 19)
    await consumer.start()
    await producer.start()
    read, mails, began = 0, {}, None
    while read < records:
        batches = await consumer.getmany(timeout_ms=500)
        if batches and began is None:
            began = time.perf_counter(), time.process_time()
        for tp, batch in batches.items():
            read += len(batch)
            for record in batch:
                said = of_event(record.value) if tp.topic == "ses" else of_line(record.value)
                if said is None:
                    continue
                ses_id, name, value = said
                mail = mails.setdefault(ses_id, {})
                mail[name] = value
                if "to" in mail and "done" not in mail and ENDS.intersection(mail):
                    mail["done"] = True
                    await producer.send("floor-out", orjson.dumps(mail), key=ses_id.encode())
    await producer.flush()
    seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    print(orjson.dumps({"records": read, "seconds": seconds, "cpu": cpu}).decode())
    await consumer.stop()
    await producer.stop()


def of_line(line: bytes) -> tuple[str, str, str] | None:
    """SES's id, a name and what stands under it; None where the line has no id."""
    found = SENT(line)
    return (found[2].decode(), "to", found[1].decode()) if found else None


def of_event(value: bytes) -> tuple[str, str, str]:
    """The same of an event."""
    event = orjson.loads(value)
    return event["mail"]["messageId"], event["eventType"], event["mail"]["timestamp"]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
