"""The compose file as a compose program reads it, and its pieces as processes of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy/compose"
FILE = FOLDER / "compose.yaml"
OURS = "mailgap:local"


def read(given: dict[str, str] | None = None) -> dict[str, Any]:
    """The document, with `${NAME:-default}` filled in from `given` and `$$` as a dollar."""

    def filled(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else (given or {}).get(found["name"], found["default"])

    text = re.sub(r"\$\$|\$\{(?P<name>[A-Z_]+):-(?P<default>[^}]*)\}", filled, FILE.read_text())
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


SERVICES: dict[str, dict[str, Any]] = read()["services"]
MAILGAP = {name: service for name, service in SERVICES.items() if service["image"] == OURS}


def binds(service: dict[str, Any]) -> dict[str, Path]:
    """Where in the container which file or folder of the repository is."""
    return {
        volume["target"]: (FOLDER / volume["source"]).resolve()
        for volume in service.get("volumes", [])
        if volume["type"] == "bind"
    }


def mounted(service: dict[str, Any], path: str) -> bool:
    """Whether a path of the container comes from a mount."""
    targets = [volume["target"] for volume in service.get("volumes", [])]
    return any(path == target or path.startswith(f"{target}/") for target in targets)


def command(service: dict[str, Any]) -> list[str]:
    """The words after `mailgap`."""
    return [str(word) for word in service["command"]]


def properties(environment: dict[str, str]) -> dict[str, str]:
    """Kafka's own properties, out of what its image takes them from (none of ours has `_` or `-` in its name)."""
    return {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in environment.items()
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
