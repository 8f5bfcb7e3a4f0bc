"""`mailgap explain --ask-aws`: what SES says stands beside the story, and nothing is asked without the flag."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from service.cli import cli
from tests.ses_api import SesApi, serving
from tests.unit.told import Log, ses_id

RELAY = "email-smtp.us-east-1.amazonaws.com[192.0.2.1]"
ADA = "ada@mail.example"


@pytest.fixture
def api(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with serving(SesApi(suppressed={ADA: {"Reason": "BOUNCE", "LastUpdateTime": 1_762_000_000}})) as made:
        yield made


@pytest.fixture
def log(tmp_path):
    """A mail whose recipient SES would not send to."""
    made = Log(tmp_path)
    made.mail("4A1B2C3D4E", "one@app.shop.example", ADA, ses_id(1), delivered=False)
    bounce = {
        "bounceType": "Permanent", "bounceSubType": "OnAccountSuppressionList",
        "bouncedRecipients": [{"emailAddress": ADA}], "timestamp": "2025-10-22T11:00:05.000Z",
    }  # fmt: skip
    made.event("Bounce", ses_id(1), ADA, bounce=bounce)
    return made


def explain(log, api, name, *more, code=0):
    where = "--as-of", "2025-10-23T00:00:00Z", "--region", "us-east-1", "--endpoint-url", api.address
    result = CliRunner().invoke(cli, ["explain", name, *log.written(), *where, *more])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_a_suppressed_recipient_is_asked_about_where_the_address_is_known(log, api):
    said = explain(log, api, ses_id(1), "--ask-aws", "--addresses", "raw")
    assert f"What AWS says now {ADA}: on the account's suppression list since 2025-11-01" in said
    assert api.asked == ["GetSuppressedDestination"]


def test_a_story_without_addresses_says_so_and_asks_for_the_one_that_was_typed(log, api):
    said = explain(log, api, ses_id(1), "--ask-aws")
    assert "its address is not known here" in said
    assert api.asked == []
    said = explain(log, api, ADA, "--ask-aws")
    assert "on the account's suppression list since" in said
    assert said.count(ADA) == 1, "it is a pseudonym in the story, also where AWS was asked"


def test_nothing_is_asked_without_the_flag(log, api):
    assert "AWS says" not in explain(log, api, ses_id(1), "--addresses", "raw")
    assert api.asked == []


def test_as_json(log, api):
    found = json.loads(explain(log, api, ADA, "--ask-aws", "--addresses", "raw", "--format", "json"))
    assert [each["about"] for each in found["aws"][0]] == [ADA]
    assert len(found["aws"]) == len(found["stories"])


def test_a_refusal_of_aws_is_a_sentence_and_the_story_is_told(log, api):
    api.refuses["GetSuppressedDestination"] = 403, "AccessDeniedException", "no identity-based policy allows it"
    said = explain(log, api, ses_id(1), "--ask-aws", "--addresses", "raw")
    assert "the role may not do it: compare its policy with deploy/iam/" in said
    assert "What happened" in said


def test_without_a_region_it_is_one_sentence(log, api, monkeypatch):
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    result = CliRunner().invoke(cli, ["explain", ADA, *log.written(), "--ask-aws", "--endpoint-url", api.address])
    assert result.exit_code == 1
    assert "no region is given: set --region or AWS_DEFAULT_REGION" in result.stderr
