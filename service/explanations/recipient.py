"""What the recipient's side said, and the mails that nothing is wrong with."""

from __future__ import annotations

from typing import Final

from service.contract.enums import Stage, VerdictCause
from service.explanations.text import Text


def _recipient(cause: VerdictCause, explanation: str, next_step: str, runbook: str) -> tuple[VerdictCause, Text]:
    return cause, Text(Stage.RECIPIENT, explanation, next_step, runbook)


_WELL: Final = [
    _recipient(
        VerdictCause.DELIVERED,
        "The mail server of {domain} took the mail for {recipient}. From there on only {domain} knows whether it was"
        " shown, filed as junk, or dropped.{said}",
        "If the recipient does not see it, have the junk folder and filters checked, then ask the postmaster of"
        " {domain} why an accepted mail is not in the inbox, giving the SES message id ({ses_id}), {when} and the"
        " server's reply.",
        "delivered",
    ),
    (
        VerdictCause.IN_PROGRESS,
        Text(
            Stage.SES,
            "The mail is under way, within the time it may take.",
            "Wait: mailgap says so when the deadline passes without a final event.",
            "delivered",
        ),
    ),
    (
        VerdictCause.HELD,
        Text(
            Stage.SES,
            "The source that should speak about this mail has gone quiet for many mails at once, so its silence"
            " about this one means nothing; judgement waits.",
            "Look at the log shipper and the event feed first (`mailgap doctor`, the condition source_stalled); once"
            " the feed has caught up, the mail is judged.",
            "source_stalled",
        ),
    ),
    (
        VerdictCause.SUPERSEDED,
        Text(
            Stage.APPLICATION,
            "SES gave this submission an id since, and the record of that mail counts in place of this one.",
            "Follow `superseded_by` to the record of the SES mail.",
            "delivered",
        ),
    ),
]

_BOUNCED: Final = [
    _recipient(
        VerdictCause.MAILBOX_DOES_NOT_EXIST,
        "{domain} says that the mailbox {recipient} does not exist.{said}",
        "Check the address with its owner and correct or remove it; do not send to it again, since repeated bounces"
        " cost the account its reputation. SES may have put it on the suppression list already.",
        "bounced",
    ),
    _recipient(
        VerdictCause.DOMAIN_DOES_NOT_EXIST,
        "There is no mail server for the domain of {recipient}: it does not exist, or says that it takes no"
        " mail.{said}",
        "Check the domain for a typing error (`dig MX {domain_name}`), and correct or remove the address.",
        "bounced",
    ),
    _recipient(
        VerdictCause.RECIPIENT_POLICY,
        "{domain} refused the mail for {recipient} by its policy: authentication (SPF, DKIM, DMARC), reputation, or"
        " a rule of the recipient's organisation.{said}",
        "Read the reply. Check SPF, DKIM and DMARC alignment of the sender's domain and the block list it names;"
        " then ask the postmaster of {domain}, giving the reply and the SES message id ({ses_id}).",
        "bounced",
    ),
    _recipient(
        VerdictCause.HARD_BOUNCE,
        "{domain} refused the mail for {recipient} for good ({words}).{said}",
        "Read the reply and check the address with its owner. Do not send to it again before you know, since SES"
        " counts it as a hard bounce and may have put it on the suppression list.",
        "bounced",
    ),
    _recipient(
        VerdictCause.SOFT_BOUNCE,
        "{domain} did not take the mail for {recipient}, and SES will not try again ({words}). An automatic reply,"
        " such as an absence notice, can look like this too.{said}",
        "Read the reply. Send the mail again later if it still matters; if it goes on for this address, check it"
        " with its owner or ask the postmaster of {domain}.",
        "bounced",
    ),
    _recipient(
        VerdictCause.MAILBOX_FULL,
        "The mailbox of {recipient} is full, and SES has stopped trying.{said}",
        "Have the mailbox cleared, or reach the recipient another way; send the mail again after that.",
        "bounced",
    ),
    _recipient(
        VerdictCause.MESSAGE_TOO_LARGE,
        "The mail is larger than {domain} takes for {recipient}.{said}",
        "Send a link in place of the attachment, or shrink it, and send the mail again.",
        "bounced",
    ),
    _recipient(
        VerdictCause.CONTENT_REJECTED,
        "{domain} refused the mail for {recipient} for its content.{said}",
        "Check what a filter may object to (links, shortened addresses, words, broken HTML) and the sender's SPF,"
        " DKIM and DMARC; change it, send again, and ask the postmaster of {domain} if it is refused still.",
        "bounced",
    ),
    _recipient(
        VerdictCause.ATTACHMENT_REJECTED,
        "{domain} refused the mail for {recipient} because of an attachment's type or content.{said}",
        "Send a link in place of the attachment, or another file type, and send the mail again.",
        "bounced",
    ),
    _recipient(
        VerdictCause.DELIVERY_TIMEOUT,
        "SES tried to deliver to {recipient} for as long as it may, and gave up: {domain} did not take the mail in"
        " time.{said}",
        "Look at the delays before it for the reason. Raise the configuration set's MaxDeliverySeconds (at most 14"
        " h) if it was set too short, ask the postmaster of {domain}, and send the mail again if it still matters.",
        "bounced",
    ),
    _recipient(
        VerdictCause.BOUNCED_UNDETERMINED,
        "The mail for {recipient} bounced, and SES could not tell why ({words}).{said}",
        "Read the reply, if there is one, and check the address with its owner; ask AWS support with the SES message"
        " id ({ses_id}) if it happens to many.",
        "bounced",
    ),
    _recipient(
        VerdictCause.COMPLAINT,
        "The mail arrived, and somebody at {domain} reported it as unwanted ({words}). Which recipient is the"
        " provider's guess where the mail had several.",
        "Stop sending to {recipient} (the account's suppression list does so if complaints are among its reasons)."
        " Check where the address came from, and make it easy to unsubscribe; complaints above 0.1 % put the account"
        " at risk.",
        "complained",
    ),
]

TEXTS: Final[dict[VerdictCause, Text]] = dict([*_WELL, *_BOUNCED])
