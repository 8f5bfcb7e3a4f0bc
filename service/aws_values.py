"""How the settings of what talks to AWS are read; as in `service.setting_values`, an error is one sentence."""

from __future__ import annotations

import re
from typing import Final

from service.setting_values import SettingsError, words

MOST_POLLERS: Final = 64
MOST_RECEIVES: Final = 1000
_ACCOUNT: Final = re.compile(r"[0-9]{12}").fullmatch
_TOPIC: Final = re.compile(r"arn:aws[a-z-]{0,16}:sns:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_.-]{1,256}").fullmatch
_ENDPOINT: Final = re.compile(r"https?://[^\s/?#\"<>@]{1,253}/?").fullmatch
_TRUTHS: Final = {word: n < 4 for n, word in enumerate(("true", "1", "yes", "on", "false", "0", "no", "off"))}  # noqa: PLR2004 four each


def truth(value: object, where: str) -> bool:
    """Yes or no, in the words of YAML and of shells."""
    found = _TRUTHS.get(str(value).strip().lower())
    if found is None:
        raise SettingsError(f"{where}: {value!r} is neither true nor false")
    return found


def accounts(value: object, where: str) -> tuple[str, ...]:
    """AWS accounts. (In YAML they must be quoted: one with a leading zero is another number.)"""
    for account in (found := words(value, where)):
        if not _ACCOUNT(account):
            raise SettingsError(f"{where}: {account!r} is no AWS account; give its twelve digits, in quotes")
    return found


def topic_arns(value: object, where: str) -> tuple[str, ...]:
    """SNS topics by their ARNs."""
    for arn in (found := words(value, where)):
        if not _TOPIC(arn):
            raise SettingsError(
                f"{where}: {arn!r} is no SNS topic; give one like arn:aws:sns:eu-west-1:123456789012:ses"
            )
    return found


def endpoint(value: object, where: str) -> str:
    """The address of an interface."""
    if not _ENDPOINT(str(value)):
        raise SettingsError(f"{where}: {value!r} is no address; give one like http://127.0.0.1:4566")
    return str(value)
