"""The demo's settings, and the worker's flags that say the same."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from service.demo.broker_servers import free_port
from service.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from service.demo.broker import LocalKafka
    from service.demo.files import Files


def settings_for(kafka: LocalKafka, scratch: Path, files: Files) -> Settings:
    """On the user's own broker, under a name that nobody else has."""
    key = scratch / "pseudonym.key"
    key.touch(mode=0o600)
    key.write_text(secrets.token_hex(32))
    prefix = f"mailgap-demo-{secrets.token_hex(4)}" if kafka.given else "mailgap"
    inputs = f"{prefix}-" if kafka.given else ""
    flags = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "prefix": prefix,
        "smtp_topics": (f"{inputs}app-smtp",),
        "ses_topics": (f"{inputs}ses-events",),
        "policy_file": str(files.policy),
        "addresses": "pseudonymous",
        "pseudonym_key_file": str(key),
        "http_bind": f"127.0.0.1:{free_port()}",
        "partitions": "4",
        "session_timeout": "6s",
    }
    return load(flags, environ=None if kafka.given else {})


def arguments(settings: Settings) -> list[str]:
    """The worker's flags."""
    flags = {
        "--bootstrap-servers": settings.bootstrap_servers,
        "--prefix": settings.prefix,
        "--smtp-topic": settings.smtp_topics[0],
        "--ses-topic": settings.ses_topics[0],
        "--policy": settings.policy_file,
        "--addresses": settings.addresses,
        "--pseudonym-key-file": settings.pseudonym_key_file,
        "--http-bind": f"{settings.http_bind[0]}:{settings.http_bind[1]}",
        "--log-format": "text",  # its last words are shown to the user
        "--session-timeout": f"{settings.session_timeout:g}s",
    }
    return [part for flag, value in flags.items() for part in (flag, str(value))]


def pseudonym(settings: Settings) -> Callable[[str], str]:
    """How an address stands in the worker's records."""
    pseudonyms = settings.pseudonyms({})
    return pseudonyms.address if pseudonyms else str
