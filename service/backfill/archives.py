"""What is to be replayed: files and folders of this machine, and the objects below a prefix of S3."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.edges.inputs import InputError, files, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from service.facts import Instant, Source

S3: Final = "s3://"


class Archived(NamedTuple):
    """One file or object; `size` in packed bytes, `modified` in milliseconds."""

    source: Source
    name: str
    size: int
    modified: Instant


def found(source: Source, paths: Iterable[str], client: Callable[[], Any]) -> Iterator[Archived]:
    """The files behind the paths, in the order of their names; `client` makes boto3's of S3.

    Raises `InputError`, and `AwsError` where S3 does not list what it has.
    """
    for path in paths:
        if path.startswith(S3):
            yield from _objects(source, path, client())
        else:
            yield from [_file(source, each) for each in files([path])]


def _file(source: Source, path: str) -> Archived:
    if path == "-":
        raise InputError("-: standard input cannot be read twice; give a file")
    try:
        status = os.stat(path)  # noqa: PTH116 the path is text everywhere here
    except OSError as error:
        raise InputError(f"{shown(path)}: {error.strerror}") from error
    return Archived(source, path, status.st_size, int(status.st_mtime * 1000))


def _objects(source: Source, path: str, client: Any) -> Iterator[Archived]:
    from service.aws.clients import said  # noqa: PLC0415 only S3 pays for loading boto3

    bucket, _, prefix = path.removeprefix(S3).partition("/")
    if not bucket:
        raise InputError(f"{path}: names no bucket; write s3://bucket/prefix")
    pages = iter(client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix))
    number = 0
    while (page := said(path, lambda: next(pages, None))) is not None:
        for each in page.get("Contents", ()):
            if each["Size"]:  # consoles mark folders with empty objects
                number += 1
                modified = int(each["LastModified"].timestamp() * 1000)
                yield Archived(source, f"{S3}{bucket}/{each['Key']}", each["Size"], modified)
    if not number:
        raise InputError(f"{path}: there is no such object, nor any below it")


@contextmanager
def local(each: Archived, client: Callable[[], Any]) -> Iterator[str]:
    """A path at which it can be read; an object is fetched into a file that is gone after it."""
    if not each.name.startswith(S3):
        yield each.name
        return
    from service.aws.clients import said  # noqa: PLC0415

    bucket, _, key = each.name.removeprefix(S3).partition("/")
    with tempfile.TemporaryDirectory(prefix="mailgap-backfill-") as folder:
        path = Path(folder) / "object"
        try:
            said(each.name, lambda: client().download_file(bucket, key, str(path)))
        except OSError as error:
            why = f"{folder}: {error.strerror}: make room, or name another folder in TMPDIR"
            raise InputError(f"{each.name}: cannot be fetched into {why}") from error
        try:
            yield str(path)
        except InputError as error:  # nobody knows it by where we have put it
            raise InputError(str(error).replace(str(path), each.name)) from error


def identity(each: Archived) -> str:
    """What it is known by: another size or time is another file."""
    return f"{each.source.value} {shown(each.name)} {each.size} {each.modified}"


def now_ms() -> Instant:
    """The wall clock."""
    return int(time.time() * 1000)
