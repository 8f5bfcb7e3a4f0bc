"""What a backfill fetches, and by which name it is spoken of."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from service.backfill.archives import Archived, identity, local
from service.edges.inputs import InputError, opened
from service.facts import Source

OBJECT = Archived(Source.SES, "s3://archive/2026/a.gz", 9, 0)


class S3:
    """Has one object."""

    def __init__(self, has: bytes | OSError) -> None:
        self.has = has

    def download_file(self, _bucket: str, _key: str, path: str) -> None:
        if isinstance(self.has, OSError):
            raise self.has
        Path(path).write_bytes(self.has)


def test_an_object_that_breaks_off_is_named_as_it_is_known():
    def read() -> None:
        with local(OBJECT, lambda: S3(b"\x1f\x8b broken")) as path, opened(path) as stream:
            stream.read()

    with pytest.raises(InputError, match=r"^s3://archive/2026/a\.gz: cannot be read to its end"):
        read()


def test_a_full_disk_is_one_sentence():
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(
            InputError, match=r"^s3://archive/2026/a\.gz: cannot be fetched into .*: No space left on device"
        ),
        local(OBJECT, lambda: S3(full)),
    ):
        pass


def test_a_name_that_is_no_text_can_be_kept():
    assert identity(OBJECT._replace(name=os.fsdecode(b"m\xff.log"))).encode() == rb"ses m\xff.log 9 0"
