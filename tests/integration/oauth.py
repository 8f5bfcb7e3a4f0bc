"""An OAuth server on this machine: client credentials become a JWT that it signs, and its public keys are there to see.

A real broker fetches the keys, and checks signature, audience and expiry itself.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

CLIENT = "mailgap-client"
SECRET = "s3cret-of-the-client"
LIFE = 10
"""Seconds that a token is good for: less than a test takes, so that many are fetched."""


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class OAuthServer(ThreadingHTTPServer):
    """While its `with` lasts. `given` counts the tokens; `user` is the one that it names in them."""

    daemon_threads = True

    def __init__(self, user: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.user, self.given = user, 0
        self._key, self._stranger = (rsa.generate_private_key(65537, 2048) for _ in range(2))

    @property
    def token_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"

    @property
    def keys_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/keys"

    def keys(self) -> dict[str, Any]:
        """The public key, as RFC 7517 has it."""
        public = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": _number(public.n), "e": _number(public.e)}
        return {"keys": [key]}

    def token(self, *, life: float = LIFE, audience: str = "kafka", forged: bool = False) -> str:
        """A JWT; a forged one is signed with another key."""
        now = int(time.time())
        claims = {"sub": self.user, "aud": audience, "iss": "test", "iat": now - 60, "exp": int(now + life)}
        parts = [{"alg": "RS256", "typ": "JWT", "kid": "1"}, claims]
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        key = self._stranger if forged else self._key
        return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: OAuthServer

    def do_GET(self) -> None:
        self._answer(200, self.server.keys())

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        kind, _, credentials = self.headers["Authorization"].partition(" ")
        known = kind == "Basic" and b64decode(credentials).decode() == f"{CLIENT}:{SECRET}"
        if not known or form != {"grant_type": ["client_credentials"]}:
            self._answer(401, {"error": "invalid_client"})
            return
        self.server.given += 1
        self._answer(200, {"access_token": self.server.token(), "token_type": "Bearer", "expires_in": LIFE})

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""
