"""The story without Kafka: the same files through `mailgap scan`, by the very pieces that the command is made of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from service.demo.findings import Findings
from service.documents import Documents
from service.edges.gather import Gathered
from service.edges.scan import Scan
from service.facts import Source
from service.intake import smtp_context
from service.settings import read_policy

if TYPE_CHECKING:
    from service.demo.files import Files


def scan(files: Files) -> Findings:
    """What `mailgap scan` finds in the files, as the records that the worker would have published last."""
    findings, documents = Findings(), Documents()
    policy, now = read_policy(str(files.policy)), int(time.time() * 1000)
    context = smtp_context(policy, None)
    gathered = Gathered(now, None, context, lambda _path, _raw, why: findings.dead.update([why.reason]))
    gathered.read_smtp(str(files.smtp), now)
    gathered.read_ses(str(files.ses))
    run = Scan(gathered, policy, (Source.SMTP, Source.SES), None)
    for judged in run.judged():
        findings.mails[judged.verdict.mail_id] = run.document(judged)
        for gap_id, gap in judged.book.gaps.items():
            findings.add_gap(documents.gap(gap_id, gap, judged.verdict))
    return findings
