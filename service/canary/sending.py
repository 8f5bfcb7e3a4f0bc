"""Sends a canary mail the application's way: to a mail server or SES by SMTP, or by SES's API. Calls block.

It sends credentials over TLS alone, whose certificate it checks, or to this machine. It must never print them.
"""

from __future__ import annotations

import email.policy
import secrets
import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from service.canary.flight import Flight
from service.parsing.replies import ses_id_in

if TYPE_CHECKING:
    from service.setting_canary import Server

TIMEOUT: Final = 20.0
"""Seconds that a server may take for an answer."""
HEADER: Final = "X-Mailgap-Canary"
TAG: Final = "mailgap-canary"
"""Name of the tag by which a policy's stream may know it: `tag.mailgap-canary`."""
_LONGEST: Final = 200


class NotSentError(Exception):
    """The mail was not handed over; the text says by whom it was refused, and what to do."""


class Mail(NamedTuple):
    """What is sent. `configuration_set` is empty where none is named."""

    name: str
    sender: str
    recipient: str
    configuration_set: str = ""


class Way(Protocol):
    """A way to send."""

    def send(self, mail: Mail) -> Flight:
        """Returns when it was handed over. Raises `NotSentError`."""


@dataclass(frozen=True, slots=True)
class Smtp:
    """By SMTP."""

    server: Server
    user: str | None = None
    password: str = ""
    ca_file: str | None = None

    def send(self, mail: Mail) -> Flight:
        """In one connection."""
        message_id, sent_at, began = new_message_id(mail.sender), _now(), time.monotonic()
        try:
            reply = self._handed(mail, message_id)
        except smtplib.SMTPAuthenticationError as error:
            raise self._refused(error.smtp_code, error.smtp_error, "correct --smtp-user and its password") from error
        except smtplib.SMTPResponseException as error:
            raise self._refused(error.smtp_code, error.smtp_error, "see deploy/runbooks/ for SES's words") from error
        except smtplib.SMTPNotSupportedError as error:
            advice = "say smtps:// where TLS is spoken from the start, or smtp+plain:// on a network that you trust"
            raise NotSentError(f"{self.server}: {_plain(str(error))}: {advice}") from error
        except UnicodeError as error:
            advice = "SMTP without SMTPUTF8 takes ASCII alone in --sender, --recipient, --smtp-user and its password"
            raise NotSentError(f"{self.server}: {advice}") from error
        except ssl.SSLError as error:
            advice = "give its CA with --smtp-ca-file, and the name that its certificate bears with --via"
            raise NotSentError(f"{self.server}: TLS failed ({_plain(str(error))}): {advice}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotSentError(f"{self.server}: {_plain(str(error))}: is it there, and may we reach it?") from error
        return Flight(sent_at, message_id, time.monotonic() - began, ses_id_in(reply) or "")

    def _handed(self, mail: Mail, message_id: str) -> str:
        """The last reply, which may hold SES's id."""
        client = self._connected()
        try:
            client.ehlo_or_helo_if_needed()
            if self.server.tls == "starttls":
                client.starttls(context=self._context())
            if self.user is not None:
                client.login(self.user, self.password)
            _ok(client.mail(mail.sender))
            _ok(client.rcpt(mail.recipient))
            code, reply = client.data(_written(mail, message_id).as_bytes(policy=email.policy.SMTP))
            _ok((code, reply))
            with suppress(smtplib.SMTPException, OSError):  # it has the mail; how it says good-bye is its own business
                client.quit()
            return f"{code} {reply.decode(errors='replace')}"
        finally:
            client.close()

    def _connected(self) -> smtplib.SMTP:
        where = self.server.host, self.server.port
        if self.server.tls == "tls":
            return smtplib.SMTP_SSL(*where, timeout=TIMEOUT, context=self._context())
        return smtplib.SMTP(*where, timeout=TIMEOUT)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def _refused(self, code: int, said: bytes | str, advice: str) -> NotSentError:
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        return NotSentError(f"{self.server} refused it ({code} {_plain(text)}): {advice}")


@dataclass(frozen=True, slots=True)
class Api:
    """By SES's API, version 2."""

    client: Any

    def send(self, mail: Mail) -> Flight:
        """SES answers with its id."""
        from service.aws.clients import AwsError, said  # noqa: PLC0415 boto3 is an extra, and slow to load

        sent_at, began = _now(), time.monotonic()
        words = _words(mail)
        more = {"ConfigurationSetName": mail.configuration_set} if mail.configuration_set else {}
        try:
            answer = said(
                "SES",
                lambda: self.client.send_email(
                    FromEmailAddress=mail.sender,
                    Destination={"ToAddresses": [mail.recipient]},
                    Content={
                        "Simple": {
                            "Subject": {"Data": words["Subject"]},
                            "Body": {"Text": {"Data": _TEXT}},
                            "Headers": [{"Name": HEADER, "Value": mail.name}],
                        }
                    },
                    EmailTags=[{"Name": TAG, "Value": mail.name}],
                    **more,
                ),
            )
        except AwsError as error:
            raise NotSentError(str(error)) from error
        ses_id = str(answer["MessageId"])
        return Flight(sent_at, ses_id, time.monotonic() - began, ses_id)


_TEXT: Final = "This mail was sent by mailgap, to see that mails and what is known of them get through.\n"


def new_message_id(sender: str) -> str:
    """One that reads as made by a machine, so that no pseudonym takes its place, and that no other mail has."""
    return f"<canary.{_now()}.{secrets.randbelow(10**12):012d}@{sender.rpartition('@')[2]}>"


def _words(mail: Mail) -> dict[str, str]:
    return {"Subject": f"mailgap canary {mail.name}"}


def _written(mail: Mail, message_id: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, mail.recipient
    message["Subject"] = _words(mail)["Subject"]
    message["Date"], message["Message-ID"] = formatdate(), message_id
    message[HEADER] = mail.name
    message["X-SES-MESSAGE-TAGS"] = f"{TAG}={mail.name}"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's out-of-office notice answers it
    if mail.configuration_set:
        message["X-SES-CONFIGURATION-SET"] = mail.configuration_set
    message.set_content(_TEXT)
    return message


def _ok(answer: tuple[int, bytes]) -> None:
    code, said = answer
    if code // 100 != 2:  # noqa: PLR2004 a reply of success
        raise smtplib.SMTPResponseException(code, said)


def _plain(text: str) -> str:
    """What a server said must not steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_LONGEST].strip()


def _now() -> int:
    return int(time.time() * 1000)
