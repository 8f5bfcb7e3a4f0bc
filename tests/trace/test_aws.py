"""Asking AWS from the trace page: only where it was wanted, only by those who may see addresses, and it is logged."""

from __future__ import annotations

import logging

import pytest

from service.aws.evidence import Evidence
from service.contract.enums import Outcome
from service.privacy import Pseudonyms
from tests.trace.mails import T0, mail, ses_id, to
from tests.trace.sites import READER, UNMASKER, bearer, client_of, site_of, with_tokens

ADDRESS = "ann@client.example"
SUPPRESSED = mail(recipients=(to(ADDRESS, Outcome.SUPPRESSED, T0),))
PAGE = f"/mail/{ses_id(1)}"
API = f"/api/v1/aws/{ses_id(1)}"


class Aws:
    """Says what the test has laid down, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked = []

    def __call__(self, wanted):
        self.asked.append(wanted)
        return tuple(Evidence(question.shown, "on the list since <b>1999</b>") for question in wanted.suppressed)


@pytest.fixture
def aws():
    return Aws()


@pytest.fixture
def client(tmp_path, aws):
    site = site_of(tmp_path, [SUPPRESSED, mail(2)], access=with_tokens(), aws=aws)
    with client_of(site) as made:
        yield made
    site.store.close()


def test_whoever_may_see_addresses_may_ask(client, aws, caplog):
    with caplog.at_level(logging.WARNING, "mailgap.trace"):
        answer = client.get(API, headers=bearer(UNMASKER))
    assert answer.json() == {
        "mail_id": ses_id(1),
        "evidence": [{"about": ADDRESS, "says": "on the list since <b>1999</b>", "answered": True}],
    }
    assert [question.address for question in aws.asked[0].suppressed] == [ADDRESS]
    assert "asked AWS" in caplog.text
    assert ADDRESS not in caplog.text, "logged by mail, never by address"


def test_readers_may_not(client, aws):
    assert client.get(API, headers=bearer(READER)).status_code == 403
    assert "Ask AWS" not in client.get(PAGE, headers=bearer(READER)).text
    assert client.get(f"{PAGE}?addresses=raw&aws=ask", headers=bearer(READER)).status_code == 403
    masked = client.get(f"{PAGE}?aws=ask", headers=bearer(READER))
    assert masked.status_code == 200
    assert "What AWS says" not in masked.text
    assert aws.asked == []


def test_the_page_asks_only_when_it_is_told_to(client, aws):
    shown = client.get(PAGE, headers=bearer(UNMASKER)).text
    assert "?addresses=raw&amp;aws=ask" in shown
    assert aws.asked == []
    told = client.get(f"{PAGE}?addresses=raw&aws=ask", headers=bearer(UNMASKER)).text
    assert "What AWS says now" in told
    assert "since &lt;b&gt;1999&lt;/b&gt;" in told, "what AWS says is text"
    assert len(aws.asked) == 1


def test_of_a_mail_that_is_well_there_is_nothing_to_ask(client):
    assert "Ask AWS" not in client.get(f"/mail/{ses_id(2)}", headers=bearer(UNMASKER)).text
    assert client.get(f"/api/v1/aws/{ses_id(2)}", headers=bearer(UNMASKER)).json()["evidence"] == []


def test_a_page_that_does_not_ask_says_so(tmp_path):
    site = site_of(tmp_path, [SUPPRESSED], access=with_tokens())
    with client_of(site) as client:
        answer = client.get(API, headers=bearer(UNMASKER))
        assert answer.status_code == 404
        assert "--ask-aws" in answer.json()["detail"]
        assert "Ask AWS" not in client.get(PAGE, headers=bearer(UNMASKER)).text
    site.store.close()


def test_a_pseudonym_is_not_asked_about(tmp_path, aws):
    hidden = Pseudonyms(b"the worker's own key").address(ADDRESS)
    site = site_of(tmp_path, [mail(recipients=(to(hidden, Outcome.SUPPRESSED),))], access=with_tokens(), aws=aws)
    with client_of(site) as client:
        assert client.get(API, headers=bearer(UNMASKER)).status_code == 200
    assert (aws.asked[0].suppressed, aws.asked[0].hidden) == ((), (hidden,))
    site.store.close()
