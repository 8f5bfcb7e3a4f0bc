"""The file of sinks: what is in it, where the secrets come from, and what is said of a wrong one."""

from __future__ import annotations

import pytest
import yaml

from service.notifications.ledger import Pace, Scope
from service.notifications.sinks import PAGERDUTY, SinkType
from service.settings import SettingsError, load, read_sinks

HOOK = "https://hooks.example/services/T0/B0/s3cr3t"
ARN = "arn:aws:sns:eu-central-1:111122223333:mailgap"


def _read(tmp_path, *sinks, environ=None, **more):
    path = tmp_path / "sinks.yaml"
    path.write_text(yaml.safe_dump({"sinks": list(sinks), **more}))
    return read_sinks(str(path), environ or {"HOOK": HOOK, "KEY": "k" * 32, "TOKEN": "Bearer t0k3n1"})


def test_all_kinds(tmp_path):
    secret = tmp_path / "url"
    secret.write_text(HOOK + "\n")
    sinks = _read(
        tmp_path,
        {"type": "alertmanager", "url": "http://am.example:9093/prefix/", "authorization_env": "TOKEN"},
        {"name": "ops", "type": "slack", "url_file": str(secret), "streams": ["otp"], "severities": ["page"]},
        {"type": "pagerduty", "key_env": "KEY", "kinds": ["source_stalled"], "at_least": 3},
        {"type": "sns", "topic_arn": ARN},
        {"type": "webhook", "url_env": "HOOK"},
        pace={"wait": "1m", "update": "1h"},
    )
    assert [(sink.name, sink.type) for sink in sinks] == [
        ("alertmanager", SinkType.ALERTMANAGER),
        ("ops", SinkType.SLACK),
        ("pagerduty", SinkType.PAGERDUTY),
        ("sns", SinkType.SNS),
        ("webhook", SinkType.WEBHOOK),
    ]
    alertmanager, chat, pager, topic, hook = sinks
    assert alertmanager.pace == Pace(60_000, 3_600_000, 60_000)
    assert chat.pace == Pace(60_000, 3_600_000, 0)
    assert chat.url == hook.url == HOOK
    assert chat.scope == Scope(frozenset({"otp"}), frozenset(), frozenset({"page"}), 1)
    assert (pager.url, pager.key, pager.scope.at_least) == (PAGERDUTY, "k" * 32, 3)
    assert topic.host == ARN


def test_a_sink_shows_no_secret(tmp_path):
    sinks = _read(
        tmp_path,
        {"type": "slack", "url_env": "HOOK"},
        {"type": "pagerduty", "key_env": "KEY"},
        {"type": "alertmanager", "url": "http://am:9093", "authorization_env": "TOKEN"},
    )
    shown = repr(sinks) + " ".join(sink.host for sink in sinks)
    assert not any(secret in shown for secret in ("s3cr3t", "kkkk", "t0k3n"))
    hook, key, token = (sink.secrets for sink in sinks)
    assert hook == (HOOK, "services/T0/B0/s3cr3t", "s3cr3t")
    assert key == ("k" * 32,)
    assert token == ("Bearer t0k3n1", "t0k3n1")


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ({"type": "fax"}, "type 'fax' is none of"),
        ({}, "type None is none of"),
        ("slack", "expected a mapping"),
        ({"type": "slack"}, "has no address: give url_file or url_env"),
        ({"type": "slack", "url": HOOK}, "'url' is unknown; there are"),
        ({"type": "slack", "url_env": "GONE"}, "the environment has no GONE"),
        ({"type": "slack", "url_file": "/nowhere/url"}, "/nowhere/url cannot be read: No such file"),
        ({"type": "slack", "url_env": "EMPTY"}, "url_env 'EMPTY' holds no single line"),
        ({"type": "slack", "url_env": "TWO_LINES"}, "holds no single line"),
        ({"type": "slack", "url_env": "FTP"}, "its address is no http or https URL"),
        ({"type": "slack", "url_env": "PORT"}, "its address is no http or https URL"),
        ({"type": "webhook", "url_env": "PASSWORD"}, "carries a password"),
        ({"type": "webhook", "url_env": "HOOK", "authorization_env": "TWO_LINES"}, "holds no single line"),
        ({"type": "webhook", "url_env": "HOOK", "url_file": "x"}, "has both url_file and url_env"),
        ({"type": "alertmanager"}, "has no address: give url"),
        ({"type": "pagerduty"}, "has no routing key"),
        ({"type": "sns", "topic_arn": "mailgap"}, "'mailgap' is no ARN"),
        ({"type": "webhook", "url_env": "HOOK", "name": "a b"}, "'a b' is no name"),
        ({"type": "webhook", "url_env": "HOOK", "kinds": ["lost"]}, "kinds 'lost' is none of"),
        ({"type": "webhook", "url_env": "HOOK", "severities": "page"}, "severities is no list"),
        ({"type": "webhook", "url_env": "HOOK", "at_least": 0}, "at_least 0 is no count"),
    ],
)
def test_a_wrong_sink_is_named_without_its_secret(tmp_path, sink, words):
    environ = {
        "HOOK": HOOK, "EMPTY": " \n", "TWO_LINES": "https://a.example/s3cr3t\nX-Evil: 1",
        "FTP": "ftp://a.example/s3cr3t", "PORT": "http://a.example:99999999/s3cr3t",
        "PASSWORD": "https://u:s3cr3t@a.example/",
    }  # fmt: skip
    with pytest.raises(SettingsError, match=words) as said:
        _read(tmp_path, sink, environ=environ)
    assert "sinks.yaml: sinks[0]" in str(said.value) or "the environment" in str(said.value) or "read" in words
    assert "s3cr3t" not in str(said.value)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "a list of `sinks`"),
        ({"sinks": []}, "a list of `sinks`"),
        ({"sinks": [{"type": "sns", "topic_arn": ARN}] * 2}, "two sinks are called 'sns'"),
        ({"sinks": [{"type": "sns", "topic_arn": ARN}], "pace": {"wait": 30}}, "pace.wait: 30 is no duration"),
        ({"sinks": [{"type": "sns", "topic_arn": ARN}], "pace": {"often": "1s"}}, "'often' is unknown"),
        ({"sinks": [{"type": "sns", "topic_arn": ARN}], "pace": 3}, "pace: expected a mapping"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, document, words):
    path = tmp_path / "sinks.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(SettingsError, match=words):
        read_sinks(str(path), {})


def test_the_settings_lead_to_the_file(tmp_path):
    path = tmp_path / "sinks.yaml"
    path.write_text(yaml.safe_dump({"sinks": [{"type": "sns", "topic_arn": ARN}]}))
    settings = load({"sinks_file": str(path)}, {"MAILGAP_TRACE_URL": "https://trace.example/mails/{mail_id}"})
    assert [sink.topic_arn for sink in settings.sinks({})] == [ARN]
    assert settings.trace_url == "https://trace.example/mails/{mail_id}"
    assert load({}, {}).sinks({}) == []
    assert load({}, {}, defaults={"http_bind": "127.0.0.1:9752"}).http_bind == ("127.0.0.1", 9752)
    assert load({}, {"MAILGAP_HTTP_BIND": "[::1]:80"}, defaults={"http_bind": "127.0.0.1:9752"}).http_bind == (
        "::1",
        80,
    )


@pytest.mark.parametrize(
    "url", ["trace.example/{mail_id}", "https://trace.example/", "javascript:{mail_id}", "https://a b/{mail_id}"]
)
def test_a_link_that_leads_nowhere(url):
    with pytest.raises(SettingsError, match="is no http or https URL with"):
        load({"trace_url": url}, {})
