"""The published schemas: up to date, valid, and true of what is published."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from service.contract import generate
from service.contract.enums import GapKind, Outcome, VerdictCause
from service.facts import Cause

GOLDEN = Path(__file__).parents[1] / "fixtures" / "contract"


def schema(name):
    return json.loads((generate.FOLDER / f"{name}.schema.json").read_text())


def document(name):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def validator(name):
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema(name), format_checker=checker)


def test_the_committed_files_are_what_the_generator_writes():
    committed = {path.name: path.read_text(encoding="utf-8") for path in generate.FOLDER.iterdir()}
    assert committed == generate.files(), "run `python -m service.contract.generate`"


def test_main_writes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "FOLDER", tmp_path / "schemas")
    generate.main()
    assert {path.name for path in (tmp_path / "schemas").iterdir()} == set(generate.files())


@pytest.mark.parametrize("name", ["correlated-1", "gap-1", "condition-1"])
def test_a_schema_is_a_schema_and_the_golden_example_keeps_it(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    validator(name).validate(document(name))


@pytest.mark.parametrize("name", ["correlated-1", "gap-1", "condition-1"])
def test_every_key_of_the_document_is_described_and_required(name):
    assert schema(name)["required"] == list(document(name)) == list(schema(name)["properties"])


@pytest.mark.parametrize("name", ["correlated-1", "gap-1", "condition-1"])
def test_a_reader_of_version_1_takes_a_key_that_was_added_later(name):
    validator(name).validate(document(name) | {"added_later": 1})


@pytest.mark.parametrize("name", ["correlated-1", "gap-1"])
@pytest.mark.parametrize("change", [{"schema": "mailgap.correlated/2"}, {"revision": 0}, {"mail_id": None}])
def test_a_reader_is_told_what_is_no_record_of_this_version(name, change):
    assert not validator(name).is_valid(document(name) | change)


def test_enums_are_closed():
    gap = validator("gap-1")
    assert not gap.is_valid(document("gap-1") | {"cause": "boredom"})
    definitions = schema("correlated-1")["$defs"]
    assert definitions["VerdictCause"]["enum"] == sorted(VerdictCause)
    assert definitions["Outcome"]["enum"] == sorted(Outcome)
    assert schema("gap-1")["$defs"]["GapKind"]["enum"] == sorted(GapKind)
    assert schema("gap-1")["$defs"]["Cause"]["enum"] == sorted(Cause)


def test_ids_name_no_host():
    assert {schema(name)["$id"] for name in ("correlated-1", "gap-1")} == {
        "urn:mailgap:schema:correlated:1",
        "urn:mailgap:schema:gap:1",
    }


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_asyncapi_document_points_at_what_exists():
    asyncapi = yaml.safe_load((generate.FOLDER / "asyncapi.yaml").read_text())
    for reference in references(asyncapi):
        if reference.startswith("./"):
            assert (generate.FOLDER / reference).is_file()
            continue
        found = asyncapi
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_the_asyncapi_document_has_the_topics_that_others_read():
    asyncapi = yaml.safe_load((generate.FOLDER / "asyncapi.yaml").read_text())
    assert asyncapi["asyncapi"] == "3.0.0"
    addresses = {channel["address"] for channel in asyncapi["channels"].values()}
    assert addresses == {"{prefix}-correlated", "{prefix}-gaps", "{prefix}-dead-letters"}
    assert {operation["action"] for operation in asyncapi["operations"].values()} == {"send"}
