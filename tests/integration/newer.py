"""`mailgap` as its next release will be: what it stores is of version 2, and it reads version 1, too.

Run as a program in the place of `service.cli`. What is in the two versions is the same, so that all that a test sees
comes of the version alone.
"""

from __future__ import annotations

from typing import Any

from service import cli, rows

FORMER, OWN = b"\x01", b"\x02"
_unpack = rows.unpack_with


def _both(decoder: Any, data: bytes) -> Any:
    return _unpack(decoder, OWN + data[1:] if data[:1] == FORMER else data)


if __name__ == "__main__":
    rows.VERSION = OWN
    rows.unpack_with = _both
    cli.main()
