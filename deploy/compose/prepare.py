"""Makes, once, what must not stand in a repository: the pseudonyms' key, and a token for the trace page.

`prepare.py FOLDER` runs as root without root's powers, and gives all to the image's user. What is there stays.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

USER = 10001
"""As the Dockerfile has it."""


def main(folder: Path) -> None:
    """The key, the token, and the folders of the trail store and of the sample."""
    for name, text in (("pseudonym.key", secrets.token_hex(32)), ("tokens", f"reader me {secrets.token_hex(32)}\n")):
        if not (folder / name).exists():
            _write(folder / name, text)
    for name in ("trace", "sample"):
        if not (folder / name).exists():
            (folder / name).mkdir(mode=0o700)
            os.chown(folder / name, USER, USER)


def _write(path: Path, text: str) -> None:
    """Under its name once it is whole: half a key would be another key."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400), "w") as file:
        file.write(text)
    os.chown(fresh, USER, USER)
    fresh.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
