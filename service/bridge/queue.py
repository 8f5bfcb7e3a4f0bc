"""One queue of SQS: receives, deletes, hides for longer, and gives back. All calls block; threads make them.

It must never delete what it was not told to delete. Of errors it raises `AwsError`, one sentence each.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from service.aws.clients import LONGEST_WAIT, AwsError, Trouble, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from service.facts import Instant

BATCH: Final = 10
"""What SQS gives or takes at once."""
MOST_ATTRIBUTES: Final = 10
_SYSTEM: Final = ["SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "MessageGroupId"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record as SQS handed it out. `handle` is good for this receipt alone; times in milliseconds."""

    id: str
    handle: str
    body: bytes
    sent_at: Instant
    received_at: Instant
    receives: int
    attributes: tuple[tuple[str, bytes], ...]
    """Those of the sender: name and value, as text or bytes."""


class Queue:
    """A queue by its name or URL."""

    def __init__(self, client: Any, name: str, wait: float, visibility: float) -> None:
        """`wait` and `visibility` in seconds; see `service.settings`."""
        self._client, self._wait, self._visibility = client, min(round(wait), LONGEST_WAIT), max(round(visibility), 1)
        self.name = name.rstrip("/").rpartition("/")[2]
        self._url = name if "://" in name else ""
        self._what = f"queue {self.name}"

    def find(self) -> None:
        """Looks the queue up. Raises `AwsError` where it is not there or may not be read."""
        if not self._url:
            self._url = said(self._what, lambda: self._client.get_queue_url(QueueName=self.name)["QueueUrl"])
        self.waiting()

    def waiting(self) -> int:
        """About how many records wait."""
        name = "ApproximateNumberOfMessages"
        answer = self._call("get_queue_attributes", AttributeNames=[name])
        return int(answer.get("Attributes", {}).get(name, 0))

    def receive(self) -> list[Record]:
        """Up to ten records; empty after `wait` seconds without any."""
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=self._wait,
            VisibilityTimeout=self._visibility,
            MessageSystemAttributeNames=_SYSTEM,
            MessageAttributeNames=["All"],
        )
        now = int(time.time() * 1000)
        return [_record(each, now) for each in answer.get("Messages", [])]

    def delete(self, records: Sequence[Record]) -> int:
        """Deletes them; returns how many. Those that SQS did not delete come again."""
        deleted = 0
        for entries in _entries(records):
            deleted += len(self._call("delete_message_batch", Entries=entries).get("Successful", []))
        return deleted

    def hide(self, records: Sequence[Record], seconds: float | None = None) -> None:
        """Hides them for as long again, or for so many seconds from now: 0 gives them back."""
        until = self._visibility if seconds is None else round(seconds)
        for entries in _entries(records, VisibilityTimeout=until):
            self._call("change_message_visibility_batch", Entries=entries)

    def _call(self, method: str, **words: Any) -> Any:
        if not self._url:
            raise AwsError(Trouble.MISSING, f"{self._what} was not looked up yet")
        return said(self._what, lambda: getattr(self._client, method)(QueueUrl=self._url, **words))


def _entries(records: Sequence[Record], **more: Any) -> Iterable[list[dict[str, Any]]]:
    for start in range(0, len(records), BATCH):
        some = records[start : start + BATCH]
        yield [{"Id": str(number), "ReceiptHandle": each.handle, **more} for number, each in enumerate(some)]


def _record(said: dict[str, Any], now: Instant) -> Record:
    system = said.get("Attributes", {})
    return Record(
        id=said["MessageId"],
        handle=said["ReceiptHandle"],
        body=said["Body"].encode("utf-8", "surrogatepass"),
        sent_at=int(system.get("SentTimestamp", now)),
        received_at=now,
        receives=int(system.get("ApproximateReceiveCount", 1)),
        attributes=tuple(_attributes(said.get("MessageAttributes", {}))),
    )


def _attributes(found: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for name, value in list(found.items())[:MOST_ATTRIBUTES]:
        binary = value.get("BinaryValue")
        yield name, binary if isinstance(binary, bytes) else str(value.get("StringValue", "")).encode()
