"""SES gave no id: what stood between the application and SES.

Wording follows SES's own replies (awsdocs: troubleshoot-smtp.md, troubleshoot-error-messages.md).
"""

from __future__ import annotations

from typing import Final

from service.contract.enums import Stage, VerdictCause
from service.explanations.text import Text


def _text(cause: VerdictCause, explanation: str, next_step: str) -> tuple[VerdictCause, Text]:
    return cause, Text(Stage.APPLICATION, explanation, next_step, cause.value)


_TEXTS: Final = [
    _text(
        VerdictCause.UNVERIFIED_IDENTITY,
        "SES refused the mail, since this is not verified in {region}: {identities}. While the account is in the"
        " sandbox, every recipient must be verified too.{said}",
        "Verify the identity in that very region (identities do not carry over: `aws sesv2 get-email-identity"
        " --email-identity IDENTITY --region {region_code}`), and check with `aws sesv2 get-account --region"
        " {region_code}` whether ProductionAccessEnabled is false; if so, request production access. Then send the"
        " mail again: SES kept nothing.",
    ),
    _text(
        VerdictCause.ACCOUNT_PAUSED,
        "SES refused the mail, since sending is paused for the account or the configuration set. Every mail fails"
        " until it is resumed.{said}",
        "Look at EnforcementStatus and SendingEnabled in `aws sesv2 get-account --region {region_code}`, and at"
        " AWS's mail to the account's owner. If AWS paused it (bounces or complaints), fix what the review names and"
        " answer the case; if you did, resume with `aws sesv2 put-account-sending-attributes --sending-enabled`."
        " Hold the application's queue meanwhile.",
    ),
    _text(
        VerdictCause.QUOTA_EXCEEDED,
        "SES refused the mail: the account has used up what it may send in 24 hours in {region}. Every mail fails"
        " until older ones leave that window.{said}",
        "Compare SentLast24Hours with Max24HourSend in `aws sesv2 get-account --region {region_code}`, find out what"
        " sends more than usual and stop it if it should not, and request a sending-quota increase. Mails that were"
        " given up must be sent again.",
    ),
    _text(
        VerdictCause.RATE_EXCEEDED,
        "SES throttled the sender: more mails a second than the account may send in {region}, or too many"
        " connections at once. The mail was not taken; a client that does not retry loses it.{said}",
        "Make sure that the client retries (after 5, 10 and 30 s, then 20 min), lower its concurrency below"
        " MaxSendRate in `aws sesv2 get-account --region {region_code}`, or request a higher sending rate.",
    ),
    _text(
        VerdictCause.SIGV2_RATE_EXCEEDED,
        "SES throttled the sender because it logs in with SMTP credentials created before 2019-01-10 (Signature"
        " Version 2), which SES limits more and more.{said}",
        "Rotate the SMTP credentials: create new ones for {region}, switch the mail server or the application over,"
        " see it send, then delete the old access key.",
    ),
    _text(
        VerdictCause.AUTH_FAILED,
        "SES did not accept the SMTP user name and password, or none were given. No mail of this sender gets"
        " through.{said}",
        "Check the credentials: SMTP passwords are not the secret access key, are derived for one region ({region}),"
        " and end with the IAM user's key. Create new SMTP credentials if in doubt, and see that the client logs in"
        " after STARTTLS.",
    ),
    _text(
        VerdictCause.ACCESS_DENIED,
        "SES knows the sender and does not allow the call: the IAM policy, or a sending-authorization policy,"
        " forbids it for this identity or configuration set.{said}",
        "Allow `ses:SendRawEmail` (and `ses:SendEmail` for API senders) on the resource that the reply names,"
        " identity and configuration set alike, in the IAM user's or role's policy, and look for conditions on the"
        " From address.",
    ),
    _text(
        VerdictCause.CONFIGURATION,
        "SES refused the mail because of its configuration: a configuration set, a template or a sending pool that"
        " does not exist in {region}, a MAIL FROM domain that is not verified, or an account that is not signed"
        " up.{said}",
        "Read the name in the reply and compare it with what is there: `aws sesv2 list-configuration-sets --region"
        " {region_code}` and `aws sesv2 get-email-identity` (MailFromAttributes). Create what is missing or fix the"
        " sender's settings, then send the mail again.",
    ),
    _text(
        VerdictCause.BAD_ADDRESS,
        "SES refused the mail, since an address in it is not valid: {recipient}.{said}",
        "Fix the address where it is stored and send the mail again; check addresses when they are entered. Retrying"
        " it unchanged cannot help.",
    ),
    _text(
        VerdictCause.MALFORMED,
        "SES refused the mail, since its headers or its structure are not valid (a header given twice, an illegal"
        " character, a missing domain).{said}",
        "Fix the code that builds the mail at the place that the reply names, then send the mail again. Retrying it"
        " unchanged cannot help.",
    ),
    _text(
        VerdictCause.TOO_LARGE,
        "SES refused the mail because it is larger than SES takes: 40 MB over SMTP and the API v2, 10 MB over the"
        " API v1, counted after encoding, which makes attachments a third larger.{said}",
        "Send a link in place of the attachment or shrink it, and limit sizes in the application. Send the mail again.",
    ),
    _text(
        VerdictCause.SES_UNAVAILABLE,
        "SES could not take the mail for a fault of its own, which is temporary. Nothing was sent.{said}",
        "See that the client retries. If many mails fail so, look at the AWS Health Dashboard for SES in {region}"
        " and open a support case with the times and replies; if it lasts, send through another region.",
    ),
    _text(
        VerdictCause.UNREACHABLE,
        "The client could not reach SES: the name did not resolve, or no connection or no TLS came about.{said}",
        "From the sending host, try `openssl s_client -starttls smtp -connect"
        " email-smtp.{region_code}.amazonaws.com:587`. Use port 587 or 2587 (EC2 blocks port 25), and check DNS,"
        " security groups, NAT and VPC endpoints, and proxies.",
    ),
    _text(
        VerdictCause.TIMEOUT,
        "The connection to SES broke or timed out before the mail was handed over. SES does not have it.{said}",
        "See that the client retries on a new connection: SES closes idle ones, and its endpoints come and go. If it"
        " happens to many mails, check the network, the MTU and the client's timeouts.",
    ),
    _text(
        VerdictCause.AMBIGUOUS,
        "The connection was lost after the mail's last byte: SES may have taken it or not, and nobody kept its"
        " id.{said}",
        "Do not send it again before you know. Search SES's events for its Message-ID or for {recipient} around that"
        " time (publish Send and Delivery events with headers, so that mailgap finds it by itself). If no event"
        " turns up, send it again.",
    ),
    _text(
        VerdictCause.NO_ID_IN_REPLY,
        "The mail was handed over, but the reply that was logged holds no SES message id, so it cannot be"
        " followed.{said}",
        "Have the client log SES's whole reply (`250 Ok <id>`), not its own Message-ID, and see that the relay is"
        " really SES and no proxy in between. With headers in the event destination the Message-ID finds the mail.",
    ),
    _text(
        VerdictCause.SILENT,
        "The application sent the mail, and nothing more was logged: no SES message id, no refusal, no retry.",
        "Look on {host} for the mail {mail_id}: is it still queued (`mailq`), has the process crashed or been"
        " killed, was the log rotated or its shipper stopped? If SES never took it, send it again.",
    ),
    _text(
        VerdictCause.OTHER_REFUSAL,
        "SES refused the mail for a reason that mailgap does not know.{said}",
        "Read the reply: 4xx may be tried again, 5xx needs a change. Search it in the SES Developer Guide (SMTP"
        " response codes), fix what it names, and report the text to mailgap's maintainers, so that it gets a cause"
        " of its own.",
    ),
    _text(
        VerdictCause.NO_LOG,
        "SES has events for a mail that no application log mentions.",
        "Find out who sends with this identity: look at `ses:caller-identity` and `ses:source-ip` in the event's"
        " tags. If it is yours, ship that application's log to mailgap's topics; if nobody knows it, rotate the"
        " credentials.",
    ),
]

TEXTS: Final[dict[VerdictCause, Text]] = dict(_TEXTS)
