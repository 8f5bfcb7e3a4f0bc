"""Reads the objects that S3 announces, as events: gzip or zstd, a line each, concatenated or pretty-printed.

It holds one event and a buffer of an object, never the whole. All calls block; threads make them.
"""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from service.aws.clients import PASSING, AwsError, Trouble, said
from service.edges.inputs import InputError, documents, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.bridge.opening import Object

CHUNK: Final = 500
"""Events that are read before they are sent."""


class Objects:
    """Reads with one client of S3."""

    def __init__(self, client: Any) -> None:
        """`client`: boto3's."""
        self._client = client

    def events(self, each: Object) -> Iterator[list[bytes]]:
        """The object's events, in chunks.

        Raises `AwsError` where S3 does not give it, `InputError` where it breaks off or is packed in a way that is
        none.
        """
        what = f"s3://{each.bucket}/{each.key}"
        version = {"VersionId": each.version} if each.version else {}
        body = said(what, lambda: self._client.get_object(Bucket=each.bucket, Key=each.key, **version)["Body"])
        try:
            with unpacked(io.BufferedReader(Body(body, what), 1 << 20), what) as stream:
                every = documents(stream)
                while chunk := [raw.data for raw in islice(every, CHUNK)]:
                    yield chunk
        finally:
            body.close()


class Body(io.RawIOBase):
    """An object's body as a file. A connection that breaks is S3's trouble and not the object's."""

    def __init__(self, body: Any, what: str) -> None:
        """`body`: boto3's stream."""
        self._body, self._what = body, what

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, into: Any) -> int:
        """As `io.RawIOBase` wants it; 0 at the end."""
        data = said(self._what, lambda: self._body.read(len(into)))
        into[: len(data)] = data
        return len(data)


_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "InvalidObjectState"})
"""Of the object itself. A bucket that is not there, or in another region, is the operator's to mend."""


def never(trouble: Exception) -> bool:
    """Whether reading it again would fail again."""
    return isinstance(trouble, InputError) or (isinstance(trouble, AwsError) and trouble.code in _GONE)


def passes(trouble: Exception) -> bool:
    """Whether it says nothing about the object: all others fail by it too, until it has passed or was mended."""
    return isinstance(trouble, AwsError) and trouble.trouble in _NOT_ITS_OWN


_NOT_ITS_OWN: Final = PASSING | {Trouble.CREDENTIALS}
