"""Conditions: what concerns many mails at once, and where to look."""

from __future__ import annotations

from typing import Final, NamedTuple

from service.contract.enums import Condition
from service.facts import Cause


class ConditionText(NamedTuple):
    """Templates over `what` (what it is about) and `cause`."""

    explanation: str
    next_step: str


TEXTS: Final = {
    Condition.SOURCE_STALLED: ConditionText(
        "Nothing more has come of {what}, while many mails wait for it. They are held: no gap is announced of them"
        " until it speaks again.",
        "Look at what brings it to Kafka: the log shipper of that host, or the path from SES's event destination (SNS,"
        " SQS, the bridge). Once it has caught up, the mails are judged by themselves.",
    ),
    Condition.FEED_MISSING: ConditionText(
        "Nothing ever came of {what}, while many mails wait for it. They are held: no gap is announced of them.",
        "Look whether the configuration set has an event destination that publishes Delivery, and whether it leads to"
        " mailgap's topics: `aws sesv2 get-configuration-set-event-destinations --configuration-set-name NAME`.",
    ),
    Condition.ACCOUNT_REFUSED: ConditionText(
        "SES refuses whatever is sent there ({what}): {cause}. This is no single mail's fault.",
        "Look at the account first: `aws sesv2 get-account --region REGION` (sending enabled, quota), then at the"
        " credentials and policies of the sender. The page of the cause says more.",
    ),
    Condition.EVIDENCE_LOST: ConditionText(
        "Records of {what} were removed from Kafka before mailgap had read them. What they said of mails is lost, so no"
        " gap is announced that they could have closed.",
        "Lengthen the topic's retention beyond the longest time that mailgap may be down, and look why it was behind."
        " What the archive still holds can be replayed (`mailgap scan` on the files).",
    ),
}


def words(condition: Condition, about: str) -> tuple[str, Cause | None]:
    """What a condition is about, as people say it; and SES's reason, where it is a refusal."""
    if condition is Condition.ACCOUNT_REFUSED:
        cause, _, region = about.partition("/")
        return f"{_REGION}{region}" if region else "a region that no line names", Cause(cause)
    if condition is Condition.EVIDENCE_LOST:
        topic, partition, offset = about.rsplit("/", 2)
        return f"{topic}, partition {partition}, from offset {offset}", None
    return _feed(about), None


def region_of(about: str) -> str | None:
    """The region in what `words` says of a refused account; None where no line named it."""
    return about.removeprefix(_REGION) if about.startswith(_REGION) else None


_REGION: Final = "region "


def _feed(name: str) -> str:
    kind, _, rest = name.partition(":")
    if kind == "smtp":
        return f"the log of {rest}" if rest else "the logs of all hosts"
    if rest.endswith("#delivery"):
        account, region, configuration_set = rest.removesuffix("#delivery").split("/", 2)
        where = f"configuration set {configuration_set}" if configuration_set else "mails without a configuration set"
        return f"the Delivery events of {where} ({region}, account {account})"
    return f"SES's events of region {rest}" if rest else "SES's events"
