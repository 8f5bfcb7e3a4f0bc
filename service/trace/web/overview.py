"""What pages show that the API says in several answers: the overview, and a story in lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from service.contract.wire import instant_of
from service.story_words import clock
from service.trace.web.charts import Bar, bars
from service.trace.web.parameters import GroupsAsked, HistoryAsked

if TYPE_CHECKING:
    from markupsafe import Markup

    from service.story import Judgement, Step, Story
    from service.trace.sources import Health
    from service.trace.summary import Funnel, Statistics
    from service.trace.web.answers import GapGroups
    from service.trace.web.parameters import StatisticsAsked
    from service.trace.web.site import Site

_SECOND: Final = 1000
_FEW: Final = 2
"""So many verdicts of one cause are read in full: a mail may have fifty recipients."""

LANES: Final = ("application", "SES", "provider", "mailbox")
"""The way of a mail."""

_LANE_OF: Final = {
    "sent": "SES",
    "rejected": "SES",
    "rendering_failed": "SES",
    "found_by_message_id": "SES",
    "not_found_by_message_id": "SES",
    "accepted": "SES",
    "unconfirmed": "SES",
    "delayed": "provider",
    "bounced": "provider",
    "delivered": "provider",
    "complained": "mailbox",
    "not_spam": "mailbox",
    "open": "mailbox",
    "click": "mailbox",
    "subscription": "mailbox",
}
_TONE_OF: Final = {
    "accepted": "well",
    "delivered": "well",
    "not_spam": "well",
    "found_by_message_id": "well",
    "open": "well",
    "click": "well",
    "refused": "bad",
    "bounced": "bad",
    "rejected": "bad",
    "rendering_failed": "bad",
    "complained": "bad",
    "not_found_by_message_id": "bad",
    "deferred": "warn",
    "delayed": "warn",
    "unconfirmed": "warn",
}


class Placed(NamedTuple):
    """A step of a story, in the lane where it happened; `since` is the time since the step before, as text."""

    step: Step
    lane: str
    tone: str
    since: str


class Lot(NamedTuple):
    """What is to be said of recipients that fared alike: of the first of them in full, the others by name."""

    judgement: Judgement
    others: tuple[str, ...]


class Stage(NamedTuple):
    """One stage of the funnel, and which share of the first one came so far."""

    name: str
    recipients: int
    share: float
    lost: str
    """What became of the others, in words."""


class Overview(NamedTuple):
    """All that the first page shows."""

    statistics: Statistics
    funnel: list[Stage]
    open_by_cause: GapGroups
    health: Health
    mails_chart: Markup
    gaps_chart: Markup


def view(site: Site, asked: StatisticsAsked) -> Overview:
    """Asks for everything. Raises `ProblemError`."""
    statistics = site.statistics(asked)
    history = site.history(HistoryAsked(since=asked.since, until=asked.until, stream=asked.stream))
    per_hour = [
        Bar(_hour(hour.start), (("delivered", hour.delivered), ("failed", hour.failed), ("open", hour.open)))
        for hour in statistics.hours
    ]
    opened = [Bar(_hour(each.start), (("opened", each.opened),)) for each in history.spans]
    most = max((each.opened for each in history.spans), default=0)
    ended = sum(each.ended for each in history.spans)
    return Overview(
        statistics=statistics,
        funnel=stages(statistics.funnel),
        open_by_cause=site.groups(GroupsAsked(by="cause", stream=asked.stream)),
        health=site.health(),
        mails_chart=bars(
            f"Recipients by hour: {statistics.funnel.handed_over:,} in all, {statistics.funnel.delivered:,} delivered",
            per_hour,
        ),
        gaps_chart=bars(
            f"Gaps that opened by hour: {sum(each.opened for each in history.spans):,} in all, at most {most:,} in one"
            f" hour; {ended:,} ended",
            opened,
        ),
    )


def _hour(start: str) -> str:
    return f"{clock(start)[:16]} UTC"


def stages(funnel: Funnel) -> list[Stage]:
    """The funnel from the top."""
    first = funnel.handed_over
    said = (
        ("handed over", first, ""),
        ("accepted by SES", funnel.accepted, "have no id from SES (yet)"),
        ("answered for", funnel.answered, "wait for a final event"),
        ("delivered", funnel.delivered, "bounced, were suppressed or rejected"),
    )
    found: list[Stage] = []
    before = first
    for name, recipients, lost in said:
        missing = before - recipients
        found.append(
            Stage(name, recipients, recipients / first if first else 0, f"{missing:,} {lost}" if missing else "")
        )
        before = recipients
    return found


def lots(story: Story) -> list[Lot]:
    """The story's verdicts; where more than a few have one cause, what is to be done is said once.

    Their replies stand beside each recipient all the same.
    """
    by_cause: dict[str, list[Judgement]] = {}
    for judgement in story.verdicts:
        by_cause.setdefault(judgement.cause, []).append(judgement)
    found: list[Lot] = []
    for alike in by_cause.values():
        if len(alike) <= _FEW:
            found += [Lot(judgement, ()) for judgement in alike]
        else:
            found.append(Lot(alike[0], tuple(name for judgement in alike[1:] for name in judgement.recipients)))
    return found


def lanes(story: Story) -> list[Placed]:
    """The story's steps, each in its lane."""
    placed: list[Placed] = []
    before = None
    for step in story.steps:
        lane = _LANE_OF.get(step.fact, "application" if step.source == "smtp" else "SES")
        at = instant_of(step.at)
        placed.append(Placed(step, lane, _TONE_OF.get(step.fact, ""), "" if before is None else _took(at - before)))
        before = at
    return placed


def _took(millis: int) -> str:
    if millis < _SECOND:
        return f"+{millis} ms" if millis > 0 else ""
    seconds = millis // 1000
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"+{hours} h {minutes} min" if hours else f"+{minutes} min {seconds} s" if minutes else f"+{seconds} s"
