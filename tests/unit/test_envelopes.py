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
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT, parsed=True),
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
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT, parsed=True),
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
            "rsyslog's jsonmesg",
            {"msg": " " + TEXT, "rawmsg": "<22>Mar  5 11:59:58 mx1 postfix/qmgr[7]: " + TEXT, "hostname": "mx1",
             "timereported": "2024-03-05T11:59:58+00:00", "syslogtag": "postfix/qmgr[7]:", "inputname": "imuxsock",
             "fromhost": "mx1", "fromhost-ip": "127.0.0.1", "pri": "22", "programname": "postfix", "procid": "7",
             "timegenerated": "2024-03-05T11:59:59+00:00", "$!": None},
            Envelope(" " + TEXT, "mx1", "postfix/qmgr", EXACT, parsed=True),
        ),
        (
            "omkafka, names that somebody made up",
            {"@timestamp": "2024-03-05T11:59:58Z", "syslog_host": "mx1", "Syslog-Tag": "postfix/qmgr[7]:",
             "SyslogMessage": TEXT, "severity": "info"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "omkafka, other names that somebody made up",
            {"ts": 1709639998.0, "HostName": "mx1", "app_Name": "postfix/qmgr", "raw_message": TEXT},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "syslog-ng's format-json",
            {"PROGRAM": "postfix/qmgr", "PRIORITY": "info", "PID": "7", "MESSAGE": TEXT, "HOST": "mx1",
             "FACILITY": "mail", "ISODATE": "2024-03-05T11:59:58+00:00", "DATE": "Mar  5 12:59:58"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT, parsed=True),
        ),
        (
            "syslog-ng's format-json, its default scope",
            {"PROGRAM": "postfix/qmgr", "MESSAGE": TEXT, "HOST": "mx1", "DATE": "Mar  5 11:59:58", "SOURCE": "s_sys"},
            Envelope(TEXT, "mx1", "postfix/qmgr", Stamp(AT, floating=True), parsed=True),
        ),
        (
            "syslog-ng, an epoch",
            {"PROGRAM": "postfix/qmgr", "MESSAGE": TEXT, "HOST": "mx1", "UNIXTIME": "1709639998"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT, parsed=True),
        ),
        (
            "Vector, from a file",
            {"file": "/var/log/mail.log", "host": "mx1", "message": TEXT, "source_type": "file",
             "timestamp": "2024-03-05T11:59:58.000000000Z"},
            Envelope(TEXT, "mx1", "", EXACT),
        ),
        (
            "Vector, from Kubernetes",
            {"file": "/var/log/pods/x", "message": TEXT, "stream": "stdout", "timestamp": "2024-03-05T11:59:58Z",
             "kubernetes": {"pod_name": "mx-0", "pod_node_name": "node-1"}},
            Envelope(TEXT, "mx-0", "", EXACT),
        ),
        (
            "Fluent Bit, with metadata of Kubernetes",
            {"@timestamp": 1709639998.0, "log": TEXT, "stream": "stdout", "logtag": "F",
             "kubernetes": {"pod_name": "mx-0", "namespace_name": "mail", "host": "node-1", "labels": {"app": "mx"}}},
            Envelope(TEXT, "mx-0", "", EXACT),
        ),
        (
            "Fluent Bit's GELF",
            {"version": "1.1", "host": "mx1", "short_message": TEXT, "timestamp": 1709639998.0, "level": 6,
             "_ident": "postfix/qmgr", "_pid": "7"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "Filebeat, in Kubernetes",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "message": TEXT, "host": {"name": "node-1"},
             "kubernetes": {"pod": {"name": "mx-0"}, "container": {"name": "postfix"}}},
            Envelope(TEXT, "mx-0", "", EXACT),
        ),
        (
            "Logstash's syslog patterns",
            {"@timestamp": "2024-03-05T12:00:00.000Z", "message": TEXT, "logsource": "mx1", "program": "postfix/qmgr",
             "timestamp": "Mar  5 11:59:58", "pid": "7"},
            Envelope(TEXT, "mx1", "postfix/qmgr", Stamp(AT, floating=True)),
        ),
        (
            "Logstash, names of its documentation",
            {"@timestamp": "2024-03-05T11:59:58.000Z", "syslog_hostname": "mx1", "syslog_program": "postfix/qmgr",
             "syslog_message": TEXT, "event": {"original": ""}},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "journald's export, with the time that the program gave",
            {"MESSAGE": TEXT, "_HOSTNAME": "mx1", "SYSLOG_IDENTIFIER": "postfix/qmgr", "_PID": "7", "PRIORITY": "6",
             "_SOURCE_REALTIME_TIMESTAMP": "1709639998000000", "__REALTIME_TIMESTAMP": "1709639999000000"},
            Envelope(TEXT, "mx1", "postfix/qmgr", EXACT),
        ),
        (
            "Splunk's collector",
            {"time": "1709639998.000", "host": "mx1", "source": "/var/log/mail.log", "event": TEXT},
            Envelope(TEXT, "mx1", "", EXACT),
        ),
        (
            "Loki's client",
            {"labels": {"job": "mail"}, "line": TEXT, "timestamp": "2024-03-05T11:59:58Z"},
            Envelope(TEXT, "", "", EXACT),
        ),
        (
            "a stream of CloudWatch's as the host",
            {"message": TEXT, "timestamp": AT, "logStream": "ecs/app/0f3e"},
            Envelope(TEXT, "0f3e", "", EXACT),
        ),
        (
            "a time in an object",
            {"message": TEXT, "timestamp": {"$date": AT}},
            Envelope(TEXT, "", "", EXACT),
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


QUOTED = "Mar  5 11:59:58 mx1 postfix/qmgr[7]: 4A1B2C3D4E: removed"


@pytest.mark.parametrize(
    ("document", "parsed"),
    [
        ({"msg": " " + QUOTED, "syslogtag": "app:"}, True),
        ({"msg": QUOTED, "syslogtag": "maillog:"}, False),
        ({"msg": QUOTED, "syslogtag": "maillog:", "inputname": "imfile"}, False),
        ({"msg": QUOTED, "syslogtag": "app:", "inputname": "imuxsock"}, True),
        ({"MESSAGE": QUOTED, "SYSLOG_IDENTIFIER": "app", "_TRANSPORT": "syslog"}, True),
        ({"MESSAGE": QUOTED, "SYSLOG_IDENTIFIER": "0a1b2c", "CONTAINER_NAME": "mx", "_TRANSPORT": "journal"}, False),
        ({"MESSAGE": QUOTED, "SYSLOG_IDENTIFIER": "start.sh", "_TRANSPORT": "stdout"}, False),
        ({"MESSAGE": QUOTED, "PROGRAM": "app", "HOST": "web"}, True),
        ({"message": QUOTED, "appname": "app", "source_type": "syslog"}, True),
        ({"message": QUOTED, "program": "tail", "host": "agent"}, False),
    ],
)
def test_whether_a_header_in_the_text_is_the_lines_own(document: dict[str, Any], parsed: bool) -> None:  # noqa: FBT001
    envelope = open_envelope(document, SEEN)
    assert envelope is not None
    assert envelope.parsed is parsed


@pytest.mark.parametrize(
    "document", [{}, {"message": ""}, {"message": None}, {"MESSAGE": [256]}, {"MESSAGE": [True]}, {"level": "info"}]
)
def test_a_document_without_text_is_no_envelope(document: dict[str, Any]) -> None:
    assert open_envelope(document, SEEN) is None


@pytest.mark.parametrize(
    "epoch", [AT / 1000, AT, AT * 1000, AT * 1_000_000, str(AT), str(AT * 1_000_000), "1709639998.000000000"]
)
def test_a_number_says_by_its_size_what_it_counts(epoch: float | str) -> None:
    envelope = open_envelope({"message": TEXT, "timestamp": epoch}, SEEN)
    assert envelope is not None
    assert envelope.stamp == EXACT
