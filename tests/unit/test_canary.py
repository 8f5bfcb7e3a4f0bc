"""A canary mail: how it is sent, what counts as its arrival, and what is said of one that does not come."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.canary.canary import Canary, Plan
from service.canary.flight import Expected, Flight, Leg, standing
from service.canary.sending import HEADER, TAG, Api, Mail, NotSentError, Smtp, new_message_id
from service.canary.watch import MOST, Result, Watch
from service.cli import cli
from service.contract.correlated import VerdictEntry
from service.contract.enums import Outcome, Stage, VerdictCause
from service.contract.wire import encode
from service.facts import Source
from service.privacy import Pseudonyms
from service.setting_canary import Server
from service.settings import SettingsError, load
from tests.integration.ses_endpoint import SesEndpoint
from tests.ses_api import SesApi, serving
from tests.sns import Party
from tests.trace.mails import MINUTE, SECOND, T0, mail, ses_id, silent, to

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIL = Mail("otp", "canary@app.example", "success@simulator.amazonses.com", "transactional")
SENT = T0 - 2 * SECOND
PATIENCE = 15 * MINUTE
LONG = 3650


# -- sending ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ses() -> Iterator[SesEndpoint]:
    with SesEndpoint() as endpoint:
        yield endpoint


def by_smtp(endpoint: SesEndpoint, tls: str = "none", **more: str) -> Smtp:
    return Smtp(Server("127.0.0.1", endpoint.port, tls), **more)


def test_ses_itself_answers_with_its_id(ses):
    flight = by_smtp(ses).send(MAIL)
    (attempt,) = ses.attempts
    assert (flight.ses_id, flight.message_id) == (attempt.ses_id, attempt.message_id)
    assert attempt.recipients == (MAIL.recipient,)
    assert flight.took > 0


def test_a_mail_server_answers_with_less(ses):
    assert by_smtp(ses).send(MAIL._replace(recipient="noid.ann@client.example")).ses_id == ""


def test_no_pseudonym_takes_the_place_of_its_message_id():
    message_id = new_message_id("canary@app.example")
    assert Pseudonyms(b"a key of the tests").message_id(message_id.strip("<>")) == message_id.strip("<>")
    assert new_message_id("canary@app.example") != message_id


@pytest.mark.parametrize(
    ("recipient", "said"),
    [
        ("paused.ann@client.example", "554 Message rejected: Sending paused for this account"),
        ("quota.ann@client.example", "454 Throttling failure: Daily message quota exceeded."),
        ("badrcpt.ann@client.example", "501 Invalid RCPT TO address provided"),
        ("drop.ann@client.example", "is it there, and may we reach it?"),
    ],
)
def test_a_refusal_is_a_sentence_with_ses_own_words(ses, recipient, said):
    with pytest.raises(NotSentError) as found:
        by_smtp(ses).send(MAIL._replace(recipient=recipient))
    assert said in str(found.value)
    assert str(found.value).isprintable()


def test_what_smtp_cannot_carry_is_one_sentence(ses):
    with pytest.raises(NotSentError, match="takes ASCII alone"):
        by_smtp(ses).send(MAIL._replace(sender="k\u00e4fig@app.example"))


class Silence:
    """A topic on which nothing comes."""

    async def getmany(self, **_: object) -> dict[object, list[object]]:
        await asyncio.sleep(0)
        return {}


class Broken:
    """A way with a bug."""

    def send(self, _mail: Mail) -> Flight:
        raise RuntimeError("a bug")


async def test_a_canary_that_can_send_no_more_ends_and_does_not_merely_fall_silent():
    plan = Plan(MAIL, Expected(Outcome.DELIVERED), interval=300, patience=300)
    with pytest.raises(RuntimeError, match="a bug"):
        await Canary(plan, Broken(), Silence()).run()  # type: ignore[arg-type]


def test_nobody_listens(ses):
    ses.close()
    with pytest.raises(NotSentError, match="is it there, and may we reach it"):
        by_smtp(ses).send(MAIL)
    ses.start()


def test_a_server_without_starttls_gets_nothing(ses):
    with pytest.raises(NotSentError, match=r"STARTTLS.*smtps://"):
        by_smtp(ses, "starttls", user="name", password="secret").send(MAIL)
    assert ses.attempts == []


@pytest.fixture(scope="module")
def root() -> Party:
    return Party("Root", 0, days=LONG, since=LONG)


def offering(party: Party, folder: Path) -> ssl.SSLContext:
    key = party.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(key + party.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def test_credentials_go_over_a_connection_that_was_checked(root, tmp_path):
    (tmp_path / "ca.pem").write_bytes(root.pem)
    context = offering(Party("localhost", 3, root, dns="localhost", days=LONG, since=LONG), tmp_path)
    with SesEndpoint(credentials=("name", "right"), tls=context) as endpoint:
        server = Server("localhost", endpoint.port, "starttls")
        trusted = {"user": "name", "ca_file": str(tmp_path / "ca.pem")}
        assert Smtp(server, password="right", **trusted).send(MAIL).ses_id
        with pytest.raises(NotSentError, match=r"535 .*correct --smtp-user") as found:
            Smtp(server, password="wrong", **trusted).send(MAIL)
        assert "wrong" not in str(found.value)
        with pytest.raises(NotSentError, match=r"TLS failed.*--smtp-ca-file"):
            Smtp(server, user="name", password="right").send(MAIL)
        with pytest.raises(NotSentError, match="TLS failed"):
            Smtp(Server("127.0.0.1", endpoint.port, "starttls"), password="right", **trusted).send(MAIL)
    assert len(endpoint.attempts) == 1


def test_by_the_api(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    sent = []
    with serving(SesApi(send=lambda body: sent.append(body) or ses_id(1))) as api:
        way = Api(boto3.client("sesv2", "eu-west-1", endpoint_url=api.address))
        flight = way.send(MAIL)
        api.refuses["SendEmail"] = 400, "SendingPausedException", "Sending paused for this account."
        with pytest.raises(NotSentError, match=r"Sending paused for this account\."):
            way.send(MAIL._replace(configuration_set=""))
    assert flight.names == {ses_id(1)}
    assert sent[0]["ConfigurationSetName"] == "transactional"
    assert "ConfigurationSetName" not in sent[1]
    assert sent[0]["EmailTags"] == [{"Name": TAG, "Value": "otp"}]
    assert sent[0]["Content"]["Simple"]["Headers"] == [{"Name": HEADER, "Value": "otp"}]


# -- arriving --------------------------------------------------------------------------------------------------------

BY_MTA = Flight(SENT, "<1.1@app.example>", 0.02)
BY_SES = Flight(SENT, "<1.1@app.example>", 0.02, ses_id(1))
WHOLE = Expected()
EVENTS_ALONE = mail(queue_ids=(), trail=tuple(e for e in mail().trail if e.source is Source.SES))


def why(*documents, flight=BY_MTA, expected=WHOLE):
    return standing(flight, documents, expected, T0 + 5 * SECOND).broken


def test_the_whole_trail_has_come_and_each_leg_is_timed():
    found = standing(BY_MTA, [mail()], Expected(), T0 + 5 * SECOND)
    assert (found.mail_id, found.broken) == (ses_id(1), "")
    assert found.legs == {Leg.SUBMIT: 0.02, Leg.ACCEPT: 2, Leg.DELIVER: 2, Leg.REPORT: 3, Leg.TOTAL: 7}


def test_clocks_that_disagree_give_no_time_below_zero():
    found = standing(BY_MTA._replace(sent_at=T0 + 9 * SECOND), [mail()], Expected(), T0 + 5 * SECOND)
    assert min(found.legs.values()) == 0


def test_what_is_missing_is_named():
    assert "nothing of it has come" in why()
    paused = VerdictEntry(
        stage=Stage.APPLICATION, cause=VerdictCause.ACCOUNT_PAUSED, explanation="Paused.", next_step=""
    )
    refused = mail(ses_message_id=None, mail_id="mx1/4F2@1", recipients=(), verdict=paused)
    assert why(refused) == "SES has not accepted it (account_paused): Paused."
    assert why(silent()) == "SES accepted it, and it is pending: It fell silent."
    bounced = mail(recipients=(to("ann1@gmail.com", Outcome.BOUNCED, T0 + SECOND),))
    assert why(bounced) == "it was bounced and should have been delivered: It is there."
    assert why(bounced, expected=Expected(Outcome.BOUNCED)) == ""


def test_the_log_must_have_come_where_it_went_by_a_mail_server():
    assert "no line of the mail server's log has come" in why(EVENTS_ALONE)
    assert why(EVENTS_ALONE, expected=Expected(logged=False)) == ""
    assert why(EVENTS_ALONE, flight=BY_SES) == "", "SES answered itself: there is no other log"


def test_a_submission_that_was_superseded_is_not_the_end_of_it():
    submission = mail(ses_message_id=None, mail_id="mx1/4F2@1", superseded_by=ses_id(1))
    assert why(submission, mail()) == ""
    assert why(mail(), submission) == ""


def test_a_mail_arrives_once_and_other_mails_are_none_of_its():
    watch = Watch(Expected(), PATIENCE)
    watch.sent(BY_MTA)
    assert watch.read(encode(mail(2)), T0) is None
    assert watch.read(None, T0) is None
    assert watch.read(encode(EVENTS_ALONE), T0 + SECOND) is None
    news = watch.read(encode(mail()), T0 + 5 * SECOND)
    assert news is not None
    assert (news.flight, news.result) == (BY_MTA, Result.ARRIVED)
    assert watch.read(encode(mail()), T0 + 6 * SECOND) is None
    assert watch.missing(T0 + PATIENCE) == []


def test_a_missing_mail_is_said_once_and_one_that_comes_after_all_is_late():
    watch = Watch(Expected(), PATIENCE)
    watch.sent(BY_MTA)
    watch.read(encode(silent()), T0)
    assert watch.missing(SENT + PATIENCE - 1) == []
    (news,) = watch.missing(SENT + PATIENCE)
    assert (news.result, news.standing.broken) == (
        Result.MISSING,
        "SES accepted it, and it is pending: It fell silent.",
    )
    assert watch.missing(SENT + PATIENCE + 1) == []
    late = watch.read(encode(mail()), SENT + PATIENCE + 2)
    assert late is not None
    assert late.result is Result.LATE


def test_a_text_that_merely_quotes_its_id_is_not_its_record():
    watch = Watch(Expected(), PATIENCE)
    watch.sent(BY_MTA)
    quoting = mail(2, verdict=VerdictEntry(
        stage=Stage.SES, cause=VerdictCause.DELIVERED, explanation=BY_MTA.message_id, next_step=""
    ))  # fmt: skip
    assert watch.read(encode(quoting), T0) is None


def test_what_is_waited_for_is_bounded():
    watch = Watch(Expected(), PATIENCE)
    for number in range(MOST + 3):
        watch.sent(BY_MTA._replace(message_id=f"<{number}@app.example>"))
    assert len(watch.missing(SENT + PATIENCE)) == MOST


# -- settings --------------------------------------------------------------------------------------------------------

GIVEN = {"canary_via": "ses", "canary_sender": "canary@app.example"}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("ses", "ses"),
        ("SES", "ses"),
        ("smtp://mail.example", Server("mail.example", 587, "starttls")),
        ("smtps://email-smtp.eu-west-1.amazonaws.com", Server("email-smtp.eu-west-1.amazonaws.com", 465, "tls")),
        ("smtp+plain://127.0.0.1", Server("127.0.0.1", 25, "none")),
        ("smtp+plain://[::1]:2525", Server("::1", 2525, "none")),
    ],
)
def test_ways(given, read):
    assert load({"canary_via": given}, {}).canary.canary_via == read


@pytest.mark.parametrize(
    "given",
    [
        {"canary_via": "mail.example:25"}, {"canary_via": "smtp://user:secret@mail.example"},
        {"canary_via": "smtp://x:0"}, {"canary_via": "http://x"}, {"canary_name": "a b"}, {"canary_sender": "nobody"},
        {"canary_recipient": "a@b\nRCPT"}, {"canary_expect": "pending"}, {"canary_interval": "1s"},
    ],
)  # fmt: skip
def test_what_cannot_be_read(given):
    (value,) = given.values()
    with pytest.raises(SettingsError) as found:
        load(given, {})
    assert repr(value) in str(found.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"canary_sender": "a@b"}, "no way to send"),
        ({"canary_via": "ses"}, "no sender"),
        ({**GIVEN, "canary_via": "smtp+plain://mail.example", "canary_user": "u"}, "without TLS"),
        ({**GIVEN, "canary_password_file": "/x"}, "needs --smtp-user"),
    ],
)
def test_what_does_not_fit_together(given, said):
    with pytest.raises(SettingsError, match=said):
        load(given, {}).canary.complain()


def test_the_password_comes_from_a_file_or_the_environment(tmp_path):
    (tmp_path / "password").write_text("secret\n")
    user = {**GIVEN, "canary_via": "smtp://mail.example", "canary_user": "u"}
    assert load({**user, "canary_password_file": str(tmp_path / "password")}, {}).canary.password({}) == "secret"
    assert load(user, {}).canary.password({"MAILGAP_SMTP_PASSWORD": "other"}) == "other"
    assert load(GIVEN, {}).canary.password({}) == ""
    with pytest.raises(SettingsError, match="--smtp-password-file"):
        load(user, {}).canary.password({})


def test_bad_usage_is_a_sentence(monkeypatch):
    monkeypatch.delenv("MAILGAP_SMTP_PASSWORD", raising=False)
    arguments = ["canary", "--once", "--sender", "a@b", "--via", "smtp://mail.example", "--smtp-user", "u"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "there is no secret" in result.stderr
