"""Brings one notification, or one batch, to one sink: a single attempt within a bound.

Redirects are not followed, since a secret must not travel to wherever an answer points. No error shows a secret.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import orjson

from service.contract.wire import encode
from service.notifications import payloads
from service.notifications.sinks import Sink, SinkType
from service.notifications.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service.contract.notification import Notification

ATTEMPT_BOUND: Final = 10.0
"""Seconds that one attempt may take."""
LONGEST_PAUSE: Final = 3600.0
"""Seconds that a sink's Retry-After may ask for."""
_TOO_MANY: Final = 429
_RETRY: Final = frozenset({408, 425, _TOO_MANY})
_SHOWN: Final = 200
_AWS_RETRY: Final = frozenset(
    {"Throttling", "ThrottlingException", "Throttled", "RequestTimeout", "ServiceUnavailable", "KMSThrottling"}
)


class UnavailableError(Exception):
    """The sink did not answer, or not now: the same will be tried again. `pause` is what it asked for, in seconds."""

    def __init__(self, text: str, pause: float = 0.0) -> None:
        super().__init__(text)
        self.pause = pause


class RefusedError(Exception):
    """The sink does not want it as it is."""


class Delivery(Protocol):
    """The way to one sink."""

    batch: int
    """Notifications that one attempt carries at most."""

    async def deliver(self, notifications: Sequence[Notification]) -> None:
        """One attempt. Raises `UnavailableError` or `RefusedError`."""

    async def probe(self) -> str:
        """Whether it can be reached, without telling it anything: empty, or what is wrong."""

    async def close(self) -> None:
        """Gives up the connections."""


def delivery(sink: Sink) -> Delivery:
    """The way to this sink."""
    return SnsDelivery(sink) if sink.type is SinkType.SNS else HttpDelivery(sink)


class HttpDelivery:
    """Over HTTP. A session of its own, so that no sink waits for another's connections."""

    def __init__(self, sink: Sink) -> None:
        """Nothing is opened before the first attempt."""
        self._sink = sink
        self.batch = 100 if sink.type is SinkType.ALERTMANAGER else 1
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, notifications: Sequence[Notification]) -> None:
        """See `Delivery`."""
        sink = self._sink
        match sink.type:
            case SinkType.ALERTMANAGER:
                now = time.time_ns() // 1_000_000
                body = orjson.dumps([payloads.alertmanager(each, now) for each in notifications])
                await self._post(f"{sink.url.rstrip('/')}/api/v2/alerts", body)
            case SinkType.PAGERDUTY:
                for each in notifications:
                    await self._post(sink.url, orjson.dumps(payloads.pagerduty(each, sink.key)))
            case SinkType.SLACK:
                for each in notifications:
                    await self._post(sink.url, orjson.dumps(payloads.slack_message(each)))
            case _:
                for each in notifications:
                    # Says the same of the same notification, so that a receiver can drop what comes twice.
                    key = {"Idempotency-Key": f"{each.alert_id}-{each.state}-{each.number}-{each.since}"}
                    await self._post(sink.url, encode(each), key)

    async def probe(self) -> str:
        """A connection and, of Alertmanager, its readiness. Other sinks are asked nothing: a question is a message."""
        url = self._sink.url
        try:
            if self._sink.type is SinkType.ALERTMANAGER:
                await self._request("GET", f"{url.rstrip('/')}/-/ready")
            else:
                await self._connect()
        except (UnavailableError, RefusedError) as error:
            return str(error)
        return ""

    async def close(self) -> None:
        """See `Delivery`."""
        if self._session is not None:
            await self._session.close()

    async def _connect(self) -> None:
        """Opens and closes a connection, TLS included."""
        parts = urlsplit(self._sink.url)
        secure = parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        try:
            async with asyncio.timeout(ATTEMPT_BOUND):
                _, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure or None)
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError) as error:
            raise UnavailableError(_why(error)) from None

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        await self._request("POST", url, body, {"Content-Type": "application/json", **(headers or {})})

    async def _request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        sent = dict(headers or {})
        if self._sink.authorization:
            sent["Authorization"] = self._sink.authorization
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ATTEMPT_BOUND)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.request(
                method, url, data=body or None, headers=sent, allow_redirects=False
            ) as answer:
                said = await answer.content.read(_SHOWN)
                self._judge(answer.status, said, answer.headers.get("Retry-After", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(_why(error)) from None  # its text may hold the address

    def _judge(self, status: int, said: bytes, retry_after: str) -> None:
        """Raises unless the sink took it."""
        if 200 <= status < 300:  # noqa: PLR2004 the range of success
            return
        text = said.decode(errors="replace")
        for secret in self._sink.secrets:
            text = text.replace(secret, "***")
        what = f"HTTP {status}: {clean(text, _SHOWN)}".rstrip(": ")
        if status in _RETRY or status >= 500:  # noqa: PLR2004 the range of their own failures
            raise UnavailableError(what, pause_of(retry_after, time.time()))
        raise RefusedError(what)


class SnsDelivery:
    """Through boto3, which blocks: in a thread, with bounds of its own."""

    batch = 1

    def __init__(self, sink: Sink) -> None:
        """Raises `RefusedError` where boto3 is not installed."""
        self._sink = sink
        self._client: Any = None

    async def deliver(self, notifications: Sequence[Notification]) -> None:
        """See `Delivery`."""
        for each in notifications:
            await self._call(self._publish, each)

    async def probe(self) -> str:
        """Whether the topic is there and may be asked for."""
        try:
            await self._call(lambda: self._sns().get_topic_attributes(TopicArn=self._sink.topic_arn))
        except (UnavailableError, RefusedError) as error:
            return str(error)
        return ""

    async def close(self) -> None:
        """See `Delivery`."""
        if self._client is not None:
            self._client.close()

    def _publish(self, notification: Notification) -> None:
        arguments = payloads.sns(notification)
        if self._sink.topic_arn.endswith(".fifo"):
            arguments["MessageGroupId"] = notification.alert_id
            arguments["MessageDeduplicationId"] = f"{notification.alert_id}-{notification.state}-{notification.number}"
        self._sns().publish(TopicArn=self._sink.topic_arn, **arguments)

    def _sns(self) -> Any:
        if self._client is None:
            import boto3  # noqa: PLC0415 optional, and slow to load
            from botocore.config import Config  # noqa: PLC0415

            bounds = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
            region = self._sink.region or self._sink.topic_arn.split(":")[3]
            self._client = boto3.client("sns", region_name=region, endpoint_url=self._sink.url or None, config=bounds)
        return self._client

    async def _call(self, function: Any, *arguments: Any) -> None:
        try:
            async with asyncio.timeout(ATTEMPT_BOUND):
                await asyncio.to_thread(function, *arguments)
        except ImportError:
            raise RefusedError("boto3 is not installed: `pip install mailgap[aws]`") from None
        except TimeoutError as error:
            raise UnavailableError(_why(error)) from None
        except Exception as error:
            raise _of_aws(error) from error


def _of_aws(error: Exception) -> Exception:
    """What botocore's errors mean; any that is none of its own is a bug and stays as it is."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 optional

    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        what = f"{code} (HTTP {status})"
        again = code in _AWS_RETRY or status >= 500 or status == _TOO_MANY  # noqa: PLR2004 their own failures
        return UnavailableError(what) if again else RefusedError(what)
    if isinstance(error, BotoCoreError):
        return UnavailableError(type(error).__name__)
    return error


def _why(error: BaseException) -> str:
    """Without the address, which may be a secret."""
    if isinstance(error, TimeoutError):
        return f"no answer within {ATTEMPT_BOUND:g} s"
    why = getattr(getattr(error, "os_error", error), "strerror", None)
    return f"{type(error).__name__}: {why}" if why else type(error).__name__


def pause_of(retry_after: str, now: float) -> float:
    """Seconds of a Retry-After header, which holds seconds or a date; 0 where it holds neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_PAUSE)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(at - now, 0.0), LONGEST_PAUSE)
