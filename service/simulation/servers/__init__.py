"""What hands mails to SES and writes a log of it: mail servers and an application, each in its own dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.simulation.servers.application import Application
from service.simulation.servers.exim import Exim
from service.simulation.servers.opensmtpd import OpenSmtpd
from service.simulation.servers.postfix import LongIds, Postfix
from service.simulation.servers.sendmail import Sendmail

if TYPE_CHECKING:
    from service.simulation.servers.submission import Submission

DIALECTS: Final[dict[str, type[Submission]]] = {
    "postfix": Postfix,
    "postfix-long-ids": LongIds,
    "exim": Exim,
    "sendmail": Sendmail,
    "opensmtpd": OpenSmtpd,
    "application": Application,
}
