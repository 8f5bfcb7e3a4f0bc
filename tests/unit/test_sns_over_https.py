"""SNS's certificate is fetched over a TLS connection that was checked, and over no other. The server is real, and the
name of SNS's host leads to it, as it would by a poisoned DNS."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.aws.certificates import LARGEST, Certificates, fetched
from service.aws.clients import AwsError, Trouble
from service.aws.sns import check
from service.facts import Reason
from tests.sns import FILE, HOST, NOW, Party, signed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = int(NOW.timestamp() * 1000)
DAY = 24 * 3600 * 1000
NAME = "sns.amazonaws.com"
LONG = 3650
"""Days before and after for which what the connection shows is valid, by the clock of whatever machine this runs on."""


class Sns(BaseHTTPRequestHandler):
    """Answers with what the test has laid down, and notes what was asked for."""

    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(f"{self.headers['Host']}{self.path}")
        status, body = self.answers.get(self.path, (404, b""))
        self.send_response(status)
        if status in (301, 302):
            self.send_header("Location", f"https://{HOST}/elsewhere.pem")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def root() -> Party:
    return Party("Root of the web", 0, days=LONG, since=LONG)


@pytest.fixture
def trusted(root: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system trusts this root, and no other."""
    (tmp_path / "roots.pem").write_bytes(root.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")


@contextmanager
def serving(party: Party, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Sns]]:
    """Whoever shows this certificate is what SNS's name leads to."""
    pem = folder / "server.pem"
    key = party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(key + party.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    handler = type("Handler", (Sns,), {"answers": {}, "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler, bind_and_activate=True) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign] - a client that does not trust us hangs up
        connect = socket.create_connection

        def led(address: tuple[str, int], *arguments: object, **words: object) -> socket.socket:
            assert address == (HOST, 443), "nobody else is asked"
            return connect(server.server_address[:2], *arguments, **words)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "create_connection", led)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield handler
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("trusted")
def test_a_record_is_taken_by_the_certificate_that_snss_host_serves(root, tmp_path, monkeypatch):
    leaf = Party(NAME, 2, Party("Authority", 1, root), dns=NAME)
    with serving(Party(HOST, 3, root, dns=HOST, days=LONG, since=LONG), tmp_path, monkeypatch) as sns:
        sns.answers[f"/{FILE}"] = 200, leaf.pem
        certificates = Certificates()
        assert check(signed(leaf), AT, certificates, DAY) is None
        assert check(signed(leaf, Message="another"), AT, certificates, DAY) is None
        forged = check(signed(leaf) | {"Message": "forged"}, AT, certificates, DAY)
    assert forged is not None
    assert forged.reason is Reason.BAD_SIGNATURE
    assert sns.asked == [f"{HOST}/{FILE}"], "fetched once, by its own name, and past the proxy"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    "party",
    [
        pytest.param(lambda root: Party("evil.example", 3, root, dns="evil.example", days=LONG, since=LONG), id="name"),
        pytest.param(lambda _: Party(HOST, 3, dns=HOST, days=LONG, since=LONG), id="own making"),
        pytest.param(lambda root: Party(HOST, 3, root, dns=HOST, days=-LONG + 1, since=LONG), id="expired"),
    ],
)
def test_a_host_that_is_not_sns_is_told_nothing_and_believed_nothing(root, party, tmp_path, monkeypatch):
    leaf = Party(NAME, 2, root, dns=NAME)
    with serving(party(root), tmp_path, monkeypatch) as sns:
        sns.answers[f"/{FILE}"] = 200, leaf.pem
        with pytest.raises(AwsError) as found:
            check(signed(leaf), AT, Certificates(), DAY)
    assert found.value.trouble is Trouble.UNREACHABLE, "the record is no dead letter: its certificate is not known yet"
    assert sns.asked == []


@pytest.mark.usefixtures("trusted")
def test_what_the_host_answers_instead_of_a_certificate(root, tmp_path, monkeypatch):
    with serving(Party(HOST, 3, root, dns=HOST, days=LONG, since=LONG), tmp_path, monkeypatch) as sns:
        sns.answers |= {
            "/moved.pem": (302, b""),
            "/large.pem": (200, b"x" * (LARGEST + 1)),
            "/largest.pem": (200, b"x" * LARGEST),
            "/broken.pem": (500, b""),
        }
        assert fetched(HOST, "gone.pem") is None
        assert fetched(HOST, "moved.pem") is None
        assert fetched(HOST, "large.pem") is None
        assert fetched(HOST, "largest.pem") == b"x" * LARGEST
        with pytest.raises(AwsError, match="HTTP 500"):
            fetched(HOST, "broken.pem")
    assert not any("elsewhere" in path for path in sns.asked), "a redirect is not followed"
