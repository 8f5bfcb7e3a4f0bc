"""A stand-in for the API of Amazon SES (version 2) on 127.0.0.1, as a test has laid down what it knows.

moto has no GetAccount, no suppression list and no event destinations; what boto3 sends and reads here is real HTTP.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = {
    "SendingEnabled": True, "EnforcementStatus": "HEALTHY", "ProductionAccessEnabled": True,
    "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 41_210.0},
}  # fmt: skip
EVERY_EVENT = ["SEND", "DELIVERY", "BOUNCE", "REJECT", "RENDERING_FAILURE", "DELIVERY_DELAY", "COMPLAINT"]


def destination(kind: str = "Sns", *, enabled: bool = True, events: list[str] | None = None) -> dict[str, Any]:
    """An event destination; all events unless told otherwise."""
    return {
        "Name": "to-kafka", "Enabled": enabled, f"{kind}Destination": {},
        "MatchingEventTypes": EVERY_EVENT if events is None else events,
    }  # fmt: skip


@dataclass
class SesApi:
    """What it knows, and what it was asked: each call's operation, in order."""

    account: dict[str, Any] = field(default_factory=lambda: dict(ACCOUNT))
    suppressed: dict[str, dict[str, Any]] = field(default_factory=dict)
    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    sets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refuses: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    """By operation: status, the error's code and its text."""
    send: Callable[[dict[str, Any]], str] = lambda _: "EXAMPLE-id"
    """What becomes of a mail that is sent: its id."""
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, Any]:
        """The operation, and what it answers; None: there is no such thing."""
        match [unquote(part) for part in path.partition("?")[0].strip("/").split("/")][2:]:
            case ["account"]:
                return "GetAccount", self.account
            case ["suppression", "addresses", address]:
                found = self.suppressed.get(address)
                return "GetSuppressedDestination", found and {
                    "SuppressedDestination": {"EmailAddress": address} | found
                }
            case ["identities", name]:
                return "GetEmailIdentity", self.identities.get(name)
            case ["configuration-sets", name, "event-destinations"]:
                found = self.sets.get(name)
                return "GetConfigurationSetEventDestinations", None if found is None else {"EventDestinations": found}
            case ["list-configuration-sets"]:
                return "ListConfigurationSets", self._page(int(body.get("NextToken", 0)))
            case ["outbound-emails"]:
                return "SendEmail", {"MessageId": self.send(body)}
        raise AssertionError(path)

    def _page(self, start: int) -> dict[str, Any]:
        """Two at a time, so that whoever reads must turn pages."""
        names = sorted(self.sets)
        more = {"NextToken": str(start + 2)} if start + 2 < len(names) else {}
        return {"ConfigurationSets": names[start : start + 2], **more}


class _Handler(BaseHTTPRequestHandler):
    api: SesApi

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        self._respond(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _respond(self, body: dict[str, Any]) -> None:
        operation, found = self.api.answer(self.path, body)
        self.api.asked.append(operation)
        missing = (404, "NotFoundException", "it does not exist") if found is None else (200, "", "")
        status, code, text = self.api.refuses.get(operation, missing)
        answer = json.dumps({"message": text} if code else found).encode()
        self.send_response(status)
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving(api: SesApi) -> Iterator[SesApi]:
    """Serves it at `api.address`."""
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        api.address = "http://{}:{}".format(*server.server_address[:2])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
