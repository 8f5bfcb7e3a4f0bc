"""`python requirements/audit.py [LOCK...]`: known holes in what the locks name, by pip-audit.

pip-audit says "no known vulnerabilities" also where it could look nothing up. This does not: exit 0 means that every
package was looked up and is clean, 1 that holes are known, 2 that the database could not be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
ACCEPTED: Final[dict[str, str]] = {}
"""Holes that do not concern us: the id, and why."""


def main(locks: list[str]) -> int:
    """Prints what pip-audit says of each lock; the worst of what it says."""
    paths = [Path(lock) for lock in locks] or sorted(HERE.glob("*.txt"))
    return max(_audit(path) for path in paths)


def _audit(lock: Path) -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    try:
        said = json.loads(done.stdout)
    except json.JSONDecodeError:
        print(f"{lock.name}: the database of holes could not be asked: {(done.stderr.splitlines() or ['?'])[-1]}")
        return 2
    lines, code = judged(said)
    print("\n".join(f"{lock.name}: {line}" for line in lines))
    return code


def judged(said: dict[str, Any]) -> tuple[list[str], int]:
    """pip-audit's document (`dependencies`: `name`, `version`, `vulns` or `skip_reason`) as lines and an exit code."""
    packages = said["dependencies"]
    unseen = [package["name"] for package in packages if "skip_reason" in package]
    holes = [
        f"{package['name']} {package['version']}: {hole['id']}, fixed in {', '.join(hole['fix_versions']) or 'none'}"
        for package in packages
        for hole in package.get("vulns", [])
        if hole["id"] not in ACCEPTED
    ]
    if unseen:
        count = f"{len(unseen)} of {len(packages)} packages"
        return [*holes, f"{count} could not be looked up, so this says nothing of them: {', '.join(unseen)}"], 2
    return holes or [f"{len(packages)} packages, no known hole"], 1 if holes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
