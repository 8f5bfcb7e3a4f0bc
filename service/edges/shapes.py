"""The forms in which `scan` shows a mail. Each is bytes, so that another process may make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from service.contract.wire import encode
from service.edges.report import row

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.contract.correlated import Correlated

Cells = tuple[str, ...]
COLUMNS: Final = ("accepted or sent", "mail", "recipients", "outcome", "gap", "next step")

read_cells = msgspec.json.Decoder(Cells).decode
"""The cells of a row of the table, as its shape has them."""


def _cells(document: Correlated) -> bytes:
    other = "see its SES mail" if document.superseded_by else "unknown"
    outcomes = dict.fromkeys(recipient.outcome.value for recipient in document.recipients)
    gaps = [f"{gap.cause}{'' if gap.resolution is None else f' ({gap.resolution})'}" for gap in document.gaps]
    cells: Cells = (
        document.accepted_at or document.submitted_at or "",
        document.mail_id,
        ", ".join(recipient.address for recipient in document.recipients) or other,
        ", ".join(outcomes) or other,
        ", ".join(dict.fromkeys(gaps)),
        "" if document.verdict.cause in {"delivered", "in_progress"} else document.verdict.next_step,
    )
    return msgspec.json.encode(cells)


SHAPES: Final[dict[str, Callable[[Correlated], bytes]]] = {"jsonl": encode, "html": row, "table": _cells}
"""By the name of the format."""
