"""What SES knows of an account: its state, its suppression list, its identities, what its configuration sets publish.

It only reads. It asks no oftener than SES allows (a call a second; it throttles whoever asks more), and an answer is
remembered for a minute. All calls block; threads may share it. What an answer means is for `service.aws.evidence` and
`service.aws.publishing` to say.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import boto3

from service.aws.clients import AwsError, Trouble, client, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    _T = TypeVar("_T")

EVERY: Final = 1.0
"""Seconds between two calls: SES takes no more than one of each a second."""
REMEMBERED: Final = 60.0
"""Seconds for which an answer is good."""
PATIENCE: Final = 10.0
"""Seconds that somebody waits for their turn at most."""
MOST_ANSWERS: Final = 1000
MOST_SETS: Final = 1000
_PAGE: Final = 100


class Account(NamedTuple):
    """An account in one region. `sent` and `quota` in mails over 24 hours, `rate` in mails a second; -1: no limit."""

    region: str
    sending: bool
    enforcement: str
    """HEALTHY, PROBATION (SES reviews it) or SHUTDOWN (SES has paused it)."""
    production: bool
    """Out of the sandbox: it may send to addresses that were not verified."""
    quota: float
    sent: float
    rate: float


class Suppressed(NamedTuple):
    """An address on the account's suppression list. `reason`: BOUNCE or COMPLAINT; `mail`: the SES id of its mail."""

    since: datetime
    reason: str
    mail: str


class Identity(NamedTuple):
    """A domain or an address that may send. `status` and `error` in SES's own words."""

    name: str
    verified: bool
    status: str
    error: str


class Destination(NamedTuple):
    """Where a configuration set publishes these events to. `kind` as SES has it, without `Destination`."""

    name: str
    kind: str
    enabled: bool
    events: frozenset[str]


class Pace:
    """Turns: one at a time, and `every` seconds apart."""

    def __init__(
        self,
        every: float = EVERY,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`clock` and `sleep` in seconds."""
        self._every, self._clock, self._sleep = every, clock, sleep
        self._next, self._lock = clock(), Lock()

    def wait(self, what: str) -> None:
        """Returns when it is one's turn. Raises `AwsError` where that would take longer than `PATIENCE`."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            if turn - now > PATIENCE:
                raise AwsError(Trouble.THROTTLED, f"{what}: too many questions wait for SES already: ask again later")
            self._next = turn + self._every
        self._sleep(turn - now)


class Ses:
    """Of one account in one region."""

    def __init__(self, made: Any, pace: Pace | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`made`: boto3's client of `sesv2`."""
        self._client, self._pace, self._clock = made, pace or Pace(), clock
        self.region: Final[str] = made.meta.region_name
        self._known: OrderedDict[tuple[str, str], tuple[float, Any]] = OrderedDict()
        self._lock = Lock()

    def account(self) -> Account:
        """Whether it may send, and how much. Raises `AwsError`."""
        return self._asked("account", "", self._account)

    def suppressed(self, address: str) -> Suppressed | None:
        """Since when an address is on the account's list, and why; None where it is not on it. Raises `AwsError`."""
        return self._asked("suppression list", address, lambda: self._suppressed(address))

    def identity(self, name: str) -> Identity | None:
        """A domain or an address; None where the account has none of this name. Raises `AwsError`."""
        return self._asked("identity", name, lambda: self._identity(name))

    def destinations(self, configuration_set: str) -> tuple[Destination, ...] | None:
        """Where a set publishes its events; None where there is no such set. Raises `AwsError`."""
        return self._asked("configuration set", configuration_set, lambda: self._destinations(configuration_set))

    def configuration_sets(self) -> tuple[str, ...]:
        """The names of all sets, at most `MOST_SETS`. Raises `AwsError`."""
        return self._asked("configuration sets", "", lambda: tuple(self._configuration_sets()))

    def _asked(self, what: str, about: str, ask: Callable[[], _T]) -> _T:
        """The answer that is remembered, or a new one. An error is not remembered: it may be mended by now."""
        key = what, about
        with self._lock:
            until, answer = self._known.get(key, (0.0, None))
        if self._clock() < until:
            return answer  # type: ignore[no-any-return] # what `ask` returned for the same key
        answer = ask()
        with self._lock:
            self._known[key] = self._clock() + REMEMBERED, answer
            self._known.move_to_end(key)
            while len(self._known) > MOST_ANSWERS:
                self._known.popitem(last=False)
        return answer

    def _call(self, what: str, call: Callable[[], Any]) -> Any:
        what = f"SES's {what} in {self.region}"
        self._pace.wait(what)
        return said(what, call)

    def _found(self, what: str, call: Callable[[], Any]) -> Any:
        """None where SES says that there is none."""
        try:
            return self._call(what, call)
        except AwsError as error:
            if error.code == "NotFoundException":
                return None
            raise

    def _account(self) -> Account:
        found = self._call("account", self._client.get_account)
        quota = found.get("SendQuota", {})
        return Account(
            region=self.region,
            sending=bool(found.get("SendingEnabled", False)),
            enforcement=str(found.get("EnforcementStatus", "")),
            production=bool(found.get("ProductionAccessEnabled", False)),
            quota=float(quota.get("Max24HourSend", 0)),
            sent=float(quota.get("SentLast24Hours", 0)),
            rate=float(quota.get("MaxSendRate", 0)),
        )

    def _suppressed(self, address: str) -> Suppressed | None:
        ask = self._client.get_suppressed_destination
        found = self._found("suppression list", lambda: ask(EmailAddress=address)["SuppressedDestination"])
        if found is None:
            return None
        return Suppressed(found["LastUpdateTime"], found["Reason"], found.get("Attributes", {}).get("MessageId", ""))

    def _identity(self, name: str) -> Identity | None:
        found = self._found("identities", lambda: self._client.get_email_identity(EmailIdentity=name))
        if found is None:
            return None
        error = found.get("VerificationInfo", {}).get("ErrorType", "")
        return Identity(name, bool(found.get("VerifiedForSendingStatus")), found.get("VerificationStatus", ""), error)

    def _destinations(self, name: str) -> tuple[Destination, ...] | None:
        ask = self._client.get_configuration_set_event_destinations
        found = self._found(f"configuration set {name}", lambda: ask(ConfigurationSetName=name))
        return None if found is None else tuple(map(_destination, found.get("EventDestinations", [])))

    def _configuration_sets(self) -> Iterator[str]:
        ask = self._client.list_configuration_sets
        more: dict[str, str] = {}
        for _ in range(MOST_SETS // _PAGE):
            page = self._call("configuration sets", partial(ask, PageSize=_PAGE, **more))
            yield from page.get("ConfigurationSets", [])
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}


def _destination(found: dict[str, Any]) -> Destination:
    kind = next((name for name in found if name.endswith("Destination")), "")
    events = frozenset(found.get("MatchingEventTypes", []))
    return Destination(found["Name"], kind.removesuffix("Destination"), bool(found.get("Enabled", False)), events)


class Regions:
    """`Ses` in each region that is asked about. What a mail says of its region leads to no host but AWS's own."""

    def __init__(self, region: str | None, endpoint: str | None) -> None:
        """`region`: where none is said. Raises `AwsError` where there is none at all."""
        self._endpoint = endpoint
        self._default = Ses(client("sesv2", region, endpoint))
        self._made = {self._default.region: self._default}
        self._lock = Lock()

    def of(self, region: str | None = None) -> Ses:
        """Of that region, where AWS has SES there; else of the one that was set. Raises `AwsError`."""
        with self._lock:
            if region is None or region in self._made:
                return self._made.get(region or "", self._default)
            if region not in said("regions", lambda: boto3.Session().get_available_regions("sesv2")):
                return self._default
            return self._made.setdefault(region, Ses(client("sesv2", region, self._endpoint)))
