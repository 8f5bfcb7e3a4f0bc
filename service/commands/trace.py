"""`mailgap trace`: serves the trace page and its API."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from aiokafka.errors import KafkaError

from service import logs
from service.commands.aws import regions_of
from service.commands.common import Failure, logging_options, settings_of, settings_options
from service.edges.topics import KafkaUnusableError
from service.settings import SettingsError

if TYPE_CHECKING:
    from service.privacy import Pseudonyms
    from service.settings import Settings
    from service.trace.store.store import Store

_BATCH: Final = 5_000
_LONGEST_LINE: Final = 16 << 20


@click.command()
@settings_options(
    "bootstrap_servers",
    "prefix",
    "policy_file",
    "addresses",
    "pseudonym_key_file",
    "former_key_files",
    "http_bind",
    "runbooks",
    "trace_store",
    "trace_retention",
    "trace_tokens_file",
    "trace_proxies",
    "trace_unmask_groups",
    "ask_aws",
    "region",
    "endpoint_url",
)
@click.option("--from", "source", metavar="FILE", help="Show what `scan --format jsonl` wrote (- is standard input).")
@click.option("--serve-only", is_flag=True, help="Show what the store holds; another page follows Kafka into it.")
@logging_options
def trace(
    source: str | None, log_level: str, log_format: str, config: str | None, *, serve_only: bool, **flags: Any
) -> None:
    """Serve a page, and an API, that say what became of each mail.

    Follows the correlated topic into a store of its own, and answers by SES id, queue id, Message-ID, recipient or
    sender. With --from it needs no Kafka, and keeps nothing unless --trace-store is given; with --addresses raw, the
    file's addresses can be shown. On 127.0.0.1 whoever is on
    the machine may read; anywhere else people need a token or a proxy that signs them in.

    With --ask-aws whoever may see addresses may ask SES about a mail (why its recipient is suppressed, say), and the
    account's state is among the metrics. deploy/iam/ has the least policies.
    """
    from service.trace import serving  # noqa: PLC0415 only the page pays for loading its framework
    from service.trace.store.database import StoreError  # noqa: PLC0415
    from service.trace.store.store import open_store  # noqa: PLC0415

    logs.set_up(log_level, log_format)
    if source is not None and serve_only:
        raise click.UsageError("--from and --serve-only: one shows a file, the other a store; give one of them")
    settings = settings_of(flags, config)
    try:
        policy, access, keys = settings.policy(), serving.access(settings, own_file=source is not None), _keys(settings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    regions = regions_of(settings)
    with ExitStack() as stack:
        where = settings.trace_store
        if source is not None and flags.get("trace_store") is None:
            where = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailgap-"))) / "trail.db")
        try:
            listener = stack.enter_context(serving.listen(settings.http_bind))
            store = open_store(where)
            stack.callback(store.close)
            if source is not None:
                load(store, source)
            follow = source is None and not serve_only
            service = serving.Service(settings, store, access, keys, policy, follow=follow, aws=regions)
            click.echo("mailgap trace: http://{}:{}/".format(*listener.getsockname()[:2]), err=True)
            asyncio.run(service.run(listener))
        except (StoreError, KafkaUnusableError, OSError) as error:
            raise Failure(str(error)) from error
        except KafkaError as error:
            said = " ".join(str(error).split())
            raise Failure(f"Kafka refused or broke off: {said}; look at the brokers' log, and try again") from error
    sys.exit(0)


def _keys(settings: Settings) -> list[Pseudonyms]:
    """The key, where there is one, and the former ones: ids can be looked for without."""
    former = settings.former_pseudonyms()
    try:
        hide = settings.pseudonyms()
    except SettingsError:
        if settings.pseudonym_key_file is not None:
            raise
        return former
    return [hide, *former] if hide else former


def load(store: Store, source: str) -> None:
    """Keeps the records of a file, one a line. Raises `Failure` for a line that is none."""
    from service.trace.entry import entry  # noqa: PLC0415
    from service.trace.store.writing import Batch  # noqa: PLC0415

    batch = Batch()
    try:
        with click.open_file(source, "rb") as lines:
            number = 0
            while line := lines.readline(_LONGEST_LINE):
                number += 1
                if not line.strip():
                    continue
                value = line.strip()
                batch.entries.append(entry(_id(value), value))
                if len(batch.entries) >= _BATCH:
                    store.write(batch)
                    batch = Batch()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Failure(
            f"{source}:{number}: is no correlated record ({error}): give what `scan --format jsonl` wrote"
        ) from error
    store.write(batch)


class _Identified(msgspec.Struct):
    mail_id: str


def _id(value: bytes) -> str:
    return msgspec.json.decode(value, type=_Identified).mail_id
