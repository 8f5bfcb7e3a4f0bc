"""What AWS says of a refused account stands beside the alert: it makes none, updates none, and holds none up."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

from service.aws.ses import Regions
from service.commands.aws import account_says
from service.contract.enums import Condition
from service.edges.notify import courier as couriers
from service.edges.notify.courier import Courier
from service.edges.notify.delivery import delivery
from service.facts import Cause
from service.notifications.board import Board
from service.notifications.ledger import Pace, Scope
from service.notifications.sinks import Sink, SinkType
from tests.receiver import Receiver
from tests.ses_api import ACCOUNT, SesApi, serving
from tests.unit.notices import board, condition, gap, sink_ledger

PAUSED = {"kind": Condition.ACCOUNT_REFUSED, "cause": Cause.ACCOUNT_PAUSED}
PACE = Pace(wait=0, update=0)
HERE = condition("a", about="region eu-west-1", **PAUSED)


class Journal:
    """Keeps nothing, and notes when it was asked to."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    async def keep(self, _sink: str, entries: dict[str, Any]) -> None:
        self.kept.append(dict(entries))


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def api(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    paused = ACCOUNT | {"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN", "ProductionAccessEnabled": False}
    with serving(SesApi(account=paused)) as made:
        yield made


def courier_of(made: Board, receiver: Receiver, ask: couriers.Ask | None, ledger: Any = None) -> Courier:
    sink = Sink("hook", SinkType.WEBHOOK, PACE, Scope(), url=f"{receiver.url}/hook")
    return Courier("hook", made, ledger or sink_ledger(PACE), delivery(sink), Journal(), ask)  # type: ignore[arg-type]


def asking(api: SesApi) -> couriers.Ask:
    return partial(account_says, Regions("us-east-1", api.address))


async def told(courier: Courier, receiver: Receiver) -> dict[str, Any]:
    await courier.step()
    await courier._delivery.close()
    return receiver.to("/hook")[-1]


async def test_a_refused_account_is_told_with_what_aws_says_of_it(receiver, api):
    said = await told(courier_of(board(HERE), receiver, asking(api)), receiver)
    assert said["evidence"] == [
        "AWS on the account in eu-west-1: sending is paused now: see the notice that AWS sent to the account's address;"
        " SES has taken its right to send (SHUTDOWN); 41,210 mails were sent in the last 24 hours, of 50,000 (82%),"
        " 14 a second at most; it is in the sandbox, and may send to verified addresses alone."
    ]
    assert said["cause"] == "account_paused"


async def test_so_are_gaps_with_a_cause_of_the_account_s(receiver, api):
    quota = gap("a", cause=Cause.QUOTA_EXCEEDED)
    said = await told(courier_of(board(quota), receiver, asking(api)), receiver)
    assert said["evidence"][0].startswith("AWS on the account in us-east-1: ")


@pytest.mark.parametrize("record", [gap("a"), condition("a")], ids=["a silence", "a stalled source"])
async def test_nothing_is_asked_about_what_is_no_account_s_fault(receiver, api, record):
    said = await told(courier_of(board(record), receiver, asking(api)), receiver)
    assert (said["evidence"], api.asked) == ([], [])


async def test_nothing_is_asked_without_the_flag(receiver):
    assert (await told(courier_of(board(HERE), receiver, None), receiver))["evidence"] == []


async def test_whoever_may_not_ask_says_so_and_tells_it_all_the_same(receiver, api):
    api.refuses["GetAccount"] = 403, "AccessDeniedException", "no"
    said = await told(courier_of(board(HERE), receiver, asking(api)), receiver)
    assert said["state"] == "firing"
    assert said["evidence"][0].startswith("AWS cannot be asked: SES's account in eu-west-1: AccessDeniedException")


async def test_an_aws_that_does_not_answer_holds_up_no_page(receiver, monkeypatch):
    monkeypatch.setattr(couriers, "ASKING", 0.05)
    answer = threading.Event()

    def hangs(_region: str | None) -> str:
        answer.wait(60)
        return "too late"

    try:
        said = await told(courier_of(board(HERE), receiver, hangs), receiver)
    finally:
        answer.set()
    assert said["evidence"] == ["AWS was asked and did not answer in 0.05 s."]


async def test_another_answer_is_no_news(receiver, api):
    """What AWS says changes all the time; the sink hears of the alert's changes alone."""
    ledger, made = sink_ledger(PACE), board(HERE)
    first = await told(courier_of(made, receiver, asking(api), ledger), receiver)
    api.account = ACCOUNT
    await courier_of(made, receiver, asking(api), ledger).step()
    assert receiver.to("/hook") == [first]


async def test_what_is_over_while_aws_is_asked_is_told_as_over(receiver):
    made = board(HERE)

    def asks(_region: str | None) -> str:
        made.take(*condition("a", "cleared", about="region eu-west-1", **PAUSED))
        return "paused"

    said = await told(courier_of(made, receiver, asks), receiver)
    assert (said["state"], said["evidence"]) == ("resolved", [])


async def test_the_intention_is_kept_after_the_answer_so_that_it_is_fresh_when_the_attempt_begins(receiver):
    order: list[str] = []
    courier = courier_of(board(HERE), receiver, lambda _: order.append("asked") or "paused")
    journal = courier._journal
    keep = journal.keep

    async def kept(*arguments: Any) -> None:
        order.append("kept")
        await keep(*arguments)

    courier._journal.keep = kept  # type: ignore[method-assign]
    await courier.step()
    await courier._delivery.close()
    assert order == ["asked", "kept", "kept"], "intended, and taken"


def test_where_it_is_asked():
    regions = [condition(str(n), about=f"region r{n}", **PAUSED) for n in range(5)]
    made = board(*regions, condition("z", about="a region that no line names", **PAUSED))
    (subject, _), *_ = made.subjects()
    assert made.regions(subject) == (None, "r0", "r1"), "at most three: a question takes a second"
