"""A log as it is rotated: every line is read once, in order, whatever was done to its files between two looks."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import ClassVar

import pytest

from service.feed.log import Log
from service.feed.place import is_rotated, live_name, predecessors, unread
from service.feed.source import CHUNK, LARGEST


class Reader:
    """Reads all there is, and keeps where it came to, as the feed does."""

    every: ClassVar[list[Log]] = []

    def __init__(self, path: Path, **options):
        self.path, self.options = path, {"drain": 0.0, "patience": 60.0, **options}
        self.now = 0.0
        self.lost: list[str] = []
        self.begin()

    def begin(self, places=()) -> None:
        self.log = Log(self.path, places, lost=self.lost.append, clock=lambda: self.now, **self.options)
        self.every.append(self.log)

    def lines(self, most: int = 1000) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < most and (read := self.log.read()) is not None:
            source, chunk = read
            found += chunk.lines
            self.log.delivered(source, chunk)
        return found

    def again(self) -> Reader:
        """As after a restart."""
        places = list(self.log.kept)
        self.log.close()
        made = Reader(self.path, **self.options)
        made.begin(places)
        return made


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "mail.log"
    while Reader.every:
        Reader.every.pop().close()


def write(path: Path, text: str, how: str = "a") -> None:
    with path.open(how) as file:
        file.write(text)


def words(*numbers: int) -> list[bytes]:
    return [f"line {number}".encode() for number in numbers]


def text(*numbers: int) -> str:
    return "".join(f"line {number}\n" for number in numbers)


def test_lines_are_read_as_they_come(path):
    write(path, text(1, 2))
    reader = Reader(path)
    assert reader.lines() == words(1, 2)
    assert reader.lines() == []
    write(path, text(3))
    assert reader.lines() == words(3)


def test_a_line_without_its_end_is_held_until_it_has_come(path):
    write(path, "line 1\nli")
    reader = Reader(path)
    assert reader.lines() == words(1)
    reader = reader.again()
    write(path, "ne 2")
    assert reader.lines() == []
    write(path, "\n")
    assert reader.lines() == words(2)


def test_what_was_not_delivered_is_read_again(path):
    write(path, text(1, 2))
    reader = Reader(path)
    assert reader.log.read()[1].lines == words(1, 2)
    assert reader.again().lines() == words(1, 2)


def test_a_file_that_comes_later(path):
    reader = Reader(path, start="end")
    assert reader.lines() == []
    assert not reader.log.files


@pytest.mark.parametrize(("start", "found"), [("end", ()), ("beginning", (3,)), ("rotated", (1, 2, 3))])
def test_where_an_unknown_log_begins(path, start, found):
    path.with_name("mail.log.2.gz").write_bytes(gzip.compress(text(1).encode()))
    os.utime(path.with_name("mail.log.2.gz"), (1, 1))
    write(path.with_name("mail.log.1"), text(2))
    os.utime(path.with_name("mail.log.1"), (2, 2))
    write(path, "line 3\nline ")
    reader = Reader(path, start=start)
    assert reader.lines() == words(*found)
    write(path, "4\n")
    assert reader.lines() == words(4), "the line that was half written is whole"


def test_rotation_by_rename_while_the_old_file_is_still_written(path):
    write(path, text(1))
    reader = Reader(path, drain=3600.0)
    assert reader.lines() == words(1)
    with path.open("a") as writer:
        path.rename(path.with_name("mail.log.1"))
        write(path, text(3))
        writer.write(text(2))
        writer.flush()
        assert reader.lines() == words(2, 3)
        writer.write("line 4")
        writer.flush()
        assert reader.lines() == [], "its writer may go on"
    assert reader.log.files == 2


def test_a_rotated_file_that_has_long_been_quiet_is_let_go_with_its_last_line(path):
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    write(path, "line 2")
    path.rename(path.with_name("mail.log.1"))
    write(path, text(3))
    os.utime(path.with_name("mail.log.1"), (1, 1))
    assert reader.lines() == words(2, 3)
    assert reader.log.files == 1


def test_several_rotations_between_two_looks(path):
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    for number in (2, 3, 4):
        path.rename(path.with_name(f"mail.log-2026112{number}"))
        os.utime(path.with_name(f"mail.log-2026112{number}"), (number, number))
        write(path, text(number))
    assert reader.lines() == words(2, 3, 4)


def test_rotation_and_packing_while_nobody_looked(path):
    """What was not read of a file that is gzip by now, and two whole files since."""
    write(path, text(1, 2))
    reader = Reader(path)
    assert reader.lines() == words(1, 2)
    write(path, text(3))
    for number, name in ((4, "mail.log.2"), (5, "mail.log.1")):
        path.rename(path.with_name(name))
        os.utime(path.with_name(name), (number, number))
        write(path, text(number))
    for name in ("mail.log.2", "mail.log.1"):
        plain = path.with_name(name)
        packed = path.with_name(f"{name}.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        os.utime(packed, (plain.stat().st_mtime, plain.stat().st_mtime))
        plain.unlink()
    after = reader.again()
    assert after.lines() == words(3, 4, 5)
    assert after.lost == []
    assert after.again().lines() == []


def test_truncation_with_a_copy(path):
    """copytruncate: the copy has what was not read, and the live file begins anew."""
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    write(path, text(2))
    path.with_name("mail.log.1").write_bytes(path.read_bytes())
    write(path, text(3, 4, 5, 6), "w")
    assert reader.lines() == words(2, 3, 4, 5, 6)
    assert reader.again().lines() == []


def test_truncation_while_nobody_looked(path):
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    write(path, text(2))
    path.with_name("mail.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    write(path, text(3), "w")
    assert reader.again().lines() == words(2, 3)


def test_truncation_without_a_copy_is_said(path):
    write(path, text(1, 2, 3))
    reader = Reader(path)
    assert reader.lines() == words(1, 2, 3)
    write(path, text(4), "w")
    assert reader.lines() == words(4)
    assert reader.lost == []
    reader.now = 120.0
    assert reader.lines() == []
    (said,) = reader.lost
    assert "mail.log: the file that was read up to byte 21 was rotated away and cannot be found again" in said


def test_an_inode_that_is_used_again_is_another_file(path):
    """The checkpoint's number is that of a new file: known by its first bytes, it is read from its beginning."""
    write(path, text(1, 2))
    reader = Reader(path)
    assert reader.lines() == words(1, 2)
    number = path.stat().st_ino
    places = list(reader.log.kept)
    reader.log.close()
    path.unlink()
    write(path, text(7, 8, 9))
    places[0].inode = path.stat().st_ino
    reader.begin(places)
    assert reader.lines() == words(7, 8, 9), number


def test_an_archive_that_is_only_being_written(path):
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    write(path, "".join(f"{number} {os.urandom(20).hex()}\n" for number in range(30_000)))
    whole = path.read_bytes()
    packed = path.with_name("mail.log.1.gz")
    packed.write_bytes(gzip.compress(whole)[:-50_000])
    path.unlink()
    reader.log._sources[0].close()
    reader = reader.again()
    first = reader.lines(10**6)
    packed.write_bytes(gzip.compress(whole))
    reader.now = 6.0
    assert first + reader.lines(10**6) == whole.splitlines()[1:]
    assert reader.lost == []


@pytest.mark.parametrize("size", [2000, 3_000_000])
def test_an_archive_that_is_broken_is_said_once(path, size):
    """Whatever can be read of it is read once."""
    rest = "".join(f"{number} {os.urandom(20).hex()}\n" for number in range(size // 50))
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    path.with_name("mail.log.1.gz").write_bytes(gzip.compress(path.read_bytes() + rest.encode())[:-500])
    path.unlink()
    write(path, text(2))
    reader = reader.again()
    found = []
    for now in range(0, 300, 6):
        reader.now = float(now)
        found += reader.lines(10**6)
    assert len(reader.lost) == 1, reader.lost
    assert "mail.log.1.gz: cannot be read to its end" in reader.lost[0] or size == 2000
    assert [line for line in found if line not in words(2)] == rest.encode().splitlines()[: len(found) - 1]
    assert found.count(b"line 2") == 1
    write(path, text(3))
    assert reader.lines() == words(3)


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_has_no_end_does_not_fill_the_memory(path, packed):
    huge = b"x" * (3 * CHUNK)
    data = b"line 1\n" + huge + b"\nline 2\n"
    if packed:
        path.with_name("mail.log.1.gz").write_bytes(gzip.compress(data))
        write(path, "")
        os.utime(path.with_name("mail.log.1.gz"), (1, 1))
    else:
        path.write_bytes(data)
    reader = Reader(path, start="rotated")
    assert reader.lines() == [b"line 1", huge[:LARGEST], b"line 2"]
    assert reader.log.waiting == 0


def test_a_log_that_is_gone_is_let_go(path):
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    os.utime(path, (1, 1))
    path.unlink()
    assert reader.lines() == []
    assert reader.log.gone


def test_a_log_that_comes_back_after_its_last_file_was_let_go(path):
    """What came and went in the meantime is found by its name."""
    write(path, text(1))
    reader = Reader(path)
    assert reader.lines() == words(1)
    path.rename(path.with_name("mail.log.2"))
    os.utime(path.with_name("mail.log.2"), (1, 1))
    assert reader.lines() == []
    write(path.with_name("mail.log.1"), text(2))
    write(path, text(3))
    assert reader.lines() == words(2, 3)


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("mail.log", "mail.log"),
        ("mail.log.1", "mail.log"),
        ("mail.log.12.gz", "mail.log"),
        ("mail.log-20261124", "mail.log"),
        ("mail.log-20261124.zst", "mail.log"),
        ("app.log.2026-11-24", "app.log"),
        ("0.log.20261124-083000.gz", "0.log"),
        ("mainlog.old", "mainlog"),
        ("app-2026-11-24.log", "app-2026-11-24.log"),
        ("mx1", "mx1"),
        (".1", ".1"),
    ],
)
def test_names_that_rotation_gives(name, live):
    assert live_name(name) == live
    assert is_rotated(name) == (name != live)


def test_the_predecessors_of_a_link_are_beside_its_target(tmp_path):
    real = tmp_path / "pods" / "0.log"
    real.parent.mkdir()
    write(real, "")
    write(real.with_name("0.log.1"), "")
    link = tmp_path / "app.log"
    link.symlink_to(real)
    assert predecessors(link) == [real.with_name("0.log.1")]
    assert unread(link, [])[0][0].path == link
