"""Stories that nobody thought of: some mails, and whatever may happen to each, with watermarks in between."""

from __future__ import annotations

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

SUBMISSIONS = (
    lambda story, mail: story.submitted(mail),
    lambda story, mail: story.submitted(mail),
    lambda story, mail: story.started(mail),
    lambda story, mail: story.queued(mail),
    lambda story, _: story,
)
OF_THE_TAKEN = (
    lambda story, mail, who: story.accepted(mail, *who),
    lambda story, mail, who: story.accepted(mail, *who),
    lambda story, mail, who: story.deferred(mail, *who, why=THROTTLED),
    lambda story, mail, who: story.deferred(mail, *who, why=LOST),
    lambda story, mail, who: story.unconfirmed(mail, *who),
    lambda story, mail, _: story.elsewhere(mail, "dora@partner.example"),
)
OF_THE_REFUSED = (
    lambda story, mail, who: story.refused(mail, *who),
    lambda story, mail, who: story.refused(mail, *who, why=TIMED_OUT),
    lambda story, mail, who: story.deferred(mail, *who, why=TIMED_OUT),
)
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


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A story of one to three mails, told in full: its last watermark is after every deadline."""
    story = Story(policy=draw(st.sampled_from(POLICIES)))
    mails = [_mail(draw, story, number) for number in range(draw(st.integers(1, 3)))]
    parts = [part for mail in mails for part in _parts(draw, story, mail)]
    first = [_beginning(draw, mail) for mail in mails]
    now = 1
    for step in range(draw(st.integers(1, 14))):
        now = min(now + draw(st.sampled_from(PAUSES)), 18 * 3600)
        for mail, submit, when in first:  # the log begins with it, but may be shipped late
            if when == step:
                submit(story.at("0s", read=f"{now}s"), mail)
        if step == 0:
            story.state()  # what is read after it comes after it
        if draw(st.integers(0, 4)) == 0:
            _watermark(draw, story, now)
            continue
        late = draw(st.sampled_from((0, 0, 0, 0, 5, 40 * 60)))
        story.at(f"{max(now - late, 1)}s", read=f"{now}s")
        part, happenings = draw(st.sampled_from(parts))
        who = draw(st.sets(st.sampled_from(part.recipients)))
        draw(st.sampled_from(happenings))(story, part, sorted(who))
    for mail in mails:
        if len(mail.recipients) > 1 or draw(st.booleans()):
            story.at(f"{now + 1}s").removed(mail)
    return story.watermark("36h")


def _parts(draw: st.DrawFn, story: Story, mail: Mail) -> list[tuple[Mail, tuple[Callable[..., Story], ...]]]:
    """Those recipients of whom SES takes a copy, and those whom it refuses: what it refused, it does not speak of."""
    taken = mail.recipients[draw(st.sampled_from((0, 0, 0, 1, 2, 3))) :]
    refused = [recipient for recipient in mail.recipients if recipient not in taken]
    both = ((taken, OF_THE_TAKEN + EVENTS), (refused, OF_THE_REFUSED))
    return [(story.part(mail, *some), happenings) for some, happenings in both if some]


def _beginning(draw: st.DrawFn, mail: Mail) -> tuple[Mail, Callable[[Story, Mail], Story], int]:
    """Which of the first lines are there, and when they are read.

    How many recipients there are must be known before the first of them is spoken of, and at the end that there are no
    more: a gap that has ended because nobody was left is not opened again for somebody who turns up (rule 3). And that
    it is a bounce notice must be known before its Message-ID is asked for anything.
    """
    if len(mail.recipients) > 1 or not mail.sender:
        return mail, SUBMISSIONS[0], 0
    return mail, draw(st.sampled_from(SUBMISSIONS)), draw(st.integers(0, 5))


def _mail(draw: st.DrawFn, story: Story, number: int) -> Mail:
    # One Message-ID may stand for several mails, but not for several to one recipient: which is which, nobody can say.
    everybody = [f"{name}-{number}@example.com" for name in ("ann", "bob", "carl")]
    return story.mail(
        *everybody[: draw(st.integers(1, 3))],
        sender=draw(st.sampled_from(("no-reply@shop.example", "no-reply@shop.example", ""))),
        configuration_set=draw(st.sampled_from(("transactional", "otp", ""))),
        message_id=draw(st.sampled_from((None, None, "", "the-same@app.shop.example"))),
    )


def _watermark(draw: st.DrawFn, story: Story, now: int) -> None:
    match draw(st.sampled_from(("both", "both", "smtp", "ses"))):
        case "smtp":
            story.watermark(smtp=f"{now}s")
        case "ses":
            story.watermark(ses=f"{now}s")
        case _:
            story.watermark(f"{now}s")
