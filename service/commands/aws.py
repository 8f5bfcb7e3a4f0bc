"""What commands that ask AWS have in common. boto3 is loaded only where somebody asks: an extra, and slow to load."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING

from service.commands.common import Failure

if TYPE_CHECKING:
    from service.aws.evidence import Evidence, Wanted
    from service.aws.ses import Regions
    from service.settings import Settings


def need_boto() -> None:
    """Raises `Failure` where the extra is not installed."""
    if find_spec("boto3") is None or find_spec("cryptography") is None:
        raise Failure("boto3 or cryptography is not installed: install mailgap with its extra `aws`")
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where credentials were found


def regions_of(settings: Settings) -> Regions | None:
    """What is asked, where --ask-aws says so. Raises `Failure`."""
    if not settings.ask_aws:
        return None
    need_boto()
    from service.aws.clients import AwsError  # noqa: PLC0415 only who asks pays for loading boto3
    from service.aws.ses import Regions  # noqa: PLC0415

    try:
        return Regions(settings.region, settings.endpoint_url)
    except AwsError as error:
        raise Failure(str(error)) from error


def asked(regions: Regions, wanted: Wanted) -> tuple[Evidence, ...]:
    """What AWS says."""
    from service.aws.asking import ask  # noqa: PLC0415

    return ask(regions, wanted)


def account_says(regions: Regions, region: str | None) -> str:
    """What AWS says of the account in a region, as one sentence for whoever is told that SES refuses it."""
    from service.aws.evidence import Wanted  # noqa: PLC0415

    (found,) = asked(regions, Wanted(region, account=True))
    return f"AWS on the {found.about}: {found.says}." if found.answered else f"AWS cannot be asked: {found.says}."
