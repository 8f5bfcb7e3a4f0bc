"""What applications write of the mails they hand over, in the words of each mail client.

Nearly all lines were written by the real clients (Nodemailer 10, smtplib, aiosmtplib, Angus Mail 2, PHPMailer 6,
Symfony Mailer 5, Ruby 3.1, Go 1.26, gomail, go-mail) against a stand-in for SES.
"""

from __future__ import annotations

import pytest

from service.facts import Accepted, Cause, Deferred, Identified, Queued, Refused, Unconfirmed
from service.parsing.applications.names import mid_submission
from tests.unit.application_lines import ANN, ID, MID, ODD_ID, RATE, STACK, UNVERIFIED, one, said

# Lines of logs stand as they were written.
# ruff: noqa: E501


# -- accepted --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        # smtplib
        rf"reply: b'250 Ok {ID}\r\n'",
        rf"reply: '250 Ok {ID}\r\n'",
        f"reply: retcode (250); Msg: b'Ok {ID}'",
        f"data: (250, b'Ok {ID}')",
        f"08:08:28.062807 data: (250, b'Ok {ID}')",
        f"({{}}, 'Ok {ID}')",  # aiosmtplib
        # Nodemailer
        f"[2026-11-24 08:04:35] DEBUG [V2JutOa5Yg] S: 250 Ok {ID}",
        f"Message sent: 250 Ok {ID}",
        # winston's and Monolog's fields behind the message
        f'2026-11-24T08:04:35.000Z info: Email sent: 250 Ok {ID} {{"service":"mailer","to":["x"]}}',
        f'[2026-11-24 08:04:35] production.INFO: Email sent: 250 Ok {ID} {{"user":1}} []',
        f"[2026-11-24 08:04:35] production.INFO: Email sent: 250 Ok {ID} [] []",
        # JavaMail, PHPMailer, Symfony Mailer, SwiftMailer
        f"250 Ok {ID}",
        f"2026-11-24 08:08:39\tSERVER -> CLIENT: 250 Ok {ID}",
        f"< 250 Ok {ID}",
        rf"<< 250 Ok {ID}\r\n",
        # Ruby
        rf'-> "250 Ok {ID}\r\n"',
        rf'#<Net::SMTP::Response:0x00007fc882294198 @status="250", @string="250 Ok {ID}\n">',
        # Go
        f"2026/11/24 08:10:13 DEBUG: C <-- S: 250 Ok {ID}",
        f"Ok {ID}",
        # Loggers before it
        f"2026-11-24 08:08:30.409 | INFO     | __main__:<module>:37 - 250 Ok {ID}",
        f"2024-03-05 11:59:58,123 INFO  [main] c.shop.MailService - SMTP response: 250 Ok {ID}",
        f"2024-03-05 11:59:58,123 INFO mailer: reply: b'250 Ok {ID}'",
        f"INFO:mailer:Mail sent: 250 Ok {ID}",
        f"I, [2024-03-05T11:59:58.123456 #123]  INFO -- : SMTP response: 250 Ok {ID}",
        f"[2024-03-05T11:59:58.123456+00:00] app.INFO: Mail sent: 250 Ok {ID} [] []",
        f"Mar  5 11:59:58 web app[1]: Email sent, server response 250 Ok {ID}",
        # SES's API
        f"{{'MessageId': '{ID}', 'ResponseMetadata': {{'RequestId': 'x', 'HTTPStatusCode': 200}}}}",
        f"{{\n  MessageId: '{ID}',\n  '$metadata': {{\n    httpStatusCode: 200\n  }}\n}}",
        f"{{\n  ResponseMetadata: {{ RequestId: '3f1d1c5e' }},\n  MessageId: '{ID}'\n}}",
        f"SendEmailResponse(MessageId={ID})",
        f"{{MessageId: {ID}}}",
        f'#<struct Aws::SES::Types::SendEmailResponse message_id="{ID}">',
        f"    [MessageId] => {ID}",
        f"Email sent! Message ID: {ID}",
        f"Email sent: {ID}",
        f"{{ envelope: {{ from: 's@b.example', to: [] }}, messageId: '<{ID}@email.amazonses.com>', response: '{ID}' }}",
    ],
)
def test_a_line_that_is_the_reply_is_an_acceptance(line: str) -> None:
    (name, fact), *others = said(line)
    assert (name, others) == ("S:" + ID, [])
    assert isinstance(fact, Accepted)
    assert (fact.ses_id, fact.submission, fact.recipients) == (ID, "", ())


def test_an_anonymised_id_counts_as_well() -> None:
    assert isinstance(one(f"Message sent: 250 Ok {ODD_ID}"), Accepted)


def test_whom_it_was_for_is_read_where_the_line_says_so() -> None:
    fact = one(f"Mar  5 11:59:58 web app[1]: Mail to {ANN}, bob@b.example sent: 250 Ok {ID}")
    assert isinstance(fact, Accepted)
    assert fact.recipients == (ANN, "bob@b.example")


INFO = f"""{{
  accepted: [ '{ANN}', 'bob@b.example' ],
  rejected: [],
  ehlo: [ 'SIZE 33554432', '8BITMIME', 'AUTH', 'HELP' ],
  envelopeTime: 4,
  response: '250 Ok {ID}',
  envelope: {{
    from: 'shop@shop.example',
    to: [ '{ANN}', 'bob@b.example' ]
  }},
  messageId: '<{MID}>'
}}"""


@pytest.mark.parametrize("before", ["", "Message sent: ", "Email sent: ", "2024-03-05T11:59:58Z info: mail sent "])
def test_nodemailers_info_holds_both_names(before: str) -> None:
    mid = "Q:" + mid_submission(MID)
    facts = said(before + INFO)
    assert [name for name, _ in facts] == [mid, mid, mid, "S:" + ID]
    identified, queued, under_mid, under_id = (fact for _, fact in facts)
    assert isinstance(identified, Identified)
    assert identified.message_id == MID
    assert isinstance(queued, Queued)
    assert (queued.sender, queued.recipient_count) == ("shop@shop.example", 2)
    assert under_mid == under_id
    assert isinstance(under_id, Accepted)
    assert (under_id.submission, under_id.recipients) == (mid_submission(MID), (ANN, "bob@b.example"))


def test_a_recipient_that_the_server_did_not_take_is_refused_beside_the_others() -> None:
    info = INFO.replace("rejected: []", "rejected: [ 'bad@b.example' ]").replace(
        "  envelopeTime: 4,",
        "  rejectedErrors: [\n    Error: Recipient command failed: 501 Invalid RCPT TO address provided\n        at x (y:1) {\n"
        "      code: 'EENVELOPE',\n      response: '501 Invalid RCPT TO address provided',\n"
        "      recipient: 'bad@b.example'\n    }\n  ],",
    )
    facts = [fact for _, fact in said(info)]
    refused = facts[-1]
    assert isinstance(refused, Refused)
    assert (refused.recipients, refused.cause) == (("bad@b.example",), Cause.BAD_ADDRESS)
    assert sum(isinstance(fact, Accepted) for fact in facts) == 2


def test_a_reply_without_an_id_is_known_to_have_lost_it() -> None:
    assert isinstance(one("data: (250, b'Ok')"), Unconfirmed)
    assert isinstance(said(INFO.replace(f"250 Ok {ID}", "250 Ok"))[-1][1], Unconfirmed)


@pytest.mark.parametrize(
    "line",
    [
        r"reply: b'250 Ok\r\n'",
        "reply: retcode (250); Msg: b'Ok'",
        "2026/11/24 08:10:13 DEBUG: C <-- S: 250 Ok",
        "data: (250, b'2.0.0 Ok: queued as 4XyZ1234567890')",
        "Message sent: 250 2.0.0 Ok: queued as 4XyZ1234567890",
        "Message sent: 250 OK id=1xVlVa-000313-31",
        f"{{ accepted: [ '{ANN}' ], response: '250 OK id=1xVlVa-000313-31', messageId: '<{MID}>' }}",
        "Message sent: 250 Ok 123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_what_other_servers_and_other_commands_are_answered_is_no_acceptance(line: str) -> None:
    assert said(line) == []


# -- handed over -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        f"[2026-11-24 08:04:35] INFO  Sending message <{MID}> to <{ANN}, bob@b.example>",
        f"Message sent: <{MID}>",
        f"sent <{MID}>",
        f"I, [2024-03-05T11:59:58.123456 #123]  INFO -- : [ActiveJob] Delivered mail {MID} (12.3ms)",
    ],
)
def test_the_applications_own_message_id_makes_the_submission(line: str) -> None:
    ((name, fact),) = said(line)
    assert name == "Q:" + mid_submission(MID)
    assert isinstance(fact, Identified)
    assert fact.message_id == MID


@pytest.mark.parametrize(
    "line",
    [
        f"DEBUG [V2JutOa5Yg] Message-ID: <{MID}>",
        rf"send: b'From: shop@shop.example\r\nMessage-ID: <{MID}>\r\n\r\nhi\r\n.\r\n'",
        f"2026-11-24 08:08:39\tCLIENT -> SERVER: Message-ID: <{MID}>",
        f"Message sent to <{ANN}>",
        f"Sent mail to {ANN} (12.3ms)",
        f"Mail received: <{MID}>",
        f"Skipped delivery of mail {MID} as `perform_deliveries` is false",
    ],
)
def test_a_message_id_that_no_statement_of_sending_names_is_nothing(line: str) -> None:
    assert said(line) == []


# -- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        # smtplib and aiosmtplib
        (f"smtplib.SMTPDataError: (454, b'{RATE}')", Cause.RATE_EXCEEDED),
        (f"aiosmtplib.errors.SMTPDataError: (454, '{RATE}')", Cause.RATE_EXCEEDED),
        (f"mail failed: SMTPDataError(454, b'{RATE}')", Cause.RATE_EXCEEDED),
        (f"data: (454, b'{RATE}')", Cause.RATE_EXCEEDED),
        ("smtplib.SMTPServerDisconnected: Connection unexpectedly closed", Cause.UNREACHABLE),
        ("aiosmtplib.errors.SMTPReadTimeoutError: Timed out waiting for server response", Cause.TIMEOUT),
        # Nodemailer
        (
            (
                f"Error: Message failed: 454 {RATE}{STACK} {{\n  code: 'EMESSAGE',\n  response: '454 {RATE}',\n"
                "  responseCode: 454,\n  command: 'DATA'\n}"
            ),
            Cause.RATE_EXCEEDED,
        ),
        (
            f"Error: Connection closed unexpectedly{STACK} {{\n  code: 'ECONNECTION',\n  command: 'CONN'\n}}",
            Cause.UNREACHABLE,
        ),
        (f"Error: Connection timeout{STACK} {{\n  code: 'ETIMEDOUT',\n  command: 'CONN'\n}}", Cause.UNREACHABLE),
        # JavaMail
        (
            f"org.eclipse.angus.mail.smtp.SMTPSendFailedException: 454 {RATE}\n\tat a.b.C.d(C.java:1)",
            Cause.RATE_EXCEEDED,
        ),
        (
            (
                "org.eclipse.angus.mail.util.MailConnectException: Couldn't connect to host, port: 127.0.0.1, 587; timeout "
                "-1;\n  nested exception is:\n\tjava.net.ConnectException: Connection refused"
            ),
            Cause.UNREACHABLE,
        ),
        # PHPMailer
        (
            f"SMTP Error: data not accepted.SMTP server error: DATA END command failed Detail: {RATE}\n SMTP code: 454",
            Cause.RATE_EXCEEDED,
        ),
        ("SMTP Error: data not accepted.SMTP server error: DATA END command failed", Cause.AMBIGUOUS),
        ("SMTP Error: Could not connect to SMTP host.", Cause.UNREACHABLE),
        # Symfony Mailer and SwiftMailer
        (
            (
                'Symfony\\Component\\Mailer\\Exception\\TransportException: Expected response code "250" but got code "454",'
                f' with message "454 {RATE}".'
            ),
            Cause.RATE_EXCEEDED,
        ),
        ('Connection to "email-smtp.us-east-1.amazonaws.com:587" timed out.', Cause.TIMEOUT),
        (
            'Connection could not be established with host "127.0.0.1:587": stream_socket_client(): Unable to connect',
            Cause.UNREACHABLE,
        ),
        # Ruby
        (f"Net::SMTPServerBusy: 454 {RATE}", Cause.RATE_EXCEEDED),
        (f"smtp.rb:1059:in `check_response': 454 {RATE} (Net::SMTPServerBusy)", Cause.RATE_EXCEEDED),
        # Go
        (f'2026/11/24 08:10:13 failed to send mail: 454 "{RATE}"', Cause.RATE_EXCEEDED),
        (f"2026/11/24 08:10:13 failed to send mail: 454 {RATE}", Cause.RATE_EXCEEDED),
        ("gomail: could not send email 1: EOF", Cause.UNREACHABLE),
        ("dial tcp: lookup email-smtp.us-east-1.amazonaws.com: no such host", Cause.UNREACHABLE),
    ],
)
def test_what_may_pass_is_deferred(line: str, cause: Cause) -> None:
    fact = one(line)
    assert isinstance(fact, Deferred)
    assert fact.cause is cause


@pytest.mark.parametrize(
    ("line", "cause", "reply"),
    [
        (f"smtplib.SMTPDataError: (554, b'{UNVERIFIED}')", Cause.UNVERIFIED_IDENTITY, f"554 {UNVERIFIED}"),
        (
            "smtplib.SMTPAuthenticationError: (535, b'Authentication Credentials Invalid')",
            Cause.AUTH_FAILED,
            "535 Authentication Credentials Invalid",
        ),
        (
            "smtplib.SMTPSenderRefused: (530, b'Authentication required', 'shop@shop.example')",
            Cause.AUTH_FAILED,
            "530 Authentication required",
        ),
        ("smtplib.SMTPSenderRefused: (501, b\"It's no address\", 'x')", Cause.BAD_ADDRESS, "501 It's no address"),
        (f"Error: Message failed: 554 {UNVERIFIED}{STACK}", Cause.UNVERIFIED_IDENTITY, f"554 {UNVERIFIED}"),
        (
            f"Error: Invalid login: 535 Authentication Credentials Invalid{STACK}",
            Cause.AUTH_FAILED,
            "535 Authentication Credentials Invalid",
        ),
        (
            "jakarta.mail.AuthenticationFailedException: 535 Authentication Credentials Invalid",
            Cause.AUTH_FAILED,
            "535 Authentication Credentials Invalid",
        ),
        (
            (
                "jakarta.mail.SendFailedException: Invalid Addresses;\n  nested exception is:\n"
                "\torg.eclipse.angus.mail.smtp.SMTPAddressFailedException: 501 Invalid RCPT TO address provided"
            ),
            Cause.BAD_ADDRESS,
            "501 Invalid RCPT TO address provided",
        ),
        (
            f"Caused by: com.sun.mail.smtp.SMTPSendFailedException: 554 {UNVERIFIED}\n\tat a.B.c(B.java:1)",
            Cause.UNVERIFIED_IDENTITY,
            f"554 {UNVERIFIED}",
        ),
        (
            (
                'Expected response code 250 but got code "554", with message "554 Message rejected: Sending paused for this'
                ' account."'
            ),
            Cause.ACCOUNT_PAUSED,
            "554 Message rejected: Sending paused for this account.",
        ),
        (f"Net::SMTPFatalError: 554 {UNVERIFIED}", Cause.UNVERIFIED_IDENTITY, f"554 {UNVERIFIED}"),
        ("Net::SMTPFatalError: 550 whatever it says", Cause.OTHER_REFUSAL, "550 whatever it says"),
        ("SMTP Error: Could not authenticate.", Cause.AUTH_FAILED, "SMTP Error: Could not authenticate."),
        (f'2026/11/24 08:10:13 554 "{UNVERIFIED}"', Cause.UNVERIFIED_IDENTITY, f"554 {UNVERIFIED}"),
    ],
)
def test_what_will_not_pass_is_refused_in_the_servers_words(line: str, cause: Cause, reply: str) -> None:
    fact = one(line)
    assert isinstance(fact, Refused)
    assert (fact.cause, fact.reply) == (cause, reply)


def test_each_recipient_that_was_refused_has_its_own_reason() -> None:
    facts = [
        fact
        for _, fact in said(
            "smtplib.SMTPRecipientsRefused: {'a@x.example': (501, b'Invalid RCPT TO address provided'), "
            f"'b@x.example': (454, b'{RATE}')}}"
        )
    ]
    first, second = facts
    assert isinstance(first, Refused)
    assert (first.recipients, first.cause) == (("a@x.example",), Cause.BAD_ADDRESS)
    assert isinstance(second, Deferred)
    assert (second.recipients, second.cause) == (("b@x.example",), Cause.RATE_EXCEEDED)


def test_phpmailer_names_the_recipient_before_the_reason() -> None:
    fact = one("SMTP Error: The following recipients failed: a@x.example: Invalid RCPT TO address provided")
    assert isinstance(fact, Refused)
    assert (fact.recipients, fact.cause) == (("a@x.example",), Cause.BAD_ADDRESS)


@pytest.mark.parametrize(
    "line",
    [
        f'send failed: closing SMTP DATA writer: 554 "{UNVERIFIED}", affected message ID: <{MID}>',
        f'Failed delivery of mail {MID} error_class=Net::SMTPFatalError error_message="554 {UNVERIFIED}"',
    ],
)
def test_a_refusal_that_names_its_mail_stands_under_it(line: str) -> None:
    (_, identified), (name, refused) = said(line)
    assert name == "Q:" + mid_submission(MID)
    assert isinstance(identified, Identified)
    assert isinstance(refused, Refused)
    assert refused.cause is Cause.UNVERIFIED_IDENTITY


def test_after_the_end_of_the_data_ses_may_have_the_mail() -> None:
    *_, (_, fact) = said(f"send failed: closing SMTP DATA writer: EOF, affected message ID: <{MID}>")
    assert isinstance(fact, Deferred)
    assert fact.cause is Cause.AMBIGUOUS


def test_rails_tells_a_timeout_by_its_class() -> None:
    *_, (_, fact) = said(f'Failed delivery of mail {MID} error_class=Net::ReadTimeout error_message="Net::ReadTimeout"')
    assert isinstance(fact, Deferred)
    assert fact.cause is Cause.TIMEOUT
