"""The runbooks as pages, so that the next step is one click away where no other place for them was set.

They come with the package (or the checkout that runs), and hold no text of any mail. Raw HTML in them stays text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup

_HERE: Final = Path(__file__).parents[1]
FOLDERS: Final = (_HERE / "runbooks", _HERE.parents[1] / "deploy" / "runbooks")
"""In the wheel, and in a checkout."""

_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}").fullmatch
_LINK: Final = re.compile(r'href="([A-Za-z0-9_]{1,64})\.md((?:#[\w-]{1,64})?)"')
_HEADING: Final = re.compile(r"<h([2-4])><code>(\w+)</code></h\1>")


@lru_cache(maxsize=128)
def runbook(name: str) -> Markup | None:
    """A page's HTML; None where there is none of that name."""
    if not _NAME(name):
        return None
    path = next((folder / f"{name}.md" for folder in FOLDERS if (folder / f"{name}.md").is_file()), None)
    if path is None:
        return None
    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(path.read_text(encoding="utf-8"))
    text = text.replace("<pre>", '<pre tabindex="0">')  # what scrolls must be reached by keyboard
    text = _HEADING.sub(r'<h\1 id="\2"><code>\2</code></h\1>', text)
    return Markup(_LINK.sub(r'href="/runbooks/\1\2"', text))  # noqa: S704 our own files, and no raw HTML
