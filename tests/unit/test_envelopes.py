"""Where each shipper puts the line, the host, the program and the time."""

from __future__ import annotations

from typing import Any

import pytest

from service.parsing.envelopes import Envelope, open_envelope
from service.parsing.syslog import Stamp

SEEN = 1_709_640_000_000  # 2024-03-05T12:00:00Z
AT = SEEN - 2000
TEXT = "4A1B2C3D4E: removed"
EXACT = Stamp(AT, floating=False)


@pytest.mark.parametrize(
    ("shipper", "document", "envelope"),
    [
        (
            "rsyslog, a JSON template",
            {"timereported": "2024-03-05T11:59:58+00:00", "hostname": "mx1", "syslogtag": "postfix/qmgr[7]:",
             "programname": "postfix", "msg": TEXT},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "rsyslog, without a zone",
            {"timestamp": "Mar  5 11:59:58", "host": "mx1", "app-name": "postfix/qmgr", "message": TEXT},
            Envelope(TEXT, "mx1", "postfix/qmgr", Stamp(AT, floating=True)),
        ),
        (
            "Vector's syslog source",
            {"appname": "postfix/qmgr", "facility": "mail", "host": "mx1", "hostname": "mx1", "message": TEXT,
             "procid": 7, "severity": "info", "source_type": "syslog", "timestamp": "2024-03-05T11:59:58Z"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "Fluent Bit, tailing a file",
            {"@timestamp": 1709639998.0, "log": TEXT},
            Envelope(TEXT, "", "", EXACT),
        ),
        (
            "Fluent Bit, with its syslog parser",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "pri": "22", "host": "mx1", "ident": "postfix/qmgr", "pid": "7",
             "message": TEXT},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "Filebeat, tailing a file",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "message": TEXT, "host": {"name": "mx1"},
             "log": {"offset": 5, "file": {"path": "/var/log/mail.log"}}},
            Envelope(TEXT, "mx1", "", EXACT),
        ),
        (
            "Filebeat's system module",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "message": TEXT, "host": {"name": "agent", "hostname": "mx1"},
             "process": {"name": "postfix/qmgr", "pid": 7}},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "journald's export",
            {"MESSAGE": TEXT, "_HOSTNAME": "mx1", "SYSLOG_IDENTIFIER": "postfix/qmgr", "SYSLOG_PID": "7",
             "__REALTIME_TIMESTAMP": "1709639998000000"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "journald's export of a line that is not UTF-8",
            {"MESSAGE": [*b"caf\xe9"], "_HOSTNAME": "mx1"},
            Envelope("caf\\xe9", "mx1", "", None),
        ),
        (
            "Logstash",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "@version": "1", "host": "mx1", "message": TEXT},
            Envelope(TEXT, "mx1", "", EXACT),
        ),
        (
            "Logstash, a host as an object",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "host": {"hostname": "mx1"}, "message": TEXT},
            Envelope(TEXT, "mx1", "", EXACT),
        ),
        (
            "Docker's json-file",
            {"log": TEXT + "\n", "stream": "stdout", "time": "2024-03-05T11:59:58.000000000Z"},
            Envelope(TEXT + "\n", "", "", EXACT),
        ),
        (
            "flattened names",
            {"message": TEXT, "host.name": "mx1", "process.name": "postfix/qmgr"},
            Envelope(TEXT, "mx1", "postfix/qmgr", None),
        ),
        (
            "fields of the wrong kind",
            {"message": 5, "log": TEXT, "host": ["mx1"], "appname": 7, "timestamp": {"a": 1}, "time": True},
            Envelope(TEXT, "", "", None),
        ),
        (
            "a host that is no host, a time that is no time",
            {"message": TEXT, "host": "two words", "hostname": "h" * 300, "timestamp": "noon", "time": 1e300},
            Envelope(TEXT, "", "", None),
        ),
    ],
)  # fmt: skip
def test_shippers(shipper: str, document: dict[str, Any], envelope: Envelope) -> None:
    assert open_envelope(document, SEEN) == envelope, shipper


@pytest.mark.parametrize(
    "document", [{}, {"message": ""}, {"message": None}, {"MESSAGE": [256]}, {"MESSAGE": [True]}, {"level": "info"}]
)
def test_a_document_without_text_is_no_envelope(document: dict[str, Any]) -> None:
    assert open_envelope(document, SEEN) is None


@pytest.mark.parametrize("epoch", [AT / 1000, AT, AT * 1000, AT * 1_000_000, str(AT)])
def test_a_number_says_by_its_size_what_it_counts(epoch: float | str) -> None:
    envelope = open_envelope({"message": TEXT, "timestamp": epoch}, SEEN)
    assert envelope is not None
    assert envelope.stamp == EXACT
