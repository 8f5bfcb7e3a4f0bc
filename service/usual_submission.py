"""The submissions of which nearly every log consists: taken in once, for one recipient, and accepted by SES.

Decides nothing of its own: of what it takes, `service.lives`, `service.submission` and `service.judge_submission` would
say the same, and a property holds it to that. What is odd in any way it leaves to them. It is cheap enough for ingest,
which so tells SES's mail of its submission at once where all lines stand in one batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from service.facts import Accepted, Closed, Fact, Identified, Queued, Started, Told
from service.lives import is_of_application

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.facts import Instant, Sighting

_LEAST: Final = 3
_MOST: Final = 5
"""Facts: a start, a Message-ID, an envelope, an acceptance, an end."""


class UsualSubmission(NamedTuple):
    """What is known of one."""

    mail_id: str
    sender: str
    application: str
    ses_id: str
    took: int
    """Milliseconds from the first line to SES's answer."""
    told: Told
    """What SES's mail should know of it."""
    sighting: Sighting
    """Where its first line was read."""


def usual_submission(submission: str, facts: Mapping[Fact, Sighting]) -> UsualSubmission | None:
    """The submission; None where it is not a usual one, as far as these facts go."""
    if not _LEAST <= len(facts) <= _MOST or is_of_application(submission):
        return None
    found: dict[type, Any] = {type(fact): fact for fact in facts}
    started, queued, accepted = found.pop(Started, None), found.pop(Queued, None), found.pop(Accepted, None)
    identified, closed = found.pop(Identified, None), found.pop(Closed, None)
    if started is None or queued is None or accepted is None or found:
        return None
    lines: list[Any] = [line for line in (started, identified, queued, accepted, closed) if line is not None]
    if len(lines) != len(facts):
        return None
    begun: Instant = started.at
    last: Instant = closed.at if closed is not None else begun
    for line in lines:
        if line.floating or line.at < begun or (closed is not None and line.at > last):
            return None
    recipients: tuple[str, ...] = accepted.recipients
    if len(recipients) != 1 or not recipients[0] or queued.recipient_count > 1 or not queued.sender:
        return None
    if not accepted.ses_id or started.before or (closed is not None and closed.how != "removed"):
        return None
    message_id = identified.message_id if identified is not None else ""
    told = Told(begun, False, submission, queued.sender, message_id, recipients, started.application)  # noqa: FBT003
    return UsualSubmission(
        f"{submission}@{begun // 1000}",
        queued.sender,
        started.application,
        accepted.ses_id,
        accepted.at - begun,
        told,
        facts[started],
    )
