"""What SES says of the account, as metrics; a part of the catalogue in `service.metrics`. Whoever asks AWS has them."""

from __future__ import annotations

from typing import Final

from service.metrics import counter, gauge

SES_SENDING: Final = gauge(
    "mailgap_ses_sending_enabled",
    "1 where SES lets the account send, 0 where it has paused it.",
    "A paused account, also while no mail is sent.",
    "region",
)
SES_ENFORCEMENT: Final = gauge(
    "mailgap_ses_enforcement",
    "1 for the account's enforcement status: healthy, probation, shutdown, or other.",
    "A review of SES's, before it pauses the account.",
    "region",
    "status",
)
SES_SENT: Final = gauge(
    "mailgap_ses_sent_mails",
    "Mails that the account has sent in the last 24 hours.",
    "How near the quota is.",
    "region",
)
SES_QUOTA: Final = gauge(
    "mailgap_ses_quota_mails",
    "Mails that the account may send in 24 hours; -1 where there is no limit.",
    "See `mailgap_ses_sent_mails`.",
    "region",
)
SES_RATE: Final = gauge(
    "mailgap_ses_rate_mails",
    "Mails that the account may send a second; -1 where there is no limit.",
    "Throttling that is no fault of anybody's.",
    "region",
)
SES_ASKED: Final = gauge(
    "mailgap_ses_asked_timestamp_seconds", "When SES last answered.", "Whether the others are of now.", "region"
)
SES_ERRORS: Final = counter(
    "mailgap_ses_errors_total", "Questions about the account that SES did not answer.", "A missing policy.", "region"
)
