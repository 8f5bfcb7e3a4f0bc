"""Configurations of shippers that cannot be run here: they can be read, and what they would send is understood."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.facts import Accepted
from service.parsing.smtp import parse_smtp

SHIPPERS = Path(__file__).parents[2] / "deploy" / "shippers"
SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
AT = SEEN - 60_000
ID = "0100018f2a6b3c4d-11112222-3333-4444-5555-666677778888-000000"
RELAY = "email-smtp.eu-west-1.amazonaws.com"
POSTFIX = (
    f"Mar  5 11:59:00 mx1 postfix/smtp[7]: 4A1B2C3D4E: to=<ann@shop.example>, relay={RELAY}[192.0.2.10]:587, delay=1,"
    f" delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok {ID})"
)
EXIM = (
    f"2024-03-05 11:59:00 1rhRkX-0001ab-2C => ann@shop.example R=ses T=remote_smtp H={RELAY} [192.0.2.10] X=TLS1.3"
    f' C="250 Ok {ID}"'
)

# What each shipper sends of a line with the configuration beside: names as its documentation gives them.
SENT = {
    "vector.yaml": lambda line: {
        "file": "/var/log/mail.log", "host": "agent1", "message": line, "source_type": "file",
        "timestamp": "2024-03-05T11:59:58.123456789Z",
    },
    "fluent-bit.conf": lambda line: {"date": 1709639998.123, "message": line, "host": "agent1"},
    "filebeat.yml": lambda line: {
        "@timestamp": "2024-03-05T11:59:58.123Z",
        "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.12.2"},
        "log": {"offset": 4711, "file": {"path": "/var/log/mail.log", "inode": "1", "device_id": "2"}},
        "message": line,
        "host": {"name": "agent1", "hostname": "agent1"},
    },
}  # fmt: skip


def _vector() -> tuple[dict[str, Any], dict[str, Any]]:
    document = yaml.safe_load((SHIPPERS / "vector.yaml").read_text())
    assert document["sinks"]["mailgap"]["inputs"] == list(document["sources"])
    return document["sources"]["mail"], document["sinks"]["mailgap"]


def _fluent_bit() -> list[tuple[str, dict[str, str]]]:
    """Sections, by the classic format: a name in brackets, and indented lines of a key and a value."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in (SHIPPERS / "fluent-bit.conf").read_text().splitlines():
        if section := re.fullmatch(r"\[([A-Z]+)\]", line):
            found.append((section[1], {}))
        elif line.strip() and not line.lstrip().startswith("#"):
            key, value = line.split(None, 1)
            assert line.startswith("    "), line
            assert "#" not in value, "a value has no comment"
            assert found[-1][1].setdefault(key, value) == value
    return found


@pytest.mark.parametrize(("line", "host"), [(POSTFIX, "mx1"), (EXIM, "agent1")])
@pytest.mark.parametrize("shipper", SENT)
def test_what_it_sends_is_understood(shipper, line, host):
    """The line's own host and time come before those of the agent; where it bears no host, the agent's is."""
    parsed, trouble = parse_smtp(json.dumps(SENT[shipper](line)).encode(), SEEN)
    assert trouble is None
    accepted = [fact for _, fact in parsed.facts if isinstance(fact, Accepted)]
    assert {(fact.at, fact.submission.partition("/")[0], fact.ses_id) for fact in accepted} == {(AT, host, ID)}


def test_vector():
    source, sink = _vector()
    assert (source["type"], sink["type"]) == ("file", "kafka")
    assert set(source) <= {"type", "include", "read_from", "fingerprint", "max_line_bytes"}
    known = {"type", "inputs", "bootstrap_servers", "topic", "key_field", "encoding", "compression", "acknowledgements"}
    assert set(sink) <= known | {"librdkafka_options", "message_timeout_ms", "buffer"}
    assert sink["acknowledgements"] == {"enabled": True}
    assert sink["librdkafka_options"] == {"acks": "all", "enable.idempotence": "true"}, "librdkafka wants text"
    assert sink["key_field"] in SENT["vector.yaml"]("")


def test_fluent_bit():
    sections = _fluent_bit()
    assert [name for name, _ in sections] == ["SERVICE", "INPUT", "FILTER", "OUTPUT"]
    _, tail, modifier, kafka = (section for _, section in sections)
    assert (tail["name"], modifier["name"], kafka["name"]) == ("tail", "record_modifier", "kafka")
    assert tail["tag"] == modifier["match"] == kafka["match"]
    assert {key for key in kafka if not key.startswith("rdkafka.")} <= {
        *("name", "match", "brokers", "topics", "format", "message_key_field", "timestamp_key"),
        *("queue_full_retries", "retry_limit"),
    }
    assert (kafka["rdkafka.acks"], kafka["retry_limit"]) == ("all", "no_limits")
    sent = SENT["fluent-bit.conf"]("")
    assert {tail["key"], kafka["timestamp_key"], kafka["message_key_field"]} == set(sent)


def test_filebeat():
    document = yaml.safe_load((SHIPPERS / "filebeat.yml").read_text())
    assert set(document) == {"filebeat.inputs", "processors", "output.kafka", "queue.disk"}
    (log,) = document["filebeat.inputs"]
    assert (log["type"], log["id"]) == ("filestream", "mailgap"), "without an id filestream reads a file twice"
    kafka = document["output.kafka"]
    assert kafka["required_acks"] == -1
    assert log["file_identity.native"] is None, "as its documentation writes it"
    assert log["message_max_bytes"] < kafka["max_message_bytes"], "what is larger Filebeat would drop"
    assert kafka["key"] == "%{[host.name]}"
    kept = SENT["filebeat.yml"]("")
    dropped = document["processors"][1]["drop_fields"]["fields"]
    assert not {"host.name", "message", "log"} & set(dropped)
    assert not set(dropped) & set(kept)


def test_every_configuration_is_in_the_page_and_takes_its_address_from_the_environment():
    page = (SHIPPERS / "README.md").read_text()
    files = [path for path in SHIPPERS.iterdir() if path.name != "README.md"]
    assert {path.name for path in files} == {"rsyslog.conf", "syslog-ng.conf", *SENT}
    for path in files:
        assert f"`{path.name}`" in page
        for name in ("MAILGAP_BOOTSTRAP_SERVERS", "MAILGAP_SMTP_TOPIC"):
            assert re.search(rf"[$`]\{{?{name}\b", path.read_text()), (path.name, name)
