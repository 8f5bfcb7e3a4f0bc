"""The page in a real Chromium: what a person does, by mouse, by keyboard alone, in the dark, and without JavaScript."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from service.contract.enums import Outcome
from tests.conftest import need
from tests.trace.browser import ChromiumUnavailableError, chromium, served
from tests.trace.mails import MINUTE, T0, mail, silent, to
from tests.trace.sites import READER, site_of, with_tokens

pytestmark = pytest.mark.chromium

MISSING = silent(50, at=T0 + 50 * MINUTE)
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        try:
            started = chromium(playwright)
        except ChromiumUnavailableError as missing:
            need("chromium", str(missing))
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    site = site_of(tmp_path_factory.mktemp("site"))
    with served(site) as base:
        yield base
    site.store.close()


@pytest.fixture
def look(browser, address):
    """Opens pages: `look(path, color_scheme="dark", …)`; nothing may be wrong there, nor in the console."""
    contexts, wrong = [], []

    def open_(path, base=address, **options):
        context = browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Vienna", **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: None if asked.url.startswith(base) else wrong.append(asked.url))
        page.goto(base + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong


def test_search_leads_to_the_mail_and_its_story(look):
    page = look("/")
    page.get_by_role("searchbox", name="Find a mail").fill("ann50@gmail.com")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_url(re.compile(f"/mail/{MISSING.mail_id}$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(MISSING.mail_id)
    expect(page.get_by_text("the gap is open")).to_be_visible()
    expect(page.locator(".timeline li")).to_have_count(2)


def test_the_gaps_list_is_filtered_and_grouped(look):
    page = look("/gaps")
    page.locator("select[name=by]").select_option("provider")
    page.locator("select[name=kind]").select_option("accepted_not_delivered")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="By provider")).to_be_visible()
    page.get_by_role("region", name="Groups").get_by_role("link", name="gmail").click()
    expect(page).to_have_url(re.compile("provider=gmail"))
    expect(page.get_by_role("region", name="Gaps").get_by_role("row")).to_have_count(11)


def test_a_link_from_a_ticket_opens_the_mail_in_the_readers_zone(look):
    page = look(f"/mail/{MISSING.mail_id}")
    first = page.locator(".timeline .when").first
    expect(first).to_contain_text("2026-03-11 14:49:59")
    expect(first).to_contain_text("15:49:59")
    expect(page.get_by_role("link", name=f"/mail/{MISSING.mail_id}")).to_be_visible()


def test_a_deadline_counts(browser, tmp_path):
    """The page's clock is the reader's, and moves here when it is told to."""
    pending = mail(1, at=T0, recipients=(to("a@gmail.com", Outcome.PENDING),), trail=mail(1).trail[:1])
    site = site_of(tmp_path, [pending], now=lambda: T0 + 5 * MINUTE)
    with served(site) as base:
        context = browser.new_context()
        context.clock.install(time=(T0 + 5 * MINUTE) / 1000)
        page = context.new_page()
        page.goto(f"{base}/mail/{pending.mail_id}")
        expect(page.locator("[data-count]")).to_have_text(re.compile(r"in (10|9) min \d+ s"))
        context.clock.run_for(2 * MINUTE)
        expect(page.locator("[data-count]")).to_have_text(re.compile(r"in [678] min \d+ s"))
        context.close()
    site.store.close()


def test_by_keyboard_alone(look):
    page = look("/gaps")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("4DQX50")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(MISSING.mail_id))
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("Runbook"):
            break
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/runbooks/sent_then_silent"))


def test_without_javascript(look):
    page = look("/", java_script_enabled=False)
    page.get_by_role("searchbox").fill("<50.1@app.example>")
    page.get_by_role("button", name="Find").click()
    expect(page).to_have_url(re.compile(MISSING.mail_id))
    expect(page.get_by_text("the gap is open")).to_be_visible()
    expect(page.get_by_text("ago, and the gap is open")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_be_hidden()
    page.get_by_role("link", name="Gaps").click()
    page.locator("select[name=stream]").select_option("transactional")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("region", name="Gaps").get_by_role("row")).to_have_count(11)


def test_a_dark_browser_gets_a_dark_page(look):
    def luminance(page):
        red, green, blue = map(
            int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
        )
        return red + green + blue

    assert luminance(look("/", color_scheme="dark")) < 150
    assert luminance(look("/", color_scheme="light")) > 600


@pytest.mark.parametrize("path", ["/", "/gaps", "/search", f"/mail/{MISSING.mail_id}"])
def test_a_telephone_need_not_be_moved_sideways(look, path):
    page = look(path, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("/", "light"),
        ("/gaps", "dark"),
        ("/search?q=shop@app.example", "light"),
        (f"/mail/{MISSING.mail_id}", "light"),
        (f"/mail/{MISSING.mail_id}", "dark"),
        pytest.param("/", "dark", marks=pytest.mark.slow),
        pytest.param("/gaps", "light", marks=pytest.mark.slow),
        ("/sources", "dark"),
        ("/runbooks/bounced", "light"),
    ],
)
def test_axe_finds_nothing_serious(look, path, scheme):
    found = Axe().run(look(path, color_scheme=scheme)).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in found if each["impact"] in SERIOUS]


def test_on_paper_there_is_the_story_and_no_form(look):
    page = look(f"/mail/{MISSING.mail_id}")
    page.emulate_media(media="print")
    expect(page.get_by_role("searchbox")).to_be_hidden()
    expect(page.locator(".timeline")).to_be_visible()


def test_signing_in_and_out(browser, tmp_path):
    site = site_of(tmp_path, access=with_tokens())
    with served(site) as base:
        page = browser.new_page()
        page.goto(base + "/gaps")
        page.get_by_label("Token").fill(READER)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("ann (reader)")).to_be_visible()
        assert not Axe().run(page).response["violations"]
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        page.close()
    site.store.close()
