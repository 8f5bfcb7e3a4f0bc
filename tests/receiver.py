"""A sink on a free port of this machine that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self


class Answer(NamedTuple):
    """What to answer: after `delay` seconds."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"ok"
    delay: float = 0.0


class Request(NamedTuple):
    """What was sent."""

    path: str
    headers: dict[str, str]
    document: Any
    at: float


@dataclass
class Receiver:
    """Answers with `answers`, one after the other, and then with `answer`; both by path."""

    answer: dict[str, Answer] = field(default_factory=dict)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append(Request(self.path, dict(self.headers), json.loads(body), time.time()))
                queue = receiver.answers.get(self.path)
                answer = queue.pop(0) if queue else receiver.answer.get(self.path, Answer())
                receiver.released.wait(answer.delay)
                try:
                    self.send_response(answer.status)
                    for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:  # whoever asked has gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def to(self, path: str) -> list[Any]:
        """The documents that were sent there."""
        return [request.document for request in self.requests if request.path == path]
