"""Tokens for SASL OAUTHBEARER: from a file, from an OAuth server, or signed with an AWS role for Amazon MSK.

aiokafka asks for one at every connection, from several event loops and threads, so nothing here belongs to a loop. A
failure is a `KafkaError`: clients then try again as they do with a broker that is away.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError

_BOUND: Final = 10.0
"""Seconds that an OAuth server may take."""
_LARGEST: Final = 1 << 20
_SHARE: Final = 0.8
"""Of its life that a token is used for: it must still be good when it reaches the broker."""


class Token(NamedTuple):
    """A token, and until when (seconds, this process's own clock) it may be handed out."""

    text: str
    until: float


class _Cached(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka ships no types we can follow
    """Fetches a token in a thread, and hands it out while it is fresh."""

    _token = Token("", 0.0)

    async def token(self) -> str:
        """The token. Raises `KafkaConnectionError`."""
        if time.monotonic() >= self._token.until:
            self._token = await asyncio.to_thread(self._fetch)
        return self._token.text

    def _fetch(self) -> Token:
        raise NotImplementedError


class TokenFile(_Cached):
    """A file that somebody keeps fresh, like a projected service account token of Kubernetes."""

    def __init__(self, path: str) -> None:
        """Nothing is read yet."""
        self._path = path

    def _fetch(self) -> Token:
        try:
            return Token(Path(self._path).read_text(encoding="ascii").strip(), 0.0)
        except (OSError, ValueError) as error:
            raise KafkaConnectionError(f"the token in {self._path!r} cannot be read: {error}") from error


class ClientCredentials(_Cached):
    """RFC 6749, section 4.4: the client's id and secret, in the header, become a token."""

    def __init__(self, url: str, client: str, secret: str, scope: str | None, ca_file: str | None = None) -> None:
        """`ca_file` is trusted beside the system's CAs. Nothing is fetched yet."""
        self._url, self._form = url, {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        quoted = ":".join(urllib.parse.quote(part, safe="") for part in (client, secret))
        self._authorization = "Basic " + b64encode(quoted.encode()).decode()
        context = ssl.create_default_context()
        if ca_file:
            context.load_verify_locations(ca_file)
        # A redirect would carry the secret elsewhere.
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirects())

    def _fetch(self) -> Token:
        request = urllib.request.Request(  # noqa: S310 the setting takes https and this machine only
            self._url,
            data=urllib.parse.urlencode(self._form).encode(),
            headers={"Authorization": self._authorization, "Accept": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_BOUND) as answer:
                return _read(json.loads(answer.read(_LARGEST)))
        except urllib.error.HTTPError as error:
            with error:
                raise KafkaConnectionError(f"{self._url} gave no token: HTTP {error.code} {error.reason}") from None
        except (OSError, ValueError) as error:
            raise KafkaConnectionError(f"{self._url} gave no token: {error}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: urllib then raises the redirect as an error."""


def _read(answer: Any) -> Token:
    """The token of an answer as RFC 6749, section 5.1, has it. Raises `ValueError`."""
    text = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(text, str) or not text:
        raise ValueError("its answer holds no access_token")
    lives = answer.get("expires_in", 0)
    return Token(text, time.monotonic() + _SHARE * (lives if isinstance(lives, int | float) else 0))


class MskIam(_Cached):
    """AWS's own signer: a signed request is the token. Credentials are those that boto3 finds (IRSA, …)."""

    def __init__(self, region: str) -> None:
        """Raises `ImportError` where the extra is not installed. Nothing is signed yet."""
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # noqa: PLC0415 only who uses MSK pays for boto3

        self._region, self._sign = region, MSKAuthTokenProvider.generate_auth_token

    def _fetch(self) -> Token:
        try:
            text, expires_ms = self._sign(self._region)
        except Exception as error:  # the signer raises whatever boto3 does, and says neither
            raise KafkaConnectionError(f"AWS's signer made no token for MSK: {error}") from error
        lives = expires_ms / 1000 - time.time()
        return Token(text, time.monotonic() + _SHARE * lives)
