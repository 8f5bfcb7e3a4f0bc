"""One thing that `mailgap doctor` looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    LOOK = "look"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says how to mend it, empty where nothing is to be done."""

    part: str
    what: str
    state: State
    found: str
    advice: str = ""
