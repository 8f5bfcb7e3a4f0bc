"""SES took the mail: what it did with it, and what its silence or its delays mean.

Sub-types as in awsdocs (notification-contents.md, event-publishing-retrieving-sns-contents.md).
"""

from __future__ import annotations

from typing import Final

from service.contract.enums import Stage, VerdictCause
from service.explanations.text import Text

_WAIT: Final = " SES goes on trying{until}; nothing is lost yet."


def _ses(cause: VerdictCause, explanation: str, next_step: str, runbook: str = "") -> tuple[VerdictCause, Text]:
    return cause, Text(Stage.SES, explanation, next_step, runbook or cause.value)


def _delay(cause: VerdictCause, stage: Stage, explanation: str, next_step: str) -> tuple[VerdictCause, Text]:
    return cause, Text(stage, explanation + _WAIT + "{said}", next_step, "delayed")


_SILENCE: Final = [
    _ses(
        VerdictCause.NO_EVENTS,
        "SES took the mail (id {ses_id}) and has not published a single event about it.",
        "Ask SES itself: `aws sesv2 get-message-insights --message-id {ses_id} --region {region_code}`. If SES knows"
        " an outcome, the events get lost on the way: check that the mail's configuration set has an event"
        " destination for Send, Delivery and Bounce, and the path from there to Kafka. If not, open a support case"
        " with the id and {when}.",
    ),
    (
        VerdictCause.SENT_THEN_SILENT,
        Text(
            Stage.RECIPIENT,
            "SES took the mail for {recipient} (id {ses_id}) and sent it on, and no final event came within the time"
            " it may take: neither delivered nor bounced.",
            "Ask SES itself: `aws sesv2 get-message-insights --message-id {ses_id} --region {region_code}`. If it"
            " was delivered, an event was lost: check that the configuration set publishes Delivery, Bounce and"
            " DeliveryDelay. If SES knows no end, open a support case with the id and {when}. Send again only what"
            " may arrive twice.",
            "sent_then_silent",
        ),
    ),
    (
        VerdictCause.DELAYED_THEN_SILENT,
        Text(
            Stage.RECIPIENT,
            "SES reported that {domain} did not take the mail for {recipient} yet ({words}), and no final event came"
            " by the time SES should have given up.{said}",
            "Ask SES with `aws sesv2 get-message-insights --message-id {ses_id} --region {region_code}`, and see"
            " whether other mails to {domain} wait too. If so, ask its postmaster, naming the reply; else open a"
            " support case with the id and {when}, and reach the recipient another way.",
            "delayed_then_silent",
        ),
    ),
]

_DROPPED: Final = [
    _ses(
        VerdictCause.SUPPRESSED_ACCOUNT,
        "SES took the mail and did not send it: {recipient} is on the account's suppression list, after a bounce or"
        " a complaint.{said}",
        "Look why: `aws sesv2 get-suppressed-destination --email-address ADDRESS --region {region_code}`. Once you"
        " are sure that the mailbox exists and its owner wants the mail, remove it with `aws sesv2"
        " delete-suppressed-destination --email-address ADDRESS --region {region_code}` and send again.",
        "suppressed",
    ),
    _ses(
        VerdictCause.SUPPRESSED_GLOBAL,
        "SES took the mail and did not send it: {recipient} is on SES's own (global) suppression list, since mail to"
        " it recently bounced as to an invalid address, whoever sent it. This counts as a bounce.{said}",
        "Check the address with its owner. If it is wrong, correct or remove it in your data. If it is right, let"
        " the account's list take the place of the global one (`aws sesv2 put-account-suppression-attributes"
        " --suppressed-reasons BOUNCE COMPLAINT --region {region_code}`), and send again; an entry lasts up to 14"
        " days.",
        "suppressed",
    ),
    _ses(
        VerdictCause.SUPPRESSED_TENANT,
        "SES took the mail and did not send it: {recipient} is on the suppression list of the tenant it was sent"
        " for, after a bounce or a complaint to that tenant.{said}",
        "Look at the tenant's suppression list in the SES console in {region}, and remove the address there once you"
        " are sure that the mailbox exists and its owner wants the mail. The account's list does not matter here.",
        "suppressed",
    ),
    _ses(
        VerdictCause.UNSUBSCRIBED,
        "SES took the mail and did not send it: {recipient} has unsubscribed from the contact list or the topic that"
        " the mail names.{said}",
        "Respect it. If the mail is one that must arrive (a receipt, a password), do not send it with"
        " ListManagementOptions; look at the choice with `aws sesv2 get-contact`.",
        "suppressed",
    ),
    _ses(
        VerdictCause.VALIDATION_SUPPRESSED,
        "SES took the mail and did not send it: its automatic address validation thinks that {recipient} cannot"
        " receive mail.{said}",
        "Check the address with its owner, and correct it where it is stored. If it is right, change the"
        " validation's threshold for the account or the configuration set in the SES console in {region}, and send"
        " again.",
        "suppressed",
    ),
    _ses(
        VerdictCause.VIRUS,
        "SES took the mail, found a virus in it, and dropped it{because}. No recipient got it.",
        "Scan the mail's attachments for the virus and find out how they got in. Clean or replace them, then send"
        " the mail again; do not retry it as it is.",
        "rejected",
    ),
    _ses(
        VerdictCause.TEMPLATE_ERROR,
        "SES took the call and could not render the template {template}{because}. Nothing was sent.",
        "Fix the template variable that the message names, in the data that the application passes or in the"
        " template; try it with `aws sesv2 test-render-email-template --template-name {template}`, then send the"
        " mail again.",
        "rendering_failed",
    ),
]

_DELAYS: Final = [
    _delay(
        VerdictCause.DELAYED_INTERNAL_FAILURE,
        Stage.SES,
        "A fault inside SES delays the mail for {recipient}.",
        "Wait. If many mails are delayed so, look at the AWS Health Dashboard for SES in {region} and open a support"
        " case with a few message ids ({ses_id}).",
    ),
    _delay(
        VerdictCause.DELAYED_GENERAL,
        Stage.RECIPIENT,
        "The conversation with {domain} about {recipient} failed for the moment, for a reason it did not make clear.",
        "Read the reply, if there is one. Wait; if more mails to {domain} are delayed, ask its postmaster.",
    ),
    _delay(
        VerdictCause.DELAYED_MAILBOX_FULL,
        Stage.RECIPIENT,
        "The mailbox of {recipient} is full.",
        "Nothing can be done on this side but wait; reach the recipient another way if it is urgent, and have the"
        " mailbox cleared.",
    ),
    _delay(
        VerdictCause.DELAYED_SPAM_DETECTED,
        Stage.RECIPIENT,
        "{domain} takes the mail for a part of too much unsolicited mail from this account, and holds it off.",
        "Lower the rate to {domain}, look at complaints and at what was sent to it lately, check SPF, DKIM and DMARC"
        " of the sender's domain, and ask its postmaster.",
    ),
    _delay(
        VerdictCause.DELAYED_RECIPIENT_SERVER_ERROR,
        Stage.RECIPIENT,
        "The mail server of {domain} has a temporary fault.",
        "Wait. If it lasts, check the domain's MX (`dig MX {domain_name}`) and ask its postmaster.",
    ),
    _delay(
        VerdictCause.DELAYED_IP_FAILURE,
        Stage.RECIPIENT,
        "{domain} blocks or throttles the IP address that SES sends from.",
        "With dedicated IP addresses, look them up at the block list that the reply names and ask for removal, and"
        " slow down or warm up; with shared ones, tell AWS support. Wait meanwhile.",
    ),
    _delay(
        VerdictCause.DELAYED_COMMUNICATION_FAILURE,
        Stage.RECIPIENT,
        "The connection to {domain} broke during the conversation about {recipient}.",
        "Wait. If it lasts, check that the domain's MX hosts answer on port 25 (`dig MX {domain_name}`), and ask its"
        " postmaster.",
    ),
    _delay(
        VerdictCause.DELAYED_BYOIP_LOOKUP,
        Stage.SES,
        "SES could not look up the host name of the IP addresses that you brought (BYOIP).",
        "Check the reverse DNS (PTR) records of your address range and its name servers; repair them, and SES will"
        " send.",
    ),
    _delay(
        VerdictCause.DELAYED_SENDING_DEFERRAL,
        Stage.SES,
        "SES itself holds the mail for {recipient} back for now, to protect its or your reputation.",
        "Wait. If many mails are deferred, look at the account's bounces and complaints and at sudden growth of"
        " volume, and slow down.",
    ),
    _delay(
        VerdictCause.DELAYED_UNDETERMINED,
        Stage.RECIPIENT,
        "The mail for {recipient} is delayed, and SES does not say why in words that mailgap knows ({words}).",
        "Read the reply, if there is one, and wait. Ask AWS support with the message id ({ses_id}) if it lasts.",
    ),
]

TEXTS: Final[dict[VerdictCause, Text]] = dict([*_SILENCE, *_DROPPED, *_DELAYS])
