"""The metrics of `mailgap feed`; a part of the catalogue in `service.metrics`. `log` is what was given with --file or
`journal`, never a file's own name, of which a pattern may find any number.
"""

from __future__ import annotations

from typing import Final

from service.metrics import counter, gauge

FEED_LINES: Final = counter(
    "mailgap_feed_lines_total", "Lines that Kafka has acknowledged.", "Whether logs come to Kafka at all.", "log"
)
FEED_REFUSED: Final = counter(
    "mailgap_feed_refused_total",
    "Lines that are larger than the topic takes; each still stands in its file.",
    "Evidence that nobody will read.",
    "log",
)
FEED_LOST: Final = counter(
    "mailgap_feed_lost_total",
    "Files that were rotated before they were read to their end, and could not be found again.",
    "Rotation that is quicker than we are, or that takes files elsewhere.",
    "log",
)
FEED_ERRORS: Final = counter(
    "mailgap_feed_errors_total", "Failures (read, kafka).", "What it waits for.", "log", "call"
)
FEED_FILES: Final = gauge("mailgap_feed_files", "Files that are open.", "A pattern that finds none.", "log")
FEED_WAITING: Final = gauge(
    "mailgap_feed_waiting_bytes", "Bytes of open files that were not sent yet.", "Whether it keeps up.", "log"
)
