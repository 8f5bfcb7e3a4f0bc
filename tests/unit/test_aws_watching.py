"""The account's state as metrics: set when SES answers, and left as it was, with an error counted, when it does not."""

from __future__ import annotations

import asyncio
import contextlib

import boto3
import pytest

from service.aws import watching
from service.aws.ses import Account, Pace, Ses
from service.metrics import REGISTRY
from tests.integration.world import eventually
from tests.ses_api import ACCOUNT, SesApi, serving

REGION = "eu-north-1"
ACCOUNT_NOW = Account(REGION, sending=True, enforcement="PROBATION", production=True, quota=-1, sent=7, rate=14)


def value(name, **labels):
    return REGISTRY.get_sample_value(f"mailgap_ses_{name}", {"region": REGION, **labels})


def test_gauges():
    watching.gauge(ACCOUNT_NOW)
    found = [value(name) for name in ("sending_enabled", "sent_mails", "quota_mails", "rate_mails")]
    assert found == [1, 7, -1, 14]
    assert [value("enforcement", status=s) for s in ("healthy", "probation", "shutdown", "other")] == [0, 1, 0, 0]
    watching.gauge(ACCOUNT_NOW._replace(enforcement="NEW_WORD", sending=False))
    assert [value("enforcement", status=s) for s in ("healthy", "probation", "shutdown", "other")] == [0, 0, 0, 1]
    assert value("sending_enabled") == 0


async def test_it_goes_on_after_an_error_and_says_it_once(monkeypatch, caplog):
    monkeypatch.setattr(watching, "EVERY", 0.01)
    monkeypatch.setattr(watching, "_LONGEST_PAUSE", 0.02)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    before = value("errors_total") or 0
    with serving(SesApi(refuses={"GetAccount": (403, "AccessDeniedException", "no")})) as api:
        made = boto3.client("sesv2", REGION, endpoint_url=api.address)
        task = asyncio.create_task(watching.watch(Ses(made, Pace(every=0))))

        async def failed() -> bool:
            return (value("errors_total") or 0) >= before + 3

        async def answered() -> bool:
            return value("quota_mails") == ACCOUNT["SendQuota"]["Max24HourSend"]

        await eventually(failed, 60, lambda: caplog.text)
        api.refuses.clear()
        await eventually(answered, 60, lambda: caplog.text)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert caplog.text.count("deploy/iam/") == 1


@pytest.fixture(autouse=True)
def _no_state():
    yield
    watching.gauge(ACCOUNT_NOW)
