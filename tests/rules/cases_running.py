"""What each alert on mailgap itself must do: on its workers, on AWS's account, on the canary, on whom it tells."""

from __future__ import annotations

from tests.rules.cases import DEAD, WATERMARK, Case

BUG = 'mailgap_dead_letters_total{reason="internal_error"}'


def _workers(metric: str, *values: str) -> dict[str, str]:
    return {
        f'{metric}{{job="mailgap", instance="{name}"}}': value for name, value in zip("abcdef", values, strict=False)
    }


def _ses(metric: str) -> str:
    return f'mailgap_ses_{metric}{{region="eu-west-1", instance="a"}}'


RUNNING = (
    Case(
        "MailgapAbsent",
        {"mailgap_shards": "_x10 8x60", 'mailgap_shards{job="notify"}': "0x70"},
        "8m",
        "No worker of mailgap is seen by Prometheus (1 = none)",
        {},
        "20m",
        {"it is there": {"mailgap_shards": "8x60"}},
    ),
    Case(
        "MailgapShardsWithoutOwner",
        {**_workers("mailgap_shards", "8x60", "8x60"), **_workers("mailgap_shards_owned", "4x60", "4x5 1x20 4x60")},
        "20m",
        "3 shards of mailgap have no worker: their mails are not judged",
        {"job": "mailgap"},
        "40m",
        {
            "a failover": {**_workers("mailgap_shards", "8x60"), **_workers("mailgap_shards_owned", "8x9 0x2 8x60")},
            "an ingest worker owns none": {
                'mailgap_shards{job="ingest"}': "0x60",
                'mailgap_shards_owned{job="ingest"}': "0x60",
            },
        },
    ),
    Case(
        "MailgapBehind",
        {WATERMARK: "0+60x10 600x30 2460+60x60", "mailgap_grace_seconds": "120x120"},
        "30m",
        "mailgap is 20m 0s behind source ses: gaps are announced so much later",
        {"source": "ses"},
        "60m",
        {
            "a restore": {WATERMARK: "0+60x10 600x3 840+60x60", "mailgap_grace_seconds": "120x120"},
            "the policy's grace is long": {WATERMARK: "0+60x10 600x30 2460+60x60", "mailgap_grace_seconds": "3600x120"},
        },
    ),
    Case(
        "MailgapInternalError",
        {BUG: "0x5 3x90"},
        "10m",
        "mailgap itself failed on 3 records in 15 min: a bug",
        {},
        "60m",
        {"a record that nobody can read is no bug": {DEAD: "0+9x60", BUG: "0x60"}},
    ),
    Case(
        "MailgapRestartsInALoop",
        _workers("mailgap_started_timestamp_seconds", "1 _ 2 _ 3 _ 4 _ 5 _ 6 6x90", "1x100"),
        "20m",
        "Workers of mailgap were restarted 5 times in 30 min",
        {"job": "mailgap"},
        "60m",
        {
            "a roll-out restarts each once": _workers(
                "mailgap_started_timestamp_seconds", "1x9 2x60", "1x12 3x60", "1x15 4x60", "1x18 5x60", "1x20 6x60"
            )
        },
    ),
    Case(
        "MailgapRestoresInALoop",
        _workers("mailgap_restores_total", "1+1x60 61x60", "1x120"),
        "40m",
        "A worker of mailgap restored its shards 10 times in 10 min",
        {"job": "mailgap"},
        "90m",
        {"a roll-out of eight": _workers("mailgap_restores_total", "1+2x8 17x60")},
    ),
    Case(
        "MailgapSendingPaused",
        {
            _ses("sending_enabled"): "1x10 0x30 1x60",
            _ses("sent_mails"): "1200x100",
            _ses("asked_timestamp_seconds"): "0+60x100",
        },
        "20m",
        "SES has paused the account in eu-west-1, which sent 1.2k mails in the last 24 h",
        {"region": "eu-west-1"},
        "50m",
        {
            "it may send": {
                _ses("sending_enabled"): "1x60",
                _ses("sent_mails"): "1200x60",
                _ses("asked_timestamp_seconds"): "0+60x60",
            },
            "what was said is long ago": {
                _ses("sending_enabled"): "0x90",
                _ses("sent_mails"): "1200x90",
                _ses("asked_timestamp_seconds"): "-10000x90",
            },
            "nobody asks": {"mailgap_build_info": "1x60"},
        },
    ),
    Case(
        "MailgapQuotaNearlyUsed",
        {
            _ses("sent_mails"): "1000+1000x50 100x60",
            _ses("quota_mails"): "50000x120",
            _ses("asked_timestamp_seconds"): "0+60x120",
        },
        "49m",
        "100% of the SES account's quota of 24 hours are used in eu-west-1",
        {"region": "eu-west-1"},
        "60m",
        {
            "there is enough left": {
                _ses("sent_mails"): "39000x60",
                _ses("quota_mails"): "50000x60",
                _ses("asked_timestamp_seconds"): "0+60x60",
            },
            "there is no limit": {
                _ses("sent_mails"): "39000x60",
                _ses("quota_mails"): "-1x60",
                _ses("asked_timestamp_seconds"): "0+60x60",
            },
            "what was said is long ago": {
                _ses("sent_mails"): "49000x90",
                _ses("quota_mails"): "50000x90",
                _ses("asked_timestamp_seconds"): "-10000x90",
            },
        },
    ),
    Case(
        "MailgapCanaryMissing",
        {
            'mailgap_canary_arrived_timestamp_seconds{canary="otp"}': "0+60x30 1800x30 3660+60x60",
            'mailgap_canary_interval_seconds{canary="otp"}': "300x120",
        },
        "50m",
        "The canary otp has not arrived for 20m 0s",
        {"canary": "otp"},
        "70m",
        {
            "one is late": {
                'mailgap_canary_arrived_timestamp_seconds{canary="otp"}': "0+60x30 1800x12 2580+60x60",
                'mailgap_canary_interval_seconds{canary="otp"}': "300x120",
            },
            "nobody sends one": {"mailgap_build_info": "1x60"},
        },
    ),
    Case(
        "MailgapNotificationsFail",
        {'mailgap_notifications_total{sink="slack", result="failed"}': "0+1x30 30x60"},
        "25m",
        "15 notifications to slack failed in 15 min, or were refused and wait",
        {"sink": "slack"},
        "60m",
        {"all are sent": {'mailgap_notifications_total{sink="slack", result="sent"}': "0+9x60"}},
    ),
    Case(
        "MailgapNotificationsFail",
        {'mailgap_notifications_refused{sink="pager"}': "0x5 2x30 0x60"},
        "25m",
        "2 notifications to pager failed in 15 min, or were refused and wait",
        {"sink": "pager"},
        "60m",
        {"a few wait for the next attempt": {'mailgap_notifications_waiting{sink="pager"}': "3x60"}},
    ),
)
