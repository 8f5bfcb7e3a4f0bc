"""Mails as a Postfix, an application and SES tell of them, for tests of the stories that are made of it."""

import json
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2025, 10, 20, 8, 0, 0, tzinfo=UTC)
RELAY = "email-smtp.us-east-1.amazonaws.com[192.0.2.1]:587"


def ses_id(number, day=0):
    """SES's id of a mail that it took on that day."""
    at = int((BEGIN + timedelta(days=day, seconds=5 + number * 60)).timestamp() * 1000)
    return f"0100{at:012x}-{number:08x}-1111-2222-3333-444455556666-000000"


def taken_at(name):
    return datetime.fromtimestamp(int(name[4:16], 16) / 1000, UTC)


def rfc3339(moment):
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Log:
    """A mail log and a file of events, in a folder; each line a second after the one before."""

    def __init__(self, folder):
        self.folder, self.day, self.lines, self.events = folder, 0, [], []

    def written(self):
        """The arguments that have the files read."""
        log, events = self.folder / "mail.log", self.folder / "events.jsonl"
        log.write_text("\n".join(self.lines) + "\n")
        events.write_text("\n".join(self.events) + "\n" if self.events else "")
        return ["--smtp", str(log), "--ses", str(events)]

    def now(self):
        return rfc3339(BEGIN + timedelta(days=self.day, seconds=len(self.lines) + 1))

    def line(self, program, queue_id, text, host="mx1"):
        self.lines.append(f"{self.now()} {host} postfix/{program}[7]: {queue_id}: {text}")

    def json(self, document):
        self.lines.append(json.dumps({"time": self.now(), **document}))

    def taken_in(self, queue_id, message_id, sender="orders@shop.example", recipients=1, host="mx1"):
        self.line("smtpd", queue_id, "client=app1.shop.example[10.0.0.7]", host)
        self.line("cleanup", queue_id, f"message-id=<{message_id}>", host)
        self.line("qmgr", queue_id, f"from=<{sender}>, size=9, nrcpt={recipients} (queue active)", host)

    def accepted(self, queue_id, recipient, name):
        self.line("smtp", queue_id, f"to=<{recipient}>, relay={RELAY}, dsn=2.0.0, status=sent (250 Ok {name})")

    def hop(self, host, queue_id, following, message_id, recipient, relay):
        self.taken_in(queue_id, message_id, host=host)
        said = f"250 2.0.0 Ok: queued as {following}"
        self.line("smtp", queue_id, f"to=<{recipient}>, relay={relay}:25, dsn=2.0.0, status=sent ({said})", host)
        self.line("qmgr", queue_id, "removed", host)

    def mail(self, queue_id, message_id, recipient, name, *, delivered=True):
        self.taken_in(queue_id, message_id)
        self.accepted(queue_id, recipient, name)
        self.line("qmgr", queue_id, "removed")
        if delivered:
            self.delivered(name, recipient)

    def event(self, kind, name, recipient, message_id="", **payload):
        mail = {
            "timestamp": rfc3339(taken_at(name)), "messageId": name, "source": "orders@shop.example",
            "destination": [recipient],
        }  # fmt: skip
        if message_id:
            mail |= {"headersTruncated": False, "headers": [{"name": "Message-ID", "value": f"<{message_id}>"}]}
        self.events.append(json.dumps({"eventType": kind, "mail": mail, **payload}))

    def delivered(self, name, recipient, message_id=""):
        at = rfc3339(taken_at(name) + timedelta(seconds=9))
        self.event("Send", name, recipient, message_id, send={})
        said = {"timestamp": at, "recipients": [recipient], "smtpResponse": "250 2.0.0 taken"}
        self.event("Delivery", name, recipient, message_id, delivery=said)

    def bounced(self, name, recipient, diagnostic):
        said = {
            "timestamp": rfc3339(taken_at(name) + timedelta(seconds=9)), "bounceType": "Permanent",
            "bounceSubType": "General", "feedbackId": "f",
            "bouncedRecipients": [{"emailAddress": recipient, "status": "5.1.1", "diagnosticCode": diagnostic}],
        }  # fmt: skip
        self.event("Bounce", name, recipient, bounce=said)
