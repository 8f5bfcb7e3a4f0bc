"""The pages, as a browser without JavaScript gets them; and what mails say, shown as text and never as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from service.contract.correlated import VerdictEntry
from service.contract.enums import Outcome, Stage, VerdictCause
from service.trace.limits import Limiter
from service.trace.store.writing import Batch
from service.trace.web.visits import COOKIE
from tests.trace.mails import HOUR, MINUTE, T0, entry_of, gap, mail, silent, to
from tests.trace.sites import READER, UNMASKER, bearer, behind_a_proxy, client_of, site_of, with_tokens

MISSING = silent(50, at=T0 + 50 * MINUTE)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "</title></textarea><svg/onload=alert(1)>",
    "http://evil.example/phish?a=1",
    "\u202egnp.exe\u2066",
    "&lt;b&gt; & `rm -rf /` \x00 \x1b[31m",
)


class Page(HTMLParser):
    """What a page holds: its elements, where it links to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += data

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name in {"href", "src", "action", "data", "formaction"}]


def page(client, path, **query):
    answer = client.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


PATHS = (
    "/",
    "/search",
    "/search?q=shop@app.example",
    "/gaps",
    "/gaps?by=stream&state=all",
    "/sources",
    "/runbooks/bounced",
)


@pytest.mark.parametrize(
    "path", [*PATHS, f"/mail/{silent(50, at=T0 + 50 * MINUTE).mail_id}", "/nothing", "/mail/nothing"]
)
def test_every_page_is_whole_and_loads_nothing_from_anywhere(client, path):
    answer = client.get(path)
    shown = Page(answer.text)
    assert shown.tags.count("h1") == shown.tags.count("main") == 1
    assert not [link for link in shown.links if not link.startswith(("/", "#", "?"))]
    assert not [name for name, _ in shown.attributes if name.startswith("on") or name == "style"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_the_overview_says_what_is_missing(client):
    shown = page(client, "/")
    assert re.search(r"10\s+open gaps", shown.text)
    assert "sent then silent" in shown.text
    assert "handed over" in shown.text
    assert shown.tags.count("svg") == 2


def test_the_overview_of_an_old_file_says_where_its_mails_are(tmp_path, client):
    old = client_of(site_of(tmp_path / "old", now=lambda: T0 + 40 * 24 * HOUR))
    assert "No mail came in this time: the newest mails that are here" in page(old, "/").text
    assert "No mail came" not in page(client, "/").text


def test_a_search_for_one_mail_ends_at_the_mail(client):
    answer = client.get("/search", params={"q": "ann7@gmail.com"}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/mail/" + mail(7, at=T0 + 7 * MINUTE).mail_id
    assert "delivered" in page(client, "/search", q="ann7@gmail.com").text


def test_a_search_for_several_lists_them_and_one_for_nothing_says_so(client):
    assert "Older mails" not in page(client, "/search", q="shop@app.example").text
    assert "No mail goes by that name" in page(client, "/search", q="nobody@gmail.com").text
    assert "Older mails" in page(client, "/search", limit="10").text


def test_lists_go_on(client):
    link = next(link for link in page(client, "/search", limit="10").links if "cursor=" in link)
    assert len({link for link in page(client, link).links if link.startswith("/mail/")}) == 10


def test_filters_of_a_form_that_are_left_empty_ask_for_nothing(client):
    assert page(client, "/search?q=&state=&stream=&since=&until=").tags.count("tr") > 40
    narrowed = page(client, "/search?state=gap&since=2026-03-11T14:55&until=2026-03-11T15:00")
    assert len({link for link in narrowed.links if link.startswith("/mail/")}) == 5


def test_a_mail_that_is_missing_says_what_to_do_and_links_to_the_runbook(client):
    shown = page(client, f"/mail/{silent(50, at=T0 + 50 * MINUTE).mail_id}")
    assert "the gap is open" in shown.text
    assert "What to do:" in shown.text
    assert "/runbooks/sent_then_silent" in shown.links
    assert ("data-count", "2026-03-12T04:50:00.000Z") in shown.attributes


def test_links_to_runbooks_go_where_the_settings_say(tmp_path):
    client = client_of(site_of(tmp_path, [silent()], runbooks="https://wiki.example/mail/"))
    assert "https://wiki.example/mail/sent_then_silent.md" in page(client, f"/mail/{silent().mail_id}").links


def test_what_came_late_is_told_too(site, client):
    late = mail(1, at=T0 + MINUTE, partial=True, recipients=(to("ann1@gmail.com", Outcome.COMPLAINED, T0),),
                trail=(replace(mail().trail[2], fact="complained"),))  # fmt: skip
    site.store.write(Batch([entry_of(late, "late")]))
    assert "reported it as spam, after the mail's record was closed" in page(client, f"/mail/{late.mail_id}").text


@pytest.mark.parametrize("text", HOSTILE)
def test_what_mails_say_is_text(tmp_path, text):
    verdict = VerdictEntry(stage=Stage.SES, cause=VerdictCause.SENT_THEN_SILENT, explanation=text, next_step=text)
    trail = tuple(replace(step, said=text, evidence=text) for step in mail().trail)
    document = silent(1, mail_id=f"mx1/{text}@1", stream=text, sender=f"{text}@app.example",
                      message_id_header=f"<{text}>",
                      recipients=(to(f"{text}@gmail.com", Outcome.PENDING, diagnostic=text, smtp_response=text),),
                      gaps=(gap(recipient=f"{text}@gmail.com"),), verdict=verdict, trail=trail,
                      queue_ids=(f"mx1/{text}",), region=text)  # fmt: skip
    client = client_of(site_of(tmp_path, [document], access=with_tokens()), headers=bearer(UNMASKER))
    link = next(link for link in page(client, "/search").links if link.startswith("/mail/"))
    for path in (
        "/",
        "/search?addresses=raw",
        "/gaps?addresses=raw",
        f"{link}?addresses=raw",
        link,
        "/search?q=" + "x",
    ):
        shown = Page(client.get(path).text)
        assert not {"script", "img", "svg"} & set(shown.tags) - {"script", "svg"}
        assert shown.tags.count("script") == 1
        assert not [name for name, _ in shown.attributes if name.startswith("on")]
        assert not [link for link in shown.links if not link.startswith(("/", "#", "?", "http://127.0.0.1"))]
        assert "\u202e" not in shown.text


@given(st.text(max_size=4200))
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=30)
def test_anything_in_the_search_box_gets_a_polite_answer(tmp_path_factory, typed):
    answer = _client(tmp_path_factory).get("/search", params={"q": typed.encode(errors="replace").decode()})
    assert answer.status_code == 200
    assert Page(answer.text).tags.count("script") == 1


_clients: list = []


def _client(tmp_path_factory):
    if not _clients:
        _clients.append(client_of(site_of(tmp_path_factory.mktemp("any"))))
    return _clients[0]


@pytest.mark.parametrize(
    "typed", [*HOSTILE, "\x00" * 4096, "'" * 4096, "%" * 4000, "ä" * 600, "😀" * 1000, "a" * 9000, "--"]
)
def test_hostile_words_in_the_search_box(client, typed):
    shown = page(client, "/search", q=typed)
    assert "No mail goes by that name" in shown.text
    assert shown.tags.count("script") == 1


@pytest.mark.parametrize(
    "path", ["/gaps?cause=nonsense", "/search?cursor=x", "/search?since=soon", "/gaps?limit=0", "/?since=x"]
)
def test_a_wrong_link_is_answered_with_a_page(client, path):
    answer = client.get(path)
    assert answer.status_code == 400
    assert Page(answer.text).tags.count("h1") == 1
    assert answer.headers["content-type"].startswith("text/html")


# -- signing in -------------------------------------------------------------------------------------------------------


def test_whoever_is_not_signed_in_gets_the_form_and_a_token_opens_the_door(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens()), "192.0.2.1")
    for path in PATHS:
        answer = client.get(path)
        assert answer.status_code == 401
        assert "Token" in answer.text
        assert "gmail" not in answer.text
    assert client.post("/sign-in", data={"token": "wrong"}).status_code == 403
    answer = client.post("/sign-in", data={"token": READER, "to": "/gaps"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/gaps")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(COOKIE)
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower(), "a link in a ticket is on another site"
    assert READER not in cookie
    assert "ann (reader)" in " ".join(page(client, "/").text.split())
    client.post("/sign-out")
    assert client.get("/").status_code == 401


def test_the_cookie_is_kept_to_https_where_a_proxy_speaks_it(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens()))
    answer = client.post(
        "/sign-in", data={"token": READER}, headers={"X-Forwarded-Proto": "https"}, follow_redirects=False
    )
    assert "Secure" in answer.headers["set-cookie"]


def test_forms_of_other_sites_are_refused(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens()))
    for path in ("/sign-in", "/sign-out"):
        assert client.post(path, data={"token": READER}, headers={"Origin": "http://evil.example"}).status_code == 403


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 303), ("none", 303), ("same-site", 403), ("cross-site", 403)]
)
def test_a_browser_that_says_where_its_form_stood_is_believed_behind_a_proxy_that_renames_us(tmp_path, site, status):
    client = client_of(site_of(tmp_path, access=with_tokens()))
    headers = {"Sec-Fetch-Site": site, "Origin": "https://trace.example"}
    assert (
        client.post("/sign-in", data={"token": READER}, headers=headers, follow_redirects=False).status_code == status
    )


def test_a_link_from_a_ticket_leads_on_after_signing_in(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens()))
    asked = f"/mail/{mail(7).mail_id}?addresses=masked"
    form = Page(client.get(asked).text)
    assert ("value", asked) in form.attributes
    assert ("value", asked) in Page(client.post("/sign-in", data={"token": "wrong", "to": asked}).text).attributes


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "",
        "/\t/evil.example",
        "/" + "a" * 3000,
    ],
)
def test_signing_in_leads_nowhere_else(tmp_path, to):
    client = client_of(site_of(tmp_path, access=with_tokens()))
    answer = client.post("/sign-in", data={"token": READER, "to": to}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_the_link_to_copy_is_the_one_that_the_browser_sees(client):
    shown = client.get(f"/mail/{MISSING.mail_id}", headers={"X-Forwarded-Proto": "https"})
    # (Such a header alone makes nobody's proxy: it says nothing of where the request came from.)
    assert f"https://127.0.0.1:9750/mail/{MISSING.mail_id}" in Page(shown.text).text


def test_a_mail_to_fifty_says_what_to_do_once_for_each_cause(tmp_path):
    missing = tuple(to(f"u{n}@gmail.com", Outcome.PENDING) for n in range(30))
    gone = tuple(
        to(f"v{n}@x.example", Outcome.BOUNCED, T0, bounce_type="Permanent", diagnostic=f"550 no v{n}")
        for n in range(20)
    )
    gaps = tuple(gap(n, recipient=each.address) for n, each in enumerate(missing))
    document = silent(1, recipients=missing + gone, gaps=gaps)
    shown = page(client_of(site_of(tmp_path, [document], access=with_tokens()), headers=bearer(UNMASKER)),
                 f"/mail/{document.mail_id}?addresses=raw")  # fmt: skip
    assert shown.text.count("What to do:") == 2
    assert "(sent then silent) with 29 others" in shown.text
    assert all(shown.text.count(each.address) >= 2 for each in document.recipients)
    assert all(f"550 no v{n}" in shown.text for n in range(20)), "each reply stands beside its recipient"


def test_a_deadline_that_passed_says_what_judgement_waits_for(tmp_path):
    pending = mail(1, at=T0, recipients=(to("a@gmail.com", Outcome.PENDING),), trail=mail(1).trail[:1])
    shown = page(client_of(site_of(tmp_path, [pending])), f"/mail/{pending.mail_id}")
    text = " ".join(shown.text.split())
    assert "it becomes a gap once SES's events have been read up to it" in text
    assert "becomes a gap about" not in text


def test_a_submission_that_is_superseded_is_shown_by_its_own_id(tmp_path):
    document = mail(1, mail_id="mx1/4DQX1@1773237600", ses_message_id=None, superseded_by=mail(1).mail_id)
    client = client_of(site_of(tmp_path, [document, mail(1)]))
    text = " ".join(page(client, "/mail/mx1/4DQX1@1773237600").text.split())
    assert "superseded mx1/4DQX1@1773237600" in text


def test_tokens_cannot_be_tried_at_will(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens(), sign_ins=Limiter(1e-3, 3)))
    assert [client.post("/sign-in", data={"token": "x"}).status_code for _ in range(4)] == [403, 403, 403, 429]


def test_addresses_are_shown_to_those_who_may_see_them(tmp_path):
    site = site_of(tmp_path, [mail(1)], access=with_tokens())
    link = f"/mail/{mail(1).mail_id}"
    reader, unmasker = (client_of(site, headers=bearer(token)) for token in (READER, UNMASKER))
    assert "takes the role" in page(reader, link).text
    assert "?addresses=raw" not in page(reader, link).links
    assert reader.get(link + "?addresses=raw").status_code == 403
    assert "?addresses=raw" in page(unmasker, link).links
    assert "ann1@gmail.com" not in page(unmasker, link).text
    assert "ann1@gmail.com" in page(unmasker, link + "?addresses=raw").text
    kept = [unmasker.get(path).headers["cache-control"] for path in (link, link + "?addresses=raw")]
    assert kept == ["private, no-cache", "no-store"], "what was unmasked stays on nobody's disk"


def test_a_proxy_signs_people_in(tmp_path):
    client = client_of(site_of(tmp_path, access=behind_a_proxy()), "10.0.0.1", headers={"X-Forwarded-User": "<i>ann"})
    assert "<i>ann (reader)" in " ".join(page(client, "/").text.split())


def test_static_files_are_ours_alone(client):
    assert client.get("/static/page.css").headers["content-type"].startswith("text/css")
    for path in ("/static/../pages.py", "/static/%2e%2e/openapi.json", "/static/nothing", "/static/"):
        assert client.get(path).status_code == 404
