"""`python requirements/licenses.py`: writes LICENSES.md, the licence of every package in the locks, by pip-licenses.

It refuses a licence of what `mailgap` runs on that is not in `ALLOWED`: somebody must read it first.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
FILE: Final = HERE / "LICENSES.md"
PARTS: Final = {
    "runtime": "What `mailgap` runs on, all extras included: it is in the image",
    "dev": "What builds and checks it besides: it is shipped nowhere",
    "ship": "What looks at the image, the chart and the supply chain (`make ship`): it is shipped nowhere",
}
ALLOWED: Final = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0",
    "Repoze Public License",
}  # fmt: skip
"""Of what we run on. LGPL and MPL ask nothing of whoever uses a package as it is, as a package of its own; Repoze's is
BSD's with a clause more: who changes a file says so in it."""
SPELLED: Final = {
    "Apache": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""How metadata of before SPDX spells them."""
READ: Final = {"axe-playwright-python": "MIT"}
"""Packages whose metadata says nothing, or too little: what their licence file says."""


class UnknownLicence(Exception):  # noqa: N818 - it reads as the sentence that it is
    """A package whose licence nobody has looked at; the text names it and the way out."""


def locked(name: str) -> dict[str, str]:
    """Packages of a lock by their normal name, with the version."""
    lines = (HERE / f"{name}.txt").read_text().splitlines()
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", line) for line in lines)
    return {_normal(match[1]): match[2] for match in found if match}


def table() -> str:
    """LICENSES.md. Needs the packages of all locks in this environment."""
    known, shown = _licences(), set[str]()
    text = "# Licences of what we use\n\nMade by `make licenses`, from the packages' metadata. mailgap: Apache-2.0.\n"
    for part, about in PARTS.items():
        text += f"\n## {about}\n| package | version | licence |\n|---|---|---|\n"
        for name, version in sorted(locked(part).items()):
            if name not in shown:
                shown.add(name)
                text += f"| {name} | {version} | {known.get(name) or '(not for this platform)'} |\n"
    refuse([(name, known.get(name, "")) for name in locked("runtime")])
    return text


def refuse(licences: list[tuple[str, str]]) -> None:
    """Raises `UnknownLicence` where one is not allowed. `A OR B` needs one of them, `A AND B` both."""
    for name, licence in licences:
        if not all(any(each in ALLOWED for each in part.split(" OR ")) for part in re.split(r" AND ", licence)):
            raise UnknownLicence(f"{name} is under {licence!r}: read it, and add it to ALLOWED or READ, or do without")


def _licences() -> dict[str, str]:
    command = [sys.executable, "-m", "piplicenses", "--from", "mixed", "--format", "json", "--with-system"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    return {
        name: READ.get(name) or " AND ".join(_spelled(part) for part in package["License"].split("; "))
        for package in said
        for name in [_normal(package["Name"])]
    }


def _spelled(licence: str) -> str:
    return SPELLED.get(licence, licence).replace("(", "").replace(")", "")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    try:
        FILE.write_text(table())
    except UnknownLicence as problem:
        sys.exit(str(problem))
