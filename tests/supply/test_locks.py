"""What the locks bring: its licences are listed and allowed; known holes are told apart from what nobody knows."""

from __future__ import annotations

import re
import runpy

import pytest

from tests.conftest import need
from tests.rules.prometheus import ROOT

LICENCES = runpy.run_path(str(ROOT / "requirements/licenses.py"))
AUDIT = runpy.run_path(str(ROOT / "requirements/audit.py"))
LISTED = dict(re.findall(r"^\| ([a-z0-9-]+) \| (\S+) \|", LICENCES["FILE"].read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", ["build", "runtime", "dev", "ship"])
def test_every_locked_package_is_listed_with_its_licence(lock):
    locked = LICENCES["locked"](lock)
    assert len(locked) > 5
    assert {name: LISTED.get(name) for name in locked} == locked, "run `make licenses`"


@pytest.mark.helm
def test_the_list_is_what_the_packages_say():
    try:
        import piplicenses  # noqa: F401, PLC0415 in the same lock as Helm
    except ImportError:
        need("helm", "pip-licenses is not here; `make ship` installs it")
    assert LICENCES["FILE"].read_text() == LICENCES["table"](), "run `make licenses`"


@pytest.mark.parametrize("licence", ["", "UNKNOWN", "GPL-3.0", "MIT AND AGPL-3.0", "AGPL-3.0 OR GPL-3.0"])
def test_a_licence_that_nobody_has_read_is_refused(licence):
    with pytest.raises(LICENCES["UnknownLicence"], match=r"'.*': read it"):
        LICENCES["refuse"]([("good", "MIT"), ("bad", licence)])


def test_a_choice_of_licences_needs_one_that_is_allowed():
    LICENCES["refuse"]([("a", "MIT"), ("b", "GPL-3.0 OR MIT"), ("c", "MPL-2.0 AND Apache-2.0 OR GPL-2.0")])


CLEAN = {"name": "attrs", "version": "25.1.0", "vulns": []}
HOLE = {"name": "jinja2", "version": "3.1.5", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"], "aliases": []}]}
UNSEEN = {"name": "mode", "skip_reason": "Dependency not found and could not be audited: mode (1)"}


@pytest.mark.parametrize(
    ("packages", "said", "code"),
    [
        ([CLEAN], "1 packages, no known hole", 0),
        ([CLEAN, HOLE], "jinja2 3.1.5: PYSEC-1, fixed in 3.1.6", 1),
        ([CLEAN, UNSEEN], "1 of 2 packages could not be looked up, so this says nothing of them: mode", 2),
        ([HOLE, UNSEEN], "jinja2 3.1.5: PYSEC-1, fixed in 3.1.6", 2),
    ],
)
def test_an_audit_that_saw_nothing_is_not_clean(packages, said, code):
    lines, exits = AUDIT["judged"]({"dependencies": packages, "fixes": []})
    assert (lines[0], exits) == (said, code)
