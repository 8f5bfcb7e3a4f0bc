"""Whoever is paged follows a link: there must be a page behind it."""

from pathlib import Path

import pytest

from service.explain import PAGES

RUNBOOKS = Path(__file__).parents[2] / "deploy" / "runbooks"


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_cause_has_its_page(page):
    text = (RUNBOOKS / f"{page}.md").read_text()
    assert "**What to do.**" in text


def test_no_page_is_left_over():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(PAGES)
