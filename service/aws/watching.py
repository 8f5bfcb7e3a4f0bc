"""Asks SES about the account every minute, for the metrics. What fails is said once, and asked again with pauses."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, NoReturn

from service.aws.clients import AwsError
from service.edges.pauses import BackOff
from service.logs import fields
from service.metrics_ses import SES_ASKED, SES_ENFORCEMENT, SES_ERRORS, SES_QUOTA, SES_RATE, SES_SENDING, SES_SENT

if TYPE_CHECKING:
    from service.aws.ses import Account, Ses

log = logging.getLogger("mailgap.aws")

EVERY: Final = 60.0
STATUSES: Final = ("healthy", "probation", "shutdown")
_LONGEST_PAUSE: Final = 600.0


async def watch(ses: Ses) -> NoReturn:
    """Until it is cancelled."""
    pauses, complaint = BackOff(EVERY, _LONGEST_PAUSE), ""
    SES_ERRORS.labels(ses.region)  # shown at 0 from the start
    while True:
        try:
            gauge(await asyncio.to_thread(ses.account))
        except AwsError as error:
            SES_ERRORS.labels(ses.region).inc()
            if str(error) != complaint:
                complaint = str(error)
                log.warning("%s", error, extra=fields("ses_errors", region=ses.region))
            await asyncio.sleep(pauses.next())
        else:
            complaint = ""
            pauses.reset()
            await asyncio.sleep(EVERY)


def gauge(account: Account) -> None:
    """Sets the gauges."""
    region, status = account.region, account.enforcement.lower()
    SES_SENDING.labels(region).set(account.sending)
    for known in (*STATUSES, "other"):
        SES_ENFORCEMENT.labels(region, known).set(known == (status if status in STATUSES else "other"))
    SES_SENT.labels(region).set(account.sent)
    SES_QUOTA.labels(region).set(account.quota)
    SES_RATE.labels(region).set(account.rate)
    SES_ASKED.labels(region).set(time.time())
