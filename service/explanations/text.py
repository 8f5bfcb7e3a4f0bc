"""The shape of an explanation."""

from __future__ import annotations

import msgspec

from service.contract.enums import Stage


class Text(msgspec.Struct, frozen=True):
    """What a cause means and what to do next, as templates over the fields of `explain.Circumstances`.

    `runbook` is the name of a page in the runbooks' folder, without `.md`; causes with the same remedy share one.
    """

    stage: Stage
    explanation: str
    next_step: str
    runbook: str
