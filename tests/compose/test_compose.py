"""The compose file holds together: what it mounts is there, what it says the programs take, and nothing is open."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.cli import cli
from service.demo.broker_servers import IMAGE
from service.notifications.sinks import parse_sinks
from service.policy import parse_policy
from service.settings import TABLE
from tests.compose.compose import FILE, FOLDER, MAILGAP, OURS, SERVICES, binds, command, mounted, read
from tests.conftest import need
from tests.rules.prometheus import ROOT, RULE_FILES, UNPACKED, program


@pytest.mark.helm
def test_it_is_what_the_compose_specification_says():
    checker = Path(sys.executable).parent / "check-jsonschema"
    if not checker.exists():
        need("helm", "check-jsonschema is not here; `make ship` installs it")
    words = [checker, "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_the_patch(name):
    image = SERVICES[name]["image"]
    assert image == OURS or re.fullmatch(r"[a-z]+/[a-z]+:v?[0-9]+\.[0-9]+\.[0-9]+", image)


def test_its_kafka_is_the_one_of_the_tests():
    assert SERVICES["kafka"]["image"] == SERVICES["inputs"]["image"] == IMAGE


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_else_reaches_it_and_it_has_no_powers(name):
    service = SERVICES[name]
    assert all(re.fullmatch(r"127\.0\.0\.1:[0-9]+:[0-9]+", port) for port in service.get("ports", []))
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["CHOWN"] if name == "prepare" else [])
    assert not {"privileged", "pid", "ipc", "devices"} & set(service)
    assert service["image"] != OURS or service["read_only"] is True


def test_no_port_is_published_twice():
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(set(ports)) == len(ports)


def test_no_secret_stands_in_it():
    """Neither in a variable that could hold one, nor as a file in the folder."""
    names = {name for service in SERVICES.values() for name in service.get("environment", {})}
    assert {name for name in names if re.search("PASSWORD|SECRET|TOKEN|KEY", name)} == {"MAILGAP_PSEUDONYM_KEY_FILE"}
    assert "secrets" not in read()


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_and_volume_that_it_mounts_is_there(name):
    service = SERVICES[name]
    for target, source in binds(service).items():
        assert source.exists(), target
        assert source.is_relative_to(ROOT / "deploy"), target
    for volume in service.get("volumes", []):
        assert volume["type"] == "bind" or volume["source"] in read()["volumes"]
        assert volume["type"] == "volume" or volume["read_only"] is True


def test_whom_a_service_waits_for_is_there_and_can_become_that():
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            awaited = SERVICES[name]
            if how["condition"] == "service_completed_successfully":
                assert awaited["restart"] == "no", name
            else:
                assert awaited["healthcheck"]["test"][0] == "CMD", name


@pytest.mark.parametrize("name", sorted(set(MAILGAP) - {"prepare"}))
def test_the_program_takes_every_word_and_variable(name):
    service = MAILGAP[name]
    first, *words = command(service)
    found: Any = cli.commands[first]
    if hasattr(found, "commands"):
        found, words = found.commands[words[0]], words[1:]
    found.make_context(name, list(words))
    environment = service["environment"]
    assert set(environment) <= {setting.env for setting in TABLE}
    for word in [*words, *environment.values()]:
        path = word.rpartition("=")[2]
        assert not path.startswith("/") or mounted(service, path), f"{path} is mounted nowhere"


def test_policy_and_sinks_are_what_the_program_reads():
    assert parse_policy(yaml.safe_load((FOLDER / "policy.yaml").read_text())).defaults.handoff == 60_000
    sinks = parse_sinks(yaml.safe_load((FOLDER / "sinks.yaml").read_text()), lambda *_: "")
    assert [sink.name for sink in sinks] == ["alertmanager"]


def test_prometheus_loads_the_very_rules_and_scrapes_whoever_serves(tmp_path):
    """The configuration and the rules at the places where the container has them, below a folder of the test's own."""
    there = binds(SERVICES["prometheus"])
    assert set(RULE_FILES) == {path for path in there.values() if path.parent == ROOT / "deploy/prometheus"}
    configuration = yaml.safe_load(there["/etc/prometheus/prometheus.yml"].read_text())
    assert set(configuration["rule_files"]) == set(there) - {"/etc/prometheus/prometheus.yml"}
    targets = configuration["scrape_configs"][0]["static_configs"][0]["targets"]
    assert {target.partition(":")[0] for target in targets} == {"worker", "notify", "trace"}
    for target in targets:
        name, _, port = target.partition(":")
        assert SERVICES[name]["environment"]["MAILGAP_HTTP_BIND"] == f"0.0.0.0:{port}"
    configuration["rule_files"] = [str(there[path]) for path in configuration["rule_files"]]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    words = [program("promtool"), "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rules found") == len(RULE_FILES)


def test_alertmanager_takes_its_configuration():
    (path,) = binds(SERVICES["alertmanager"]).values()
    words = [program("amtool"), "check-config", path]
    cwd = UNPACKED if UNPACKED.exists() else None
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr


def test_grafana_finds_the_data_source_and_every_dashboard():
    there = binds(SERVICES["grafana"])
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards.yml").read_text())["providers"]
    shown = there[provider["options"]["path"]]
    boards = [json.loads(path.read_text()) for path in shown.glob("*.json")]
    assert {board["uid"] for board in boards} == {"mailgap-overview", "mailgap-gaps", "mailgap-pipeline"}
    (source,) = yaml.safe_load((FOLDER / "grafana/datasources.yml").read_text())["datasources"]
    assert source["isDefault"] is True
    for board in boards:
        chosen = [entry for entry in board["templating"]["list"] if entry["type"] == "datasource"]
        assert [entry["query"] for entry in chosen] == [source["type"]]
    assert source["url"] == "http://prometheus:9090"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (shown / Path(home).name).exists()
    assert str(Path(home).parent) == provider["options"]["path"]
    for folder in ("datasources", "dashboards"):
        assert f"/etc/grafana/provisioning/{folder}/mailgap.yml" in there


def test_keys_are_made_once_and_readable_by_the_image_only(tmp_path):
    if os.geteuid() != 0:
        need("image", "giving files away takes root")
    words = [sys.executable, FOLDER / "prepare.py", tmp_path]
    subprocess.run(words, check=True)
    made = {path.name: (path.read_text(), path.stat()) for path in tmp_path.iterdir() if path.is_file()}
    assert set(made) == {"pseudonym.key", "tokens"}
    user = int(re.findall(r"^USER ([0-9]+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0])
    for _, status in made.values():
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o400, user)
    assert {(path.name, path.stat().st_uid) for path in tmp_path.iterdir() if path.is_dir()} == {
        ("trace", user),
        ("sample", user),
    }
    subprocess.run(words, check=True)
    assert {name: (tmp_path / name).read_text() for name in made} == {name: text for name, (text, _) in made.items()}
