"""What commands share: options made from the table of settings, and errors as one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import click

from service import logs
from service.edges.kafka_clients import security_options
from service.setting_security import SECURITY_KEYS
from service.settings import TABLE, Settings, SettingsError, load

_F = TypeVar("_F", bound=Callable[..., Any])

SEVERAL = frozenset(
    {
        *("smtp_topics", "ses_topics", "former_key_files", "trace_proxies", "trace_unmask_groups"),
        *("queues", "buckets", "allowed_accounts", "allowed_topics", "configuration_sets"),
        *("feed_files", "feed_journal"),
    }
)


class Failure(click.ClickException):
    """Something outside failed: one sentence, exit 1."""

    exit_code = 1


class ManyPaths(click.Command):
    """Takes several paths after one flag, as a shell expands them: `--smtp mail.log*` is `--smtp mail.log mail.log.1`.

    What follows such a flag is a path until the next flag, so arguments of the command itself stand before it.
    """

    FLAGS: tuple[str, ...] = ("--smtp", "--ses")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Writes the flag before each of its paths, and lets Click do the rest."""
        return super().parse_args(ctx, list(self._spelled_out(args)))

    def _spelled_out(self, args: list[str]) -> Iterator[str]:
        flag = ""
        due = False  # the flag stands there, and its first path does not yet
        for arg in args:
            if arg.startswith("-") and arg != "-":
                flag = arg if arg in self.FLAGS else ""
                due = bool(flag)
            elif flag and not due:
                yield flag
            else:
                due = False
            yield arg


def why(error: Exception) -> str:
    """What the system said of a file, in its own words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def printable(text: str) -> str:
    """The text with its control characters spelled out: what a mail says must not steer the terminal that shows it."""
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in text)


def settings_options(*keys: str, but: Mapping[str, object] | None = None) -> Callable[[_F], _F]:
    """Adds the flags of these settings, and `--config`. `but` are further ones, with defaults of this command's own.

    Whoever speaks to Kafka takes the flags of its security, too; unless they are named, the help does not list them.
    """
    own = but or {}
    unseen = set(SECURITY_KEYS) - set(keys) if "bootstrap_servers" in keys else set()
    taken = {*keys, *own, *unseen}

    def decorate(function: _F) -> _F:
        for setting in reversed([setting for setting in TABLE if setting.key in taken]):
            shown = f"{setting.help} [env: {setting.env}]"
            if setting.default is False:
                function = click.option(setting.flag, setting.key, is_flag=True, default=None, help=shown)(function)
                continue
            default = own.get(setting.key, setting.default)
            if default not in (None, ()):
                shown += f"  [default: {default}]"
            function = click.option(
                setting.flag,
                setting.key,
                default=None,
                multiple=setting.key in SEVERAL,
                help=shown,
                hidden=setting.key in unseen,
            )(function)
        return click.option("--config", default=None, help="YAML file with any of these settings.")(function)

    return decorate


def logging_options(function: _F) -> _F:
    """Adds the flags of what `logs.set_up` takes."""
    function = click.option(
        "--log-format",
        type=click.Choice(logs.FORMATS),
        default="auto",
        envvar="MAILGAP_LOG_FORMAT",
        help="JSON, or text for people; auto: text on a terminal.  [default: auto]",
    )(function)
    levels = click.Choice(["debug", "info", "warning"])
    return click.option("--log-level", type=levels, default="info", show_default=True)(function)


def settings_of(flags: dict[str, Any], config: str | None) -> Settings:
    """The settings; what is wrong with them is bad usage."""
    try:
        return load(flags, config=config)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def security_of(settings: Settings) -> dict[str, Any]:
    """What clients of Kafka are made with beside its address; what is wrong with it is bad usage."""
    try:
        return security_options(settings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
