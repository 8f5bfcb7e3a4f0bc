"""The API: what it answers, what it refuses, and that it keeps the OpenAPI that it publishes."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import jsonschema
import pytest

from service.contract.enums import Outcome
from service.privacy import Pseudonyms
from service.trace.limits import Limiter
from service.trace.store.database import StoreError, TooBroadError
from service.trace.store.mails import MailReader
from service.trace.web import openapi
from tests.trace.mails import MINUTE, T0, gap, mail, silent, to
from tests.trace.sites import (
    HIDE,
    NOW,
    READER,
    UNMASKER,
    bearer,
    behind_a_proxy,
    client_of,
    site_of,
    some_mails,
    with_tokens,
)

API = "/api/v1"


def get(client, path, **query):
    answer = client.get(API + path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["type"].startswith("urn:mailgap:problem:")
    return said["detail"]


@pytest.mark.parametrize(
    "q",
    [
        mail(7, at=T0 + 7 * MINUTE).mail_id,
        "4DQX7",
        "mx1/4DQX7",
        "<7.1@app.example>",
        "7.1@app.example",
        "ann7@gmail.com",
        "  ANN7@gmail.com ",
        HIDE.address("nobody@gmail.com") + " ann7@gmail.com",
        "mx1 postfix/smtp[1]: 4DQX7: to=<ann7@gmail.com>, status=sent (250 Ok)",
    ],
)
def test_the_search_box_takes_anything_that_names_a_mail(client, q):
    [found] = get(client, "/mails", q=q)["items"]
    assert found["mail_id"] == mail(7, at=T0 + 7 * MINUTE).mail_id


def test_a_typed_address_finds_its_pseudonym(tmp_path):
    hidden = mail(1, recipients=(to(HIDE.address("ada@example.org"), Outcome.DELIVERED, T0),))
    former = Pseudonyms(b"a former key, kept")
    older = mail(2, recipients=(to(former.address("ada@example.org"), Outcome.DELIVERED, T0),))
    client = client_of(site_of(tmp_path, [hidden, older, mail(3)], keys=[HIDE, former]))
    assert len(get(client, "/mails", q="Ada@Example.org")["items"]) == 2


@pytest.mark.parametrize("q", ["", "shop@app.example"])
def test_pages_go_on_where_the_last_one_ended(client, q):
    seen, cursor = [], {}
    while True:
        page = get(client, "/mails", q=q, limit=10, **cursor)
        seen += [item["mail_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) == len(some_mails())


def test_mails_by_stream_state_and_time(client):
    assert len(get(client, "/mails", state="gap")["items"]) == 10
    assert {item["stream"] for item in get(client, "/mails", stream="otp")["items"]} == {"otp"}
    since = get(client, "/mails", since="2026-03-11T14:50:00Z", until="2026-03-11T15:55:00+01:00")["items"]
    assert [item["at"][14:16] for item in since] == ["54", "53", "52", "51", "50"]


def test_a_mail_with_its_story_and_what_it_waits_for(tmp_path):
    pending = mail(1, at=NOW - MINUTE, recipients=(to("a@gmail.com", Outcome.PENDING),), trail=mail(1).trail[:1])
    client = client_of(site_of(tmp_path, [pending]))
    answer = get(client, f"/mails/{pending.mail_id}")
    assert answer["state"] == "pending"
    assert answer["mail"]["mail_id"] == answer["story"]["title"] == pending.mail_id
    [waits] = answer["awaited"]
    assert waits["kind"] == "accepted_not_delivered"
    assert waits["deadline"] == "2026-03-12T10:14:00.000Z"


def test_a_mail_by_an_id_with_slashes(tmp_path):
    submission = silent(1, mail_id="mx1/smtp-out/4DQ X?@177", ses_message_id=None)
    client = client_of(site_of(tmp_path, [submission]))
    assert get(client, "/mails/" + quote(submission.mail_id, safe=""))["mail"]["mail_id"] == submission.mail_id


def test_a_mail_is_told_with_its_submission_as_explain_tells_it(tmp_path):
    ses = mail(1)
    submission = mail(2, mail_id="mx1/4DQX1@177", ses_message_id=None, queue_ids=("mx1/4DQX1",),
                      ses_mails=(ses.mail_id,), superseded_by=ses.mail_id)  # fmt: skip
    client = client_of(site_of(tmp_path, [ses, submission, mail(3)]))
    assert set(get(client, f"/mails/{ses.mail_id}")["story"]["records"]) == {ses.mail_id, submission.mail_id}


def test_gaps_groups_history_statistics_and_sources(client):
    assert len(get(client, "/gaps")["items"]) == 10
    assert get(client, "/gaps", state="ended")["items"] == []
    one = get(client, "/gaps", limit=1)["items"][0]
    assert one["explanation"]
    assert one["next_step"]
    assert one["runbook_url"].endswith("sent_then_silent.md")
    [group] = get(client, "/gaps/groups", by="provider")["groups"]
    assert (group["value"], group["gaps"]) == ("gmail", 10)
    spans = get(client, "/gaps/history")["spans"]
    assert sum(span["opened"] for span in spans) == 10
    statistics = get(client, "/statistics")
    assert statistics["funnel"] == {"handed_over": 49, "accepted": 49, "answered": 39, "delivered": 39}
    sources = get(client, "/sources")
    assert sources["store"]["mails"] == 49
    assert sources["store"]["open_gaps"] == 10


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/mails", {"limit": "0"}, "limit"),
        ("/mails", {"limit": "many"}, "limit"),
        ("/mails", {"limit": "1000000"}, "limit"),
        ("/mails", {"q": "x" * 4097}, "4096"),
        ("/mails", {"state": "lost"}, "lost"),
        ("/mails", {"since": "yesterday"}, "since"),
        ("/mails", {"since": "2026-01-01T00:00:00"}, "since"),
        ("/mails", {"cursor": "nonsense"}, "cursor"),
        ("/mails", {"sort": "at"}, "sort"),
        ("/mails", {"addresses": "all"}, "addresses"),
        ("/gaps", {"cursor": "x"}, "cursor"),
        ("/gaps", {"kind": "wide"}, "wide"),
        ("/gaps/groups", {"by": "recipient"}, "recipient"),
        ("/gaps/history", {"since": "2020-01-01T00:00:00Z"}, "year"),
        ("/gaps/history", {"since": "2026-05-01T00:00:00Z"}, "after until"),
        ("/gaps/history", {"since": "2025-04-01T00:00:00Z"}, "step=day"),
        ("/statistics", {"until": "0001-01-01T00:00:00Z", "since": "9999-12-31T00:00:00Z"}, "after until"),
        ("/sources", {"x": "1"}, "x"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(client, path, query, words):
    assert words in problem(client.get(API + path, params=query), 400)


def test_a_parameter_given_twice(client):
    assert "twice" in problem(client.get(API + "/mails?limit=1&limit=2"), 400)


def test_a_cursor_of_another_question(client):
    cursor = get(client, "/mails", q="a line of several words with shop@app.example", limit=5)["next"]
    assert "another question" in problem(client.get(API + "/mails", params={"q": "x", "cursor": cursor}), 400)


def test_what_is_not_there(client):
    assert "no mail has the id" in problem(client.get(API + "/mails/nothing"), 404)
    problem(client.get(API + "/nothing"), 404)
    answer = client.post(API + "/mails")
    problem(answer, 405)
    assert "GET" in answer.headers["allow"]


def test_what_is_too_long_or_too_large_is_refused_before_it_is_read(client):
    problem(client.get(API + "/mails?q=" + "x" * 60_000), 400)
    problem(client.post(API + "/mails", content=b"x" * 20_000), 413)
    problem(client.post(API + "/mails", content=iter([b"x"])), 413)


def test_a_question_that_takes_too_long(client, monkeypatch):
    def find(*_):
        raise TooBroadError

    monkeypatch.setattr(MailReader, "find", find)
    assert "narrow" in problem(client.get(API + "/mails"), 400)


def test_a_store_that_is_away(client, monkeypatch):
    def find(*_):
        raise StoreError("PostgreSQL at db/trail does not answer")

    monkeypatch.setattr(MailReader, "find", find)
    detail = problem(client.get(API + "/mails"), 503)
    assert "db/trail" not in detail
    assert client.get("/search").status_code == 503


def test_a_bug_is_said_without_what_was_asked(site, monkeypatch, caplog):
    def find(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(MailReader, "find", find)
    client = client_of(site, raise_server_exceptions=False)
    assert "log" in problem(client.get(API + "/mails?q=ada@example.org"), 500)
    ours = [record for record in caplog.records if record.name.startswith("mailgap")]  # the test's client logs, too
    assert ours
    assert "ada" not in " ".join(f"{record.getMessage()} {record.exc_text}" for record in ours)


def test_nothing_new_is_not_sent_again(client):
    first = client.get(API + "/gaps")
    again = client.get(API + "/gaps", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get(API + "/gaps?limit=1", headers={"If-None-Match": first.headers["etag"]}).status_code == 200


# -- who may ----------------------------------------------------------------------------------------------------------


def test_strangers_get_nothing_but_health_and_metrics(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens()), "192.0.2.1")
    for endpoint in ("/mails", "/gaps", "/gaps/groups", "/gaps/history", "/sources", "/statistics", "/openapi.json"):
        answer = client.get(API + endpoint)
        problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/readyz").json()["status"] == "ok"
    metrics = client.get("/metrics").text
    assert "mailgap_trace_store_mails" in metrics
    assert "gmail.com" not in metrics


def test_a_token_reads(tmp_path):
    client = client_of(site_of(tmp_path, access=with_tokens()), "192.0.2.1", headers=bearer(READER))
    assert len(get(client, "/gaps")["items"]) == 10


def test_addresses_are_masked_unless_somebody_may_see_them_and_then_it_is_logged(tmp_path, caplog):
    secret = mail(1, recipients=(to("ada@example.org", Outcome.BOUNCED, T0, diagnostic="550 ada@example.org unknown"),),
                  gaps=(gap(recipient="ada@example.org"),))  # fmt: skip
    site = site_of(tmp_path, [secret], access=with_tokens())
    reader, unmasker = (client_of(site, headers=bearer(token)) for token in (READER, UNMASKER))
    paths = ("/mails?", "/mails?q=ada@example.org&", f"/mails/{secret.mail_id}?", "/gaps?")
    with caplog.at_level(logging.WARNING, "mailgap.trace"):
        for client in (reader, unmasker):
            for path in paths:
                answer = client.get(API + path)
                assert "ada@" not in answer.text
                assert HIDE.address("ada@example.org") in answer.text
        assert not caplog.records
        for path in paths:
            assert "unmask" in problem(reader.get(API + path + "addresses=raw"), 403)
        assert not caplog.records
        for path in paths:
            assert "ada@example.org" in unmasker.get(API + path + "addresses=raw").text
    assert [record.fields for record in caplog.records] == [{"visitor": "bob", "mails": [secret.mail_id]}] * len(
        caplog.records
    )
    assert len(caplog.records) >= len(paths)
    assert "ada" not in caplog.text


def test_a_proxy_signs_people_in(tmp_path):
    site = site_of(tmp_path, access=behind_a_proxy())
    said = {"X-Forwarded-User": "ann", "X-Forwarded-Groups": "post"}
    assert client_of(site, "10.1.1.1", headers=said).get(API + "/mails?addresses=raw").status_code == 200
    assert client_of(site, "192.0.2.1", headers=said).get(API + "/mails").status_code == 401


def test_whoever_asks_too_often_waits(tmp_path):
    site = site_of(tmp_path, searches=Limiter(1e-3, 2))
    client = client_of(site)
    assert [client.get(API + "/mails").status_code for _ in range(3)] == [200, 200, 429]
    answer = client.get(API + "/mails")
    assert "wait" in problem(answer, 429)
    assert int(answer.headers["retry-after"]) > 900
    assert client.get(API + "/gaps").status_code == 200  # only the search


# -- the OpenAPI ------------------------------------------------------------------------------------------------------


def test_the_committed_openapi_is_what_is_served(client):
    assert openapi.FILE.read_text(encoding="utf-8") == openapi.written(), "run `python -m service.trace.web.openapi`"
    assert client.get(API + "/openapi.json").json() == json.loads(openapi.written())


@pytest.mark.parametrize("path", ["/mails", "/mails/{mail_id}", "/gaps", "/gaps/groups", "/gaps/history", "/sources",
                                  "/statistics"])  # fmt: skip
def test_answers_are_as_the_openapi_says(client, path):
    document = openapi.document()
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    asked = path.replace("{mail_id}", silent(50, at=T0 + 50 * MINUTE).mail_id)
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(get(client, asked))
