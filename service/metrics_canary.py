"""The metrics of `mailgap canary`; a part of the catalogue in `service.metrics`. `canary` is its name."""

from __future__ import annotations

from typing import Final

from service.metrics import counter, gauge, histogram

CANARY_ARRIVED: Final = gauge(
    "mailgap_canary_arrived_timestamp_seconds",
    "When the newest canary mail that was delivered had been sent; until there is one, when the canary was started.",
    "The whole way works: application, SES, events, mailgap.",
    "canary",
)
CANARY_INTERVAL: Final = gauge(
    "mailgap_canary_interval_seconds", "How often a canary mail is sent.", "After how long one is missing.", "canary"
)
CANARY_SENT: Final = counter(
    "mailgap_canary_sent_total",
    "Canary mails that were handed over (sent), or were not taken (refused).",
    "A way that is closed to us is closed to the application.",
    "canary",
    "result",
)
CANARY_MAILS: Final = counter(
    "mailgap_canary_mails_total",
    "What came of them: arrived, missing after its patience, or late after that.",
    "Which of them got through.",
    "canary",
    "result",
)
CANARY_SECONDS: Final = histogram(
    "mailgap_canary_seconds",
    "How long each leg took: submit, accept (to SES), deliver (by SES), report (onto the correlated topic), and total.",
    "Which part of the way has become slow, before anything is missing.",
    "canary",
    "leg",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600),
)
