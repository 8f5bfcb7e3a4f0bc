"""What is to be simulated, and whether it can be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from service.simulation.deadlines import SECOND, PlanError, Policy
from service.simulation.envelopes import ENVELOPES
from service.simulation.fates import FATES, ORDINARY, Fate
from service.simulation.servers import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.facts import Instant
    from service.simulation.transport import Stall

_USUAL: Final = {
    "delivered": 88.0, "each_its_own": 0.5, "bounced": 1.5, "soft_bounced": 0.5, "suppressed": 0.8, "rejected": 0.1,
    "complained": 0.1, "delayed": 1.5, "throttled": 1.5, "by_the_api": 2.0,
}  # fmt: skip
"""Shares of an ordinary day, in percent; of every other fate there is a tenth of a percent."""
_RARE: Final = 0.1
_EVEN: Final = 50.0
MOST_MAILS: Final = 1_000_000_000
SLOWEST: Final = 0.001
FASTEST: Final = 1_000_000
MOST_RECIPIENTS: Final = 50
"""SES takes no more of one mail."""
MOST_HOSTS: Final = 500
"""Each has a file of its own, and a process may open so many."""
EARLIEST: Final = 946_684_800 * SECOND
LATEST: Final = 4_102_444_800 * SECOND


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. The same plan makes the same records, byte for byte."""

    mails: int
    rate: float
    """Mails a second."""
    seed: int
    start: Instant
    policy: Policy = field(default_factory=Policy)
    mix: str = "usual"
    recipients: int = 3
    """The most that a mail has."""
    hosts: int = 8
    dialects: tuple[str, ...] = tuple(DIALECTS)
    envelopes: tuple[str, ...] = tuple(ENVELOPES)
    lateness: int = 0
    duplicates: float = 0.02
    reordered: float = 0.0
    skew: int = 0
    stalls: tuple[Stall, ...] = ()

    def __post_init__(self) -> None:
        length(self.mails, self.rate)
        _within("--recipients", self.recipients, 1, MOST_RECIPIENTS)
        _within("--hosts", self.hosts, 1, MOST_HOSTS)
        _within("--duplicates", self.duplicates, 0, 1)
        _within("--reorder", self.reordered, 0, 1)
        if not EARLIEST <= self.start <= LATEST:
            raise PlanError("--start: the run has to lie between the years 2000 and 2100; SES ids bear its time")
        if self.lateness * 3 > self.policy.grace:
            raise PlanError(
                f"--lateness: what comes {self.lateness / SECOND:g} s late, and overtaken twice as much, may come after"
                f" the grace of {self.policy.grace / SECOND:g} s: no verdict is promised then; allow a third of it"
            )
        self.weights()

    @property
    def tag(self) -> str:
        """What tells the names of this run from those of any other."""
        return "r" + hashlib.blake2b(f"{self.seed} {self.start}".encode(), digest_size=4).hexdigest()

    @property
    def margin(self) -> int:
        """How far from a deadline things happen, in milliseconds: stamps are whole seconds, and records come late."""
        return 1500 + self.lateness

    def weights(self) -> dict[Fate, float]:
        """The fates that can occur here and how often. Raises `PlanError`."""
        able = {fate for fate in FATES.values() if self._can(fate)}
        wanted = _mix(self.mix, able)
        unable = sorted(fate.name for fate in wanted if fate not in able)
        if unable:
            raise PlanError(f"--mix: {unable[0]} cannot occur with these hosts, recipients or this policy")
        return wanted

    def _can(self, fate: Fate) -> bool:
        defaults = self.policy.defaults
        return (
            any(fate.can(DIALECTS[name]) for name in self.dialects)
            and fate.few <= self.recipients
            and (self.policy.message_id_join or not fate.message_id)
            and (self.policy.unlogged_send or fate.name != "unlogged")
            and (defaults.max_delivery > defaults.first_event + 2 * SECOND or fate.name != "first_event_late")
        )


def length(mails: int, rate: float) -> int:
    """How long the mails of a run take, in milliseconds. Raises `PlanError`."""
    _within("--mails", mails, 1, MOST_MAILS)
    _within("--rate", rate, SLOWEST, FASTEST)
    return int(mails / rate * SECOND)


def _within(flag: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # NaN is not, either
        raise PlanError(f"{flag}: {value:g} does not do; give something from {least:g} to {most:g}")


def _mix(text: str, able: set[Fate]) -> dict[Fate, float]:
    """`usual`, `even`, or `delivered=90,silent=10`."""
    others = [fate for fate in FATES.values() if fate in able and fate is not ORDINARY]
    if text == "usual":
        return {fate: _USUAL.get(fate.name, _RARE) for fate in (ORDINARY, *others)}
    if text == "even":
        return {ORDINARY: _EVEN} | dict.fromkeys(others, _EVEN / len(others))
    wanted = dict(_share(item) for item in text.split(","))
    if not any(wanted.values()):
        raise PlanError(f"--mix: {text!r} leaves nothing to choose from; give at least one fate a share above 0")
    return wanted


def _share(item: str) -> tuple[Fate, float]:
    name, _, share = item.partition("=")
    fate = FATES.get(name.strip())
    if fate is None:
        raise PlanError(f"--mix: {name.strip()!r} is no fate; there are {', '.join(FATES)}")
    try:
        weight = float(share or 1)
    except ValueError:
        weight = -1
    if not 0 <= weight <= MOST_MAILS:
        raise PlanError(f"--mix: {item!r}: write a fate and its share, like silent=2.5")
    return fate, weight


def chosen(names: Iterable[str], known: Sequence[str], flag: str) -> tuple[str, ...]:
    """The names, where all are known; all that there are where none is given. Raises `PlanError`."""
    wanted = tuple(names) or tuple(known)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise PlanError(f"{flag}: {unknown[0]!r} is unknown; there are {', '.join(known)}")
    return wanted
