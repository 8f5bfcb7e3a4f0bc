"""Takes the pictures of the README: `python -m tests.trace.pictures`. Simulated mails, in a real Chromium."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from service.commands.trace import load
from service.contract.enums import Stage
from service.facts import Source
from service.trace.entry import State
from service.trace.store.questions import Mails
from service.trace.store.store import open_store
from service.trace.web.site import Site
from service.watermarks import Entry, Watermark, Watermarks
from tests.trace.browser import chromium, served
from tests.trace.sites import HIDE

FOLDER = Path(__file__).parents[2] / "deploy" / "trace"
MAILS = 3000
MINUTE = 60_000


def records(folder: Path) -> Path:
    run = [sys.executable, "-m", "service.cli"]
    words = ["--to", folder / "load", "--mails", str(MAILS), "--rate", "0.1", "--seed", "11"]
    subprocess.run([*run, "simulate", *words], check=True, capture_output=True)
    written = folder / "mails.jsonl"
    command = [*run, "scan", "--smtp", folder / "load/smtp", "--ses", folder / "load/ses", "--format", "jsonl"]
    with written.open("wb") as out:
        subprocess.run(command, check=True, stdout=out, stderr=subprocess.DEVNULL)
    return written


def watermarks(now: int) -> Watermarks:
    marks = Watermarks(configured=())
    entries = [
        Entry(source, topic, part, 2, now - (part + 1) * 700, now - 900, 1200, now, (topic,))
        for source, topic in ((Source.SMTP, "app-smtp"), (Source.SES, "ses-events"))
        for part in range(2)
    ]
    marks.learn(Watermark(tuple(entries)))
    return marks


def main() -> None:
    """Writes them."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        store = open_store(str(Path(scratch) / "trail.db"))
        load(store, str(records(Path(scratch))))
        newest = store.mails.find(Mails(), 1).items[0].at
        now = newest + 15 * 60 * MINUTE
        site = Site(store=store, now=lambda: now, keys=[HIDE], marks=watermarks(now))
        silent = [each.document for each in store.mails.find(Mails(state=State.GAP), 200).items]
        alone = [each for each in silent if len(each.recipients) == 1 and each.verdict.stage is Stage.SES]
        lost = max(alone, key=lambda each: len(each.trail)).mail_id
        with sync_playwright() as playwright, served(site) as base:
            browser = chromium(playwright)
            for name, path, scheme in (("mail", f"/mail/{lost}", "light"), ("gaps", "/gaps", "dark")):
                context = browser.new_context(
                    viewport={"width": 1100, "height": 900},
                    color_scheme=scheme,
                    timezone_id="Europe/Vienna",
                    locale="en-GB",
                )
                context.clock.install(time=now / 1000)
                page = context.new_page()
                page.goto(base + path)
                page.screenshot(path=FOLDER / f"{name}.png", full_page=name == "mail")
                context.close()
            browser.close()
        store.close()


if __name__ == "__main__":
    main()
