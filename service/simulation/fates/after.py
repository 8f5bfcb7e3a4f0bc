"""Fates after SES has taken the mail: what it says of it, too late or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from service.contract.enums import Cause, Outcome, Resolution
from service.simulation.ses import MAILBOX_FULL, NO_SUCH_USER, OUT_OF_OFFICE, SUPPRESSED

if TYPE_CHECKING:
    from service.simulation.play import Play
    from service.simulation.truth import Gap


def delivered(p: Play) -> None:
    """The ordinary mail."""
    mail = p.handed_over()
    mail.delivered(mail.accepted + p.soon())
    p.must(mail.ses_id, Outcome.DELIVERED)


def each_its_own(p: Play) -> None:
    """Several recipients, and each meets an end of its own."""
    mail = p.handed_over()
    outcomes: dict[str, Outcome] = {}
    gaps: list[Gap] = []
    for number, to in enumerate(p.all):
        match (p.number + number) % 4:
            case 0 | 2:
                mail.delivered(mail.accepted + p.soon(), to)
                outcomes[to] = Outcome.DELIVERED
            case 1:
                mail.bounced(mail.accepted + p.soon(), to, NO_SUCH_USER)
                outcomes[to] = Outcome.BOUNCED
            case _:
                outcomes[to] = Outcome.PENDING
                gaps.append(p.undelivered(mail, to))
    p.must(mail.ses_id, outcomes, *gaps)


def bounced(p: Play) -> None:
    """No recipient exists."""
    mail = p.handed_over()
    for to in p.all:
        mail.bounced(mail.accepted + p.soon(), to, NO_SUCH_USER)
    p.must(mail.ses_id, Outcome.BOUNCED)


def soft_bounced(p: Play) -> None:
    """The mailbox is full."""
    mail = p.handed_over()
    mail.bounced(mail.accepted + p.soon(), p.to, MAILBOX_FULL)
    p.must(mail.ses_id, Outcome.SOFT_BOUNCED)


def suppressed(p: Play) -> None:
    """The address is on the account's suppression list."""
    mail = p.handed_over()
    mail.bounced(mail.accepted + p.soon(), p.to, SUPPRESSED)
    p.must(mail.ses_id, Outcome.SUPPRESSED)


def rejected(p: Play) -> None:
    """SES found a virus."""
    mail = p.handed_over()
    mail.rejected()
    p.must(mail.ses_id, Outcome.REJECTED)


def rendering_failed(p: Play) -> None:
    """Sent with a template over the API, so that no log knows it."""
    mail = p.taken(0)
    mail.rendering_failed()
    p.must(mail.ses_id, Outcome.RENDERING_FAILED)


def complained(p: Play) -> None:
    """Delivered, and then called spam."""
    mail = p.handed_over()
    mail.delivered(mail.accepted + 500)
    mail.complained(mail.accepted + 900)
    p.must(mail.ses_id, dict.fromkeys(p.all, Outcome.DELIVERED) | {p.to: Outcome.COMPLAINED})


def bounced_after_delivery(p: Play) -> None:
    """The recipient's server took it, and sent it back."""
    mail = p.handed_over()
    mail.delivered(mail.accepted + 500)
    mail.bounced(mail.accepted + 900, p.to, NO_SUCH_USER)
    p.must(mail.ses_id, Outcome.BOUNCED)


def out_of_office(p: Play) -> None:
    """A bounce that changes nothing."""
    mail = p.handed_over()
    mail.delivered(mail.accepted + 500)
    mail.bounced(mail.accepted + 900, p.to, OUT_OF_OFFICE)
    p.must(mail.ses_id, Outcome.DELIVERED)


def delayed(p: Play) -> None:
    """Put off by the recipient's server, and then delivered."""
    mail = p.handed_over()
    mail.delayed(mail.accepted + p.max_delivery // 5, mail.accepted + p.max_delivery)
    mail.delivered(mail.accepted + p.max_delivery * 3 // 5)
    p.must(mail.ses_id, Outcome.DELIVERED)


def delayed_then_silent(p: Play) -> None:
    """SES says that it goes on trying until after the usual time, and says no more."""
    mail = p.handed_over()
    expires = mail.accepted + p.max_delivery + 2 * p.margin
    mail.delayed(mail.accepted + p.max_delivery // 5, expires)
    gap = p.undelivered(mail, p.to, cause=Cause.DELAYED_THEN_SILENT, expires=expires)
    p.must(mail.ses_id, Outcome.DELAYED, gap)


def sent_then_silent(p: Play) -> None:
    """Send, and then nothing."""
    mail = p.handed_over()
    p.must(mail.ses_id, Outcome.PENDING, *(p.undelivered(mail, to) for to in p.all))


def delivered_late(p: Play) -> None:
    """The gap opens, and is resolved."""
    mail = p.handed_over()
    mail.delivered(mail.accepted + p.max_delivery + p.grace + p.margin)
    p.must(mail.ses_id, Outcome.DELIVERED, *(p.undelivered(mail, to, Resolution.DELIVERED) for to in p.all))


def bounced_late(p: Play) -> None:
    """A last word, after the gap."""
    mail = p.handed_over()
    mail.bounced(mail.accepted + p.max_delivery + p.grace + p.margin, p.to, NO_SUCH_USER)
    p.must(mail.ses_id, Outcome.BOUNCED, p.undelivered(mail, p.to, Resolution.BOUNCED))


def no_events(p: Play) -> None:
    """SES took it and says nothing at all."""
    mail = p.answered(p.submitted())
    p.must(mail.ses_id, Outcome.PENDING, *(p.unheard(mail, to) for to in p.all))


def first_event_late(p: Play) -> None:
    """The first word comes after its deadline, and is the last."""
    mail = p.answered(p.submitted())
    mail.delivered(mail.accepted + p.first_event + min(p.margin, (p.max_delivery - p.first_event) // 2))
    p.must(mail.ses_id, Outcome.DELIVERED, *(p.unheard(mail, to, Resolution.DELIVERED) for to in p.all))


def by_the_api(p: Play) -> None:
    """SES's events alone make a whole service; without headers, nothing ties it to a log."""
    mail = p.taken(0, headers=False)
    mail.sent()
    mail.delivered(mail.accepted + p.soon())
    p.must(mail.ses_id, Outcome.DELIVERED)


def unlogged(p: Play) -> None:
    """The same, from a sender that the logs speak of: somebody's log is missing, where the policy asks for that."""
    mail = p.taken(0, headers=False)
    mail.sent()
    mail.delivered(mail.accepted + p.soon())
    p.must(mail.ses_id, Outcome.DELIVERED, p.unlogged(mail))


AFTER: Final = (
    delivered, each_its_own, bounced, soft_bounced, suppressed, rejected, rendering_failed, complained,
    bounced_after_delivery, out_of_office, delayed, delayed_then_silent, sent_then_silent, delivered_late,
    bounced_late, no_events, first_event_late, by_the_api, unlogged,
)  # fmt: skip
