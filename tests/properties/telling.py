"""Stories that nobody thought of: some mails, and whatever may happen to each, with watermarks in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from service.policy import Policy, parse_policy
from tests.stories.story import LOST, THROTTLED, TIMED_OUT, Mail, Story

if TYPE_CHECKING:
    from collections.abc import Callable

POLICIES = (
    Policy(),
    parse_policy({"message_id_join": False}),
    parse_policy({"defaults": {"max_delivery": "30m"}, "unlogged_send": True}),
    parse_policy({"streams": [{"name": "otp", "match": {"configuration_set": "otp"}, "max_delivery": "30m"}]}),
)
PAUSES = (0, 0, 0, 1, 1, 2, 30, 8 * 60, 16 * 60, 3 * 3600)
LATE = (0, 0, 0, 0, 5, 40 * 60)

BEGINNINGS = (
    lambda story, mail: story.submitted(mail),
    lambda story, mail: story.submitted(mail),
    lambda story, mail: story.started(mail),
    lambda story, mail: story.queued(mail),
    lambda story, _: story,
)
TAKEN = (
    lambda story, mail: story.accepted(mail),
    lambda story, mail: story.accepted(mail),
    lambda story, mail: story.taken(mail).deferred(mail, why=LOST),
    lambda story, mail: story.taken(mail).unconfirmed(mail),
    lambda story, mail: story.taken(mail),  # the log breaks off
)
REFUSED = (
    lambda story, mail: story.refused(mail),
    lambda story, mail: story.refused(mail, why=TIMED_OUT),
    lambda story, mail: story.deferred(mail, why=LOST),  # and SES had nothing of it
)
OTHERS = (lambda story, mail: story.elsewhere(mail),)
EVENTS = (
    lambda story, mail, _: story.send(mail),
    lambda story, mail, _: story.send(mail, headers=False),
    lambda story, mail, who: story.delivery(mail, *who),
    lambda story, mail, who: story.delivery(mail, *who),
    lambda story, mail, who: story.bounce(mail, "Permanent/General", *who),
    lambda story, mail, who: story.bounce(mail, "Transient/General", *who),
    lambda story, mail, who: story.bounce(mail, "Transient/MailboxFull", *who),
    lambda story, mail, _: story.complaint(mail),
    lambda story, mail, _: story.complaint(mail, subtype="OnAccountSuppressionList"),
    lambda story, mail, who: story.delay(mail, *who, until="5h"),
    lambda story, mail, _: story.opened(mail),
    lambda story, mail, _: story.reject(mail),
    lambda story, mail, _: story.event(mail, "Novelty", {"x": 1}),
)


@dataclass
class Part:
    """Recipients who share a fate on the way to SES: deferred for a while, then this."""

    mail: Mail
    attempt: Callable[[Story, Mail], Story]
    tried: bool = False

    def goes_on(self, draw: st.DrawFn, story: Story) -> None:
        """One more thing happens: until SES takes it there are only lines, and after that only events."""
        if not self.tried and draw(st.booleans()):
            story.deferred(self.mail, why=THROTTLED)
        elif not self.tried:
            self.tried = True
            self.attempt(story, self.mail)
        elif self.mail.ses_id:
            who = draw(st.sets(st.sampled_from(self.mail.recipients)))
            draw(st.sampled_from(EVENTS))(story, self.mail, sorted(who))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A story of one to three mails, told in full: its last watermark is after every deadline."""
    story = Story(policy=draw(st.sampled_from(POLICIES)))
    mails = [_mail(draw, story, number) for number in range(draw(st.integers(1, 3)))]
    parts = [part for mail in mails for part in _parts(draw, story, mail)]
    first = [_beginning(draw, mail) for mail in mails]
    now = 1
    for step in range(draw(st.integers(1, 16))):
        now = min(now + draw(st.sampled_from(PAUSES)), 18 * 3600)
        for mail, begin, when in first:  # the log begins with it, but may be shipped late
            if when == step:
                begin(story.at("0s", read=f"{now}s"), mail)
        if step == 0:
            story.state()  # what is read after it comes after it
        if draw(st.integers(0, 4)) == 0:
            _watermark(draw, story, now)
            continue
        story.at(f"{max(now - draw(st.sampled_from(LATE)), 1)}s", read=f"{now}s")
        draw(st.sampled_from(parts)).goes_on(draw, story)
    story.state()
    for mail in mails:
        if len(mail.recipients) > 1 or draw(st.booleans()):
            story.at(f"{now + 1}s").removed(mail)
    return story.watermark("36h")


def _mail(draw: st.DrawFn, story: Story, number: int) -> Mail:
    everybody = [f"{name}-{number}@example.com" for name in ("ann", "bob", "carl")]
    return story.mail(
        *everybody[: draw(st.integers(1, 3))],
        sender=draw(st.sampled_from(("no-reply@shop.example", "no-reply@shop.example", ""))),
        configuration_set=draw(st.sampled_from(("transactional", "otp", ""))),
        message_id=draw(st.sampled_from((None, None, ""))),
    )


def _parts(draw: st.DrawFn, story: Story, mail: Mail) -> list[Part]:
    """Those recipients of whom SES takes a copy, those whom it refuses, and those who are not its business."""
    fates = (TAKEN, TAKEN, REFUSED, OTHERS)
    chosen = {recipient: draw(st.sampled_from(fates)) for recipient in mail.recipients}
    return [
        Part(story.part(mail, *some), draw(st.sampled_from(fate)))
        for fate in dict.fromkeys(fates)
        if (some := [recipient for recipient, kind in chosen.items() if kind is fate])
    ]


def _told_by_application(begin: Callable[[Story, Mail], Story]) -> Callable[[Story, Mail], Story]:
    return lambda story, mail: begin(story.mailer_said(mail), mail)


def _beginning(draw: st.DrawFn, mail: Mail) -> tuple[Mail, Callable[[Story, Mail], Story], int]:
    """Which of the first lines are there, and when they are read.

    How many recipients there are must be known before the first of them is spoken of, and at the end that there are no
    more: a gap that has ended because nobody was left is not opened again for somebody who turns up (rule 3). And that
    it is a bounce notice must be known before its Message-ID is asked for anything.
    """
    if len(mail.recipients) > 1 or not mail.sender:
        begin, when = BEGINNINGS[0], 0
    else:
        begin, when = draw(st.sampled_from(BEGINNINGS)), draw(st.integers(0, 5))
    if mail.sender and mail.message_id and draw(st.integers(0, 3)) == 0:
        begin = _told_by_application(begin)
    return mail, begin, when


def _watermark(draw: st.DrawFn, story: Story, now: int) -> None:
    match draw(st.sampled_from(("both", "both", "smtp", "ses"))):
        case "smtp":
            story.watermark(smtp=f"{now}s")
        case "ses":
            story.watermark(ses=f"{now}s")
        case _:
            story.watermark(f"{now}s")
