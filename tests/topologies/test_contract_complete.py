"""That the contract tests leave nothing out: what the engine touches inside Faust, mode and aiokafka is found here.

A private attribute of theirs that is read, or a method of theirs that is overridden, has to be named in one of the two
contract files, beside a test that fails once an upgrade changes it.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

import topologies
from tests.topologies.test_contract import in_order, source
from topologies.app import build_app, trails_table
from topologies.engine import store as engine_store
from topologies.engine.consumer import Consumer
from topologies.engine.settings import EngineSettings
from topologies.engine.shard import Shard

HERE = Path(__file__).parent
NAMED = "".join((HERE / name).read_text() for name in ("test_contract.py", "test_contract_aiokafka.py"))
THEIRS = ("faust", "mode", "aiokafka")
MODULES = [
    importlib.import_module(info.name) for info in pkgutil.walk_packages(topologies.__path__, f"{topologies.__name__}.")
]
OF_PYTHON = {"_exit"}
"""Of `os`."""
MADE = {"_abc_impl", "logger", "_tasks"}
"""What metaclasses and mode put into every class."""


def _classes():
    for module in MODULES:
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__:
                yield found


def _private(tree):
    """Names of private attributes that are read, and those that our own code defines."""
    read, ours = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            ours.add(node.name)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            (read if isinstance(node.ctx, ast.Load) else ours).add(node.attr)
    return read, ours


def _foreign_attributes():
    read, ours = set(), set()
    for module in MODULES:
        more, own = _private(ast.parse(inspect.getsource(module)))
        read |= more
        ours |= own
    return sorted(read - ours - OF_PYTHON)


def _overrides():
    for found in _classes():
        theirs = [base for base in found.__mro__ if base.__module__.partition(".")[0] in THEIRS]
        for name in vars(found):
            if not name.startswith("__") and name not in MADE and any(name in vars(base) for base in theirs):
                yield f"{found.__name__}.{name}"


def test_the_search_finds_what_is_known_to_be_there():
    assert {"_fetcher", "_tp_index", "_get_active_partitions"} <= set(_foreign_attributes())
    assert {"Consumer.perform_seek", "ShardedTable._new_store", "App.crash"} <= set(_overrides())


@pytest.mark.parametrize("name", _foreign_attributes())
def test_every_internal_that_is_read_has_a_contract_test(name):
    assert name in NAMED


@pytest.mark.parametrize("override", sorted(_overrides()))
def test_every_override_has_a_contract_test(override):
    assert override.partition(".")[2] in NAMED


class TestTakingOverAShard:
    """Fence, then the changelog's end, then restore, then the committed offset: in any other order a former owner could
    write between two of them, and the new one would miss it.
    """

    async def test_the_store_fences_then_asks_for_the_ends_then_restores_then_is_ready(self, monkeypatch):
        app = build_app("correlate", EngineSettings(bootstrap_servers="nowhere:9092", prefix="order", partitions=2))
        table = trails_table(app)
        topic = table.changelog_topic_name
        done = []

        async def fence(shard):
            done.append(f"fence {shard.partition}")

        async def highwaters(*tps):
            done.append("ends")
            return dict.fromkeys(tps, 7)

        async def restore(_topic, _rows, ends, *_):
            assert not table.ready
            done.append(f"restore up to {sorted(ends.items())}")
            return 0

        monkeypatch.setattr(Shard, "fence", fence)
        monkeypatch.setattr(app, "_consumer", SimpleNamespace(highwaters=highwaters))
        monkeypatch.setattr(app.assignor, "assigned_actives", lambda: {TP(topic, 0), TP(topic, 1)})
        monkeypatch.setattr(engine_store, "restore", restore)
        table.on_restored(lambda shards: done.append(f"built {sorted(shards)}, ready: {table.ready}"))

        @table.on_restored
        async def while_others_go_on(_):
            await asyncio.sleep(0)
            done.append(f"ready: {table.ready}")

        await table.data.on_rebalance(set(), set(), set())
        assert table.data.persisted_offset(TP(topic, 1)) == 6
        await table.data.on_recovery_completed(set(), set())
        assert done == [
            "fence 0", "fence 1", "ends", "restore up to [(0, 7), (1, 7)]", "built [0, 1], ready: False",
            "ready: False",
        ]  # fmt: skip
        assert table.ready

    async def test_what_another_rebalance_overtakes_is_never_ready(self):
        app = build_app("correlate", EngineSettings(bootstrap_servers="nowhere:9092", prefix="order", partitions=2))
        table = trails_table(app)

        @table.on_restored
        async def overtaken(_):
            table.data.shards = {}

        await table.data.on_recovery_completed(set(), set())
        assert not table.ready

    def test_faust_calls_the_tables_then_recovers_then_seeks(self):
        assert in_order(source(TableManager.on_rebalance), "(table.on_rebalance)", "(self.recovery.on_rebalance)")
        assert in_order(source(Recovery.on_recovery_completed), "table.on_recovery_completed", "perform_seek")

    def test_the_seek_is_what_asks_for_the_committed_offsets(self):
        assert in_order(source(Consumer.perform_seek), "super().perform_seek()", "self._committed_offset[tp]")
