"""The worker's log: one JSON object a line for machines, or a line for people where a terminal is watching.

An event's name is the stem of the metric that counts the same (`gaps_opened` for `mailgap_gaps_opened_total`), and its
fields are that metric's labels. No address is ever logged, also where `--addresses raw` was chosen: a mail is named by
its id. What happens often is told in sums, so that a storm of ten thousand gaps makes a handful of lines.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from service.log_repeats import RepeatsHandler
from service.metrics import CATALOGUE
from service.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

FORMATS: Final = ("auto", "json", "text")
TOLD: Final = ("gaps_opened", "gaps_resolved", "refusals", "dead_letters")
"""What is counted and told; the rest is for graphs."""
LIFE: Final = frozenset(
    {"started", "stopped", "restored", "hole", "repeated", "unmasked", "swept", "subscription", "asked_aws"}
)
"""Events of a worker's own life, which no counter counts."""
_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    metric.name.removeprefix("mailgap_").removesuffix("_total"): metric.labels for metric in CATALOGUE
}

log: Final = logging.getLogger("mailgap.worker")


def fields(event: str, **values: object) -> dict[str, Any]:
    """The `extra` of a log call: its event and its fields."""
    return {"event": event, "fields": values}


class News:
    """Adds up what is to be told, until it is."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self._tally = Tally()

    def note(self, tally: Tally) -> None:
        """Something was counted."""
        for key, (number, mail) in tally.sums().items():
            if key[0] in TOLD:
                self._tally.add(key, mail, number)

    def tell(self) -> None:
        """One line for each name and labels since the last call, with the id of the latest mail."""
        tally, self._tally = self._tally, Tally()
        for key, (number, mail) in tally.sums().items():
            event, *labels = key
            values: dict[str, object] = {"count": number, **dict(zip(_LABELS[event], labels, strict=True))}
            if mail:
                values["mail_id"] = mail
            log.info(event, extra=fields(event, **values))


class JsonFormatter(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """As JSON, with the event's fields beside the usual ones."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", "log"),
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """A line for people; control characters of whatever is quoted are spelled out."""

    def __init__(self) -> None:
        """The same order as ever: time, level, who, what."""
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The message, and the event's fields as `name=value`."""
        said = [f"{name}={value}" for name, value in getattr(record, "fields", {}).items()]
        return " ".join([super().formatMessage(record), *said])


def set_up(level: str, form: str, stream: TextIO | None = None) -> None:
    """Logs to standard error in this form; `auto` is text on a terminal, else JSON."""
    stream = stream or sys.stderr
    handler = RepeatsHandler(stream)
    people = form == "text" or (form == "auto" and stream.isatty())
    handler.setFormatter(TextFormatter() if people else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
