"""Whoever is paged follows a link: there must be a page behind it, and it must be of use at night."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec
import pytest
import yaml

from service.cli import cli
from service.contract.condition import ConditionRecord
from service.contract.correlated import Correlated
from service.contract.enums import Condition, Outcome, VerdictCause
from service.contract.gap import GapRecord
from service.explain import PAGES

DEPLOY = Path(__file__).parents[2] / "deploy"
RUNBOOKS = DEPLOY / "runbooks"
ALERTS = {
    rule["alert"]
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
TEXTS = {path.stem: path.read_text() for path in sorted(RUNBOOKS.glob("*.md")) if path.stem != "README"}
PARTS = ("**Meaning.**", "**Impact.**", "**Diagnosis.**", "**Mitigation.**")


def test_every_cause_condition_and_alert_has_its_page_and_no_page_is_left_over():
    assert set(TEXTS) == set(PAGES) | set(Condition) | ALERTS


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_has_all_that_is_needed(page):
    places = [TEXTS[page].find(part) for part in PARTS]
    assert -1 not in places, dict(zip(PARTS, places, strict=True))
    assert places == sorted(places)
    diagnosis = TEXTS[page][places[2] : places[3]]
    assert "```" in diagnosis, "a command to paste"


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_to_pages(page):
    assert set(re.findall(r"\]\((\w+)\.md\)", TEXTS[page])) <= set(TEXTS)


@pytest.mark.parametrize("page", TEXTS)
def test_what_a_command_selects_is_there(page):
    """Fields of our records that a `jq` names, and the words that it compares them with."""
    fields = (
        set(GapRecord.__struct_fields__) | set(Correlated.__struct_fields__) | set(ConditionRecord.__struct_fields__)
    )
    inner = {field.name for kind in _inner() for field in msgspec.structs.fields(kind)}
    for filter_ in re.findall(r"jq -[cr] '(?!\.mail|select\(\.level)([^']*)'", TEXTS[page]):
        named = set(re.findall(r"\.([a-z_]+)", filter_))
        assert named <= fields | inner, named - fields - inner
        words = set(re.findall(r'\.(?:cause|outcome|condition) == "(\w+)"', filter_))
        assert words <= set(VerdictCause) | set(Outcome) | set(Condition)


def _inner():
    from service.contract import correlated  # noqa: PLC0415

    return [correlated.Recipient, correlated.VerdictEntry]


def test_every_cause_on_a_shared_page_is_on_it():
    for page in ("bounced", "suppressed", "delayed"):
        causes = re.findall(r"^## `(\w+)`$", TEXTS[page], re.MULTILINE)
        assert causes
        assert set(causes) <= set(VerdictCause)


@pytest.mark.parametrize("page", TEXTS)
def test_our_own_commands_are_there_with_their_flags(page):
    for line in re.findall(r"^mailgap ([^|\n]+)", TEXTS[page], re.MULTILINE):
        command, words = cli, line.split()
        while isinstance(command, click.Group):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= flags, line
