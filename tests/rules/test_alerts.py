"""Every alert, by Prometheus's own promtool: it fires and says what, it resolves, and is quiet otherwise."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from tests.rules.cases import CASES
from tests.rules.cases_running import RUNNING
from tests.rules.prometheus import ROOT, RULE_FILES, program

pytestmark = pytest.mark.prometheus
RULE = {
    rule.get("alert") or rule["record"]: rule
    for path in RULE_FILES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
}
ALERTS = {name: rule for name, rule in RULE.items() if "alert" in rule}
STEP = 5
EVERY = (*CASES, *RUNNING)
"""Minutes between two looks at what must stay quiet."""


def _promtool(*arguments) -> None:
    done = subprocess.run([program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _test(alert: str, series: dict[str, str], expected: dict[str, list[dict]]) -> dict:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": at, "alertname": alert, "exp_alerts": alerts} for at, alerts in expected.items()
        ],
    }


def _needed(name: str) -> list[dict]:
    """The rule, after those that it is made of: promtool evaluates what it is given, needed or not."""
    rule = RULE[name]
    parts = [part for other in re.findall(r"mailgap:[\w:]+", rule["expr"]) for part in _needed(other)]
    return [*parts, rule]


def _run(folder, name: str, tests: list[dict]) -> None:
    needed = list({str(rule): rule for rule in _needed(name)}.values())
    rules, path = folder / "rules.yml", folder / "test.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "all", "interval": "30s", "rules": needed}]}))
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "30s", "tests": tests}))
    _promtool("test", "rules", path)


NEWER = {
    "2.808%": "2.831%",
    "9.36%": "9.438%",
    "91.5 delays": "90 delays",
    "0.5597%": "0.5527%",
}
"""What Prometheus 3 makes of the same series: its ranges leave out the sample that lies on their beginning."""


def _summary(case) -> str:
    said = subprocess.run([program("promtool"), "--version"], capture_output=True, text=True, check=True).stdout
    is_newer = not re.search(r"version 2\.", said)
    words = [word for word in NEWER if is_newer and word in case.summary]
    return case.summary.replace(words[0], NEWER[words[0]]) if words else case.summary


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.alert)
def test_it_fires_and_resolves(case, tmp_path):
    rule = ALERTS[case.alert]
    fired = {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {**rule["annotations"], "summary": _summary(case)},
    }
    _run(tmp_path, case.alert, [_test(case.alert, case.fires, {"0m": [], case.at: [fired], case.gone: []})])


@pytest.mark.parametrize(
    ("case", "why"),
    [(case, why) for case in EVERY for why in case.quiet],
    ids=lambda part: getattr(part, "alert", part),
)
def test_it_is_quiet(case, why, tmp_path):
    series = case.quiet[why]
    length = max(sum(int(n) for n in re.findall(r"x(\d+)", values)) for values in series.values())
    times = {f"{minute}m": [] for minute in range(0, length - STEP, STEP)}
    _run(tmp_path, case.alert, [_test(case.alert, series, times)])


def test_no_alert_is_left_out():
    assert {case.alert for case in EVERY} == set(ALERTS)  # an alert with two reasons has two cases
    assert all(case.quiet for case in EVERY)


def test_the_examples_are_configurations():
    _promtool("check", "config", ROOT / "deploy/prometheus/prometheus.yml")
    command = [program("amtool"), "check-config", str(ROOT / "deploy/prometheus/alertmanager.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_are_rules():
    _promtool("check", "rules", *RULE_FILES)


STORM = 'mailgap_gaps_opened_total{kind="sent_no_ses_id", cause="silent", stream="otp", instance="a"}'


def test_a_storm_that_began_between_two_scrapes_is_seen(tmp_path):
    """The series is born at 5,000: Prometheus alone would see no increase, and nobody would be woken."""
    born = {
        STORM: "_x10 5000x60",
        STORM.replace("_total", "_created"): "_x10 595x60",  # born after the scrape before
        'mailgap_submissions_total{stream="otp", instance="a"}': "0+10x10 5000+10x60",
    }
    sums = [(f"{minute}m", 5000 if 11 <= minute < 15 else 0) for minute in (11, 14, 30)]
    test = _test("MailgapHandoffBudgetBurningFast", born, {})
    test["promql_expr_test"] = [
        {
            "expr": "mailgap:handoff_gaps:increase5m",
            "eval_time": at,
            "exp_samples": [{"labels": 'mailgap:handoff_gaps:increase5m{stream="otp"}', "value": value}],
        }
        for at, value in sums
    ]
    _run(tmp_path, "mailgap:handoff_gaps:increase5m", [test])


def test_the_first_complaint_in_a_workers_life_counts(tmp_path):
    """A worker that has just taken over makes the series with the first complaint: at 1, and it stays there."""
    series = 'mailgap_outcomes_total{outcome="complained", stream="news", provider="gmail", instance="b"}'
    born = {series: "_x10 1x60", series.replace("_total", "_created"): "_x10 595x60"}
    test = _test("", born, {})
    sample = {"labels": 'mailgap:outcomes:increase1d{outcome="complained", stream="news"}', "value": 1}
    test["promql_expr_test"] = [
        {"expr": "mailgap:outcomes:increase1d", "eval_time": "40m", "exp_samples": [sample]},
    ]
    _run(tmp_path, "mailgap:outcomes:increase1d", [test])


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_all_that_the_one_who_is_woken_needs(alert):
    rule = ALERTS[alert]
    said = rule["annotations"]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert "$value" in said["summary"]
    assert re.search("stream|region", said["summary"]) or said["dashboard"] == "/d/mailgap-pipeline"
    assert said["runbook_url"] == f"deploy/runbooks/{alert}.md"
    assert said["description"].endswith(".")


def test_what_pages_is_what_the_design_says():
    assert {alert for alert, rule in ALERTS.items() if rule["labels"]["severity"] == "page"} == {
        "MailgapAccountRefused",
        "MailgapSendingPaused",
        "MailgapHandoffBudgetBurningFast",
        "MailgapDeliveryBudgetBurningFast",
        "MailgapSourceStalled",
        "MailgapSourceSilent",
        "MailgapBehind",
        "MailgapShardsWithoutOwner",
        "MailgapAbsent",
        "MailgapInternalError",
        "MailgapCanaryMissing",
    }
