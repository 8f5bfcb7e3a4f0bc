"""A real Prometheus and a real Alertmanager on free ports, for as long as a test lasts, in time lapse.

In time lapse an hour of the rules is a minute: every duration in them is divided by sixty, their interval too, so all
sums are right. The metrics themselves run at the speed of life.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from service.demo.broker_servers import free_port
from tests.rules.prometheus import RULE_FILES, UNPACKED, program

LAPSE = 60
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SECONDS = ("mailgap:threshold:silent_seconds", "mailgap:threshold:behind_seconds")


def in_lapse(text: str) -> str:
    """A rule's text with all its durations, and what is given in seconds, a sixtieth as long."""

    def shorter(found: re.Match[str]) -> str:
        return f"{int(found[1]) * _UNITS[found[2]] * 1000 // LAPSE}ms"

    text = re.sub(r"(?<=\[)(\d+)([smhd])(?=\])", shorter, text)
    text = re.sub(r"(?<=offset )(\d+)([smhd])", shorter, text)
    return text.replace("time() - 300", f"time() - {300 // LAPSE}")


def _rules(path: Path) -> dict[str, Any]:
    document = yaml.safe_load(path.read_text())
    for group in document["groups"]:
        group["interval"] = "500ms"
        for rule in group["rules"]:
            rule["expr"] = in_lapse(rule["expr"])
            if rule.get("record") in _SECONDS:
                rule["expr"] = f"{rule['expr']} / {LAPSE}"
            for key in ("for", "keep_firing_for"):
                if key in rule:
                    rule[key] = in_lapse(f"[{rule[key]}]").strip("[]")
    return document


class Server:
    """A program that listens on a port of its own, ended by its process id."""

    def __init__(
        self,
        folder: Path,
        command: list[str],
        ready: str,
        port: int,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> None:
        self.port, self.log = port, folder / "log"
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(command, cwd=cwd or folder, env=env, stdout=out, stderr=out)
        try:
            self._until_it_answers(ready)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def _until_it_answers(self, ready: str) -> None:
        end = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{ready}", timeout=2).close()
            except OSError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.05)
            else:
                return


class Alertmanager(Server):
    """Groups what it is told; tells nobody."""

    def __init__(self, folder: Path, configuration: Path) -> None:
        folder.mkdir()
        port = free_port()
        command = [
            program("prometheus-alertmanager"), f"--config.file={configuration}", f"--storage.path={folder}",
            f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=",
        ]  # fmt: skip
        super().__init__(folder, command, "/-/ready", port, UNPACKED)

    def groups(self) -> list[tuple[str, dict[str, str], list[str]]]:
        """Receiver, group labels and alerts of every group that is active."""
        return [
            (group["receiver"]["name"], group["labels"], [alert["labels"]["alertname"] for alert in group["alerts"]])
            for group in self.get("/api/v2/alerts/groups")
        ]


class Prometheus(Server):
    """Scrapes the workers at these ports, with our rules in time lapse."""

    def __init__(self, folder: Path, workers: list[int], alertmanager: int) -> None:
        folder.mkdir()
        for path in RULE_FILES:
            (folder / path.name).write_text(yaml.safe_dump(_rules(path)))
        configuration = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [path.name for path in RULE_FILES],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [
                {"job_name": "mailgap", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in workers]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        port = free_port()
        command = [
            program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--rules.alert.resend-delay=500ms",
            "--enable-feature=exemplar-storage",
        ]  # fmt: skip
        super().__init__(folder, command, "/-/ready", port)

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The result of a query now. What is wrong with it fails the test."""
        return self._data(f"/api/v1/query?{urllib.parse.urlencode({'query': expr})}")["result"]

    def history(self, expr: str, since: float, step: float = 0.5) -> list[dict[str, Any]]:
        """The result of a query at every instant since."""
        asked = {"query": expr, "start": since, "end": time.time(), "step": step}
        return self._data(f"/api/v1/query_range?{urllib.parse.urlencode(asked)}")["result"]

    def unhealthy(self) -> list[str]:
        """Rules whose evaluation failed, and why."""
        groups = self._data("/api/v1/rules")["groups"]
        return [
            f"{r['name']}: {r.get('lastError')}" for group in groups for r in group["rules"] if r["health"] == "err"
        ]

    def firing(self) -> dict[str, str]:
        """The alerts that fire now, and what each says."""
        alerts = self._data("/api/v1/alerts")["alerts"]
        return {a["labels"]["alertname"]: a["annotations"]["summary"] for a in alerts if a["state"] == "firing"}

    def _data(self, path: str) -> Any:
        try:
            answer = self.get(path)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]
