"""A real Chromium (Debian's), driven by Playwright, and a page of ours on a free port to look at."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from service.trace.serving import listen
from service.trace.web.app import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

    from service.trace.web.site import Site

BOUND = 30.0


class ChromiumUnavailableError(Exception):
    """There is no Chromium here; the text says how to get one."""


def chromium(playwright: Playwright) -> Browser:
    """Debian's, since Playwright's own cannot be had without a network."""
    program = shutil.which("chromium")
    if program is None:
        raise ChromiumUnavailableError("no Chromium: `make chromium` installs it (Debian or Ubuntu, root)")
    # Chromium's sandbox does not run as root, and what it would hold is our own page.
    return playwright.chromium.launch(executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else [])


@contextmanager
def served(site: Site) -> Iterator[str]:
    """The page's address, while it is served."""
    with listen(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(build(site), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"  # it listens already; requests wait
        finally:
            server.should_exit = True
            thread.join(BOUND)
            assert not thread.is_alive()
