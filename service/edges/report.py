"""`scan --format html`: one page for the ticket. It needs nothing but itself: no network, and no JavaScript to be read.

All text that came in mails and logs is escaped, and the page's own policy forbids any script but the one below.
"""

from __future__ import annotations

import base64
import hashlib
import html
from typing import IO, TYPE_CHECKING, Final

from service.story import tell
from service.story_words import clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.contract.correlated import Correlated
    from service.story import Step, Story

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --bad: #b3261e; --well: #1b6e3c; --mute: #666; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --well: #7fd8a4; --mute: #aaa; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
th { white-space: nowrap; position: sticky; top: 0; background: Canvas; } caption { text-align: left; }
td, dd, li { overflow-wrap: anywhere; } td:first-child, td:nth-last-child(-n+2) { overflow-wrap: normal; }
td:first-child { white-space: nowrap; } td:nth-child(3) { min-width: 9rem; }
h2 { font-size: 1rem; margin: .8rem 0 .2rem; } q { color: var(--mute); }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px; }
th button { font: inherit; font-weight: 600; background: none; border: 0; padding: 0; color: inherit; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\2191"; }
th[aria-sort=descending] button::after { content: " \\2193"; }
.open { color: var(--bad); font-weight: 600; } .well { color: var(--well); } .mute { color: var(--mute); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .5rem 0; } dd { margin: 0; }
ol { margin: .5rem 0; padding-left: 1.2rem; } label { margin-right: 1.5rem; } summary { cursor: pointer; }
input, select { font: inherit; padding: .2rem .4rem; } .tools { margin: 1rem 0; }
@media print { .tools { display: none; } }
"""

_SCRIPT: Final = """
const body = document.querySelector("tbody"), rows = [...body.rows], count = document.getElementById("count");
const text = document.getElementById("text"), only = document.getElementById("only");
function filter() {
  const wanted = text.value.trim().toLowerCase(); let shown = 0;
  for (const row of rows) {
    const kind = only.value === "all" || row.dataset.gap === only.value;
    const fits = kind && (!wanted || (row.words ??= row.textContent.toLowerCase()).includes(wanted));
    row.hidden = !fits; shown += fits;
  }
  count.textContent = shown + " of " + rows.length + " mails";
}
function sort(head) {
  const down = head.getAttribute("aria-sort") === "ascending", at = head.cellIndex;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.cells[at].dataset.key ?? row.cells[at].textContent;
  rows.sort((a, b) => key(a).localeCompare(key(b)) * (down ? -1 : 1));
  body.append(...rows);
}
text.addEventListener("input", filter); only.addEventListener("change", filter);
for (const head of document.querySelectorAll("th")) head.firstChild.addEventListener("click", () => sort(head));
document.querySelector(".tools").hidden = false; filter();
"""

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    + "'"
)

_HEAD: Final = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>mailgap: what became of the mail</title>
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>
<main><h1>What became of the mail</h1>
<div class="tools" hidden><label>Search <input id="text" type="search"></label>
<label>Show <select id="only"><option value="all">all mails</option><option value="open">open gaps</option>
<option value="over">gaps that ended</option><option value="none">mails without a gap</option></select></label>
<output id="count" class="mute"></output></div>
<table><caption class="mute">One row a mail; open one for its story. Times are UTC.</caption><thead><tr>
"""
# They turn the text after them around, and would let a subject or an address look like another.
_TURNING: Final = {code: f"[U+{code:04X}]" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
COLUMNS: Final = ("accepted or sent", "mail", "recipients", "outcome", "gap")
_FOOT: Final = f"</main><script>{_SCRIPT}</script></body></html>\n"
_NOTHING: Final = "<p>No mail was found in what was read: the summary of the scan says what that was.</p>"


def escape(text: str) -> str:
    """Text as it may stand in the page; characters that turn the writing around are shown by their numbers."""
    return html.escape(text).translate(_TURNING)


def write_report(out: IO[bytes], rows: Iterable[bytes]) -> None:
    """Writes the page, a `row` a mail; what is still open stands first only once somebody sorts or filters."""
    heads = "".join(f'<th scope="col"><button type="button">{column}</button></th>' for column in COLUMNS)
    out.write((_HEAD + heads + "</tr></thead><tbody>\n").encode())
    empty = True
    for each in rows:
        out.write(each)
        empty = False
    out.write(f"</tbody></table>{_NOTHING if empty else ''}{_FOOT}".encode())
    out.flush()


def row(document: Correlated) -> bytes:
    """A mail's row, with its story."""
    story = tell(document)
    open_ = any(gap.resolution is None for gap in document.gaps)
    state = "open" if open_ else "over" if document.gaps else "none"
    other = "see its SES mail" if document.superseded_by else "unknown"
    outcomes = ", ".join(dict.fromkeys(each.outcome.value.replace("_", " ") for each in document.recipients)) or other
    gaps = ", ".join(dict.fromkeys(f"{gap.cause} ({'ended' if gap.resolution else 'open'})" for gap in document.gaps))
    cells = (
        escape(clock(document.accepted_at or document.submitted_at or "")),
        f"<details><summary>{escape(document.mail_id)}</summary>{_story(story)}</details>",
        escape(", ".join(recipient.address for recipient in document.recipients) or other),
        escape(outcomes),
        f'<span class="{"open" if open_ else "well"}">{escape(gaps)}</span>',
    )
    first, mail, *rest = cells
    mail_cell = f'<td data-key="{escape(document.mail_id)}">{mail}</td>'
    others = "".join(f"<td>{cell}</td>" for cell in rest)
    return f'<tr data-gap="{state}"><td>{first}</td>{mail_cell}{others}</tr>\n'.encode(errors="replace")


def _story(story: Story) -> str:
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in story.facts)
    verdicts = "".join(
        f"<h2>Verdict{escape(whom)}</h2><p>{escape(verdict.explanation)}</p>"
        f"<h2>What to do</h2><p>{escape(verdict.next_step)}</p>"
        for verdict in story.verdicts
        for whom in [f" for {', '.join(verdict.recipients)}" if verdict.recipients else ""]
    )
    recipients = [
        f"{each.address}: {each.outcome}{f' since {clock(each.at)}' if each.at else ''}{each.said and f': {each.said}'}"
        for each in story.recipients
    ]
    return (
        f"<dl>{facts}</dl><h2>What happened</h2><ol>{''.join(map(_step, story.steps))}</ol>"
        f"{_list('Recipients', recipients)}{_list('What is missing', story.gaps)}{verdicts}"
    )


def _step(step: Step) -> str:
    who = f"{step.host}: " if step.host else ""
    whom = f", for {', '.join(step.recipients)}" if step.recipients else ""
    said = f"<q>{escape(step.said)}</q> " if step.said else ""
    return (
        f"<li><time>{escape(clock(step.at))}</time> {escape(who + step.text + whom)} {said}"
        f'<span class="mute">{escape(step.evidence)}</span></li>'
    )


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
