"""What SES is asked, how often, and what its answers come to. boto3 is real; SES is a stand-in on this machine."""

from __future__ import annotations

from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from service.aws.asking import ask
from service.aws.clients import AwsError, Trouble
from service.aws.doctor import MOST, findings
from service.aws.evidence import UNKNOWN_ADDRESS, Wanted, wanted
from service.aws.ses import PATIENCE, REMEMBERED, Pace, Regions, Ses, Suppressed
from service.contract.enums import Outcome, VerdictCause
from service.edges.doctor_finding import State
from service.policy import Policy, parse_policy
from service.privacy import Pseudonyms
from tests.ses_api import ACCOUNT, EVERY_EVENT, SesApi, destination, serving
from tests.trace.mails import mail, to

SINCE = datetime(2026, 11, 2, 8, 12, 33, tzinfo=UTC)
HIDE = Pseudonyms(b"the key of the tests")


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def _keys(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


@pytest.fixture
def api():
    with serving(SesApi()) as made:
        yield made


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ses(api, clock):
    made = boto3.client("sesv2", "eu-west-1", endpoint_url=api.address)
    return Ses(made, Pace(clock=clock, sleep=clock.sleep), clock)


class Here(Regions):
    """The stand-in, whatever region is asked about."""

    def __init__(self, ses):
        self.ses, self.wanted = ses, []

    def of(self, region=None):
        self.wanted.append(region)
        return self.ses


def told(evidence):
    return {each.about: each.says for each in evidence}


# -- asking ----------------------------------------------------------------------------------------------------------


def test_an_answer_is_remembered_for_a_while_and_an_error_is_not(api, ses, clock):
    assert ses.account() == ses.account()
    assert api.asked == ["GetAccount"]
    clock.now += REMEMBERED + 1
    api.account = ACCOUNT | {"SendingEnabled": False}
    assert not ses.account().sending
    api.refuses["GetSuppressedDestination"] = 403, "AccessDeniedException", "no"
    for _ in range(2):
        with pytest.raises(AwsError) as found:
            ses.suppressed("ann@client.example")
    assert found.value.trouble is Trouble.DENIED
    assert "deploy/iam/" in str(found.value)
    api.refuses.clear()
    assert ses.suppressed("ann@client.example") is None
    assert ses.suppressed("ann@client.example") is None, "that there is none is remembered, too"
    assert api.asked.count("GetSuppressedDestination") == 3


def test_calls_keep_the_pace_and_nobody_waits_for_long(ses, clock):
    for number in range(4):
        ses.suppressed(f"ann{number}@client.example")
    assert clock.slept == [0, 1, 1, 1]
    pace = Pace(clock=clock, sleep=lambda _: None)
    for _ in range(int(PATIENCE) + 1):
        pace.wait("SES's account")
    with pytest.raises(AwsError, match="ask again later") as found:
        pace.wait("SES's account")
    assert found.value.trouble is Trouble.THROTTLED


def test_what_stands_on_the_suppression_list(api, ses):
    api.suppressed["ann+x@client.example"] = {
        "Reason": "BOUNCE", "LastUpdateTime": SINCE.timestamp(), "Attributes": {"MessageId": "0102-1"},
    }  # fmt: skip
    assert ses.suppressed("ann+x@client.example") == Suppressed(SINCE, "BOUNCE", "0102-1")


def test_all_pages_of_configuration_sets_are_read(api, ses):
    api.sets = {f"set-{number}": [] for number in range(5)}
    assert ses.configuration_sets() == tuple(sorted(api.sets))


def test_identities_as_moto_knows_them(clock):
    with mock_aws():
        made = boto3.client("sesv2", "eu-west-1")
        made.create_email_identity(EmailIdentity="app.example")
        ses = Ses(made, Pace(clock=clock, sleep=clock.sleep), clock)
        assert ses.identity("app.example") is not None
        assert ses.identity("other.example") is None


def test_what_a_mail_says_of_its_region_leads_to_aws_alone(api):
    regions = Regions("eu-west-1", api.address)
    assert regions.of().region == "eu-west-1"
    assert regions.of("us-east-1").region == "us-east-1"
    assert regions.of("us-east-1") is regions.of("us-east-1"), "one pace a region"
    for odd in ("evil.example/", "evil-1", "", "eu-west-1.evil.example", "../x"):
        assert regions.of(odd).region == "eu-west-1"


def test_without_a_region_it_is_said(monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AwsError, match="--region"):
        Regions(None, None)


# -- what a mail makes us ask, and what it is told ---------------------------------------------------------------------


def refused(cause, **changes):
    said = mail().verdict
    return mail(
        recipients=(to("ann@client.example", Outcome.REFUSED),), region="us-east-1", trail=(),
        verdict=type(said)(stage=said.stage, cause=cause, explanation="", next_step=""), **changes,
    )  # fmt: skip


def suppressed(*addresses):
    return mail(recipients=tuple(to(address, Outcome.SUPPRESSED) for address in addresses))


def test_a_mail_that_is_well_asks_nothing(api, ses):
    assert not wanted([mail()])
    assert ask(Here(ses), wanted([mail()])) == ()
    assert api.asked == []


@pytest.mark.parametrize("cause", ["account_paused", "quota_exceeded", "auth_failed", "access_denied", "rate_exceeded"])
def test_an_account_that_is_refused_is_asked_about_in_the_mails_region(api, ses, cause):
    here = Here(ses)
    api.account = ACCOUNT | {"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN"}
    (evidence,) = ask(here, wanted([refused(VerdictCause(cause))]))
    assert here.wanted == ["us-east-1"]
    assert evidence.says == (
        "sending is paused now: see the notice that AWS sent to the account's address; SES has taken its right to send"
        " (SHUTDOWN); 41,210 mails were sent in the last 24 hours, of 50,000 (82%), 14 a second at most"
    )


def test_a_sandbox_and_a_missing_quota_are_said(api, ses):
    api.account = ACCOUNT | {"ProductionAccessEnabled": False, "SendQuota": {"Max24HourSend": -1.0}}
    (evidence,) = ask(Here(ses), Wanted(account=True))
    assert "without a quota; it is in the sandbox" in evidence.says


def test_since_when_a_recipient_is_suppressed_and_why(api, ses):
    api.suppressed["ann@client.example"] = {"Reason": "COMPLAINT", "LastUpdateTime": SINCE.timestamp()}
    said = told(ask(Here(ses), wanted([suppressed("ann@client.example", "bob@client.example")])))
    assert said["ann@client.example"] == (
        "on the account's suppression list since 2026-11-02 08:12:33 UTC, for a complaint"
    )
    assert said["bob@client.example"].startswith("not on the account's suppression list now")


def test_a_pseudonym_is_asked_about_only_by_the_address_that_was_typed(api, ses):
    ann, bob = map(HIDE.address, ("ann@client.example", "bob@client.example"))
    api.suppressed["ann@client.example"] = {"Reason": "BOUNCE", "LastUpdateTime": SINCE.timestamp()}
    said = told(ask(Here(ses), wanted([suppressed(ann, bob)], {ann: "ann@client.example"})))
    assert "since 2026-11-02" in said[ann], "told under the name that is shown"
    assert said[bob] == UNKNOWN_ADDRESS
    assert api.asked == ["GetSuppressedDestination"], "no pseudonym is sent to AWS"
    assert wanted([suppressed(ann)], {ann: ann}).hidden == (ann,), "a pseudonym that was typed is none the wiser"


def test_an_unverified_sender_by_address_domain_and_parent(api, ses):
    api.identities = {
        "mail.app.example": {"VerifiedForSendingStatus": False, "VerificationStatus": "FAILED",
                             "VerificationInfo": {"ErrorType": "HOST_NOT_FOUND"}},
        "app.example": {"VerifiedForSendingStatus": True, "VerificationStatus": "SUCCESS"},
    }  # fmt: skip
    document = refused(VerdictCause.UNVERIFIED_IDENTITY, sender="shop@mail.app.example")
    said = told(ask(Here(ses), wanted([document])))
    assert list(said) == ["account in eu-west-1", "shop@mail.app.example", "mail.app.example", "app.example"]
    assert said["shop@mail.app.example"] == "no identity of this account in this region"
    assert said["mail.app.example"] == "an identity, and not verified: its status is FAILED (HOST_NOT_FOUND)"
    assert said["app.example"] == "verified now: SES takes mail from it"


def test_of_a_sender_that_is_a_pseudonym_the_domain_is_asked_about():
    document = refused(VerdictCause.UNVERIFIED_IDENTITY, sender=HIDE.address("shop@app.example"))
    assert [question.address for question in wanted([document]).identities] == ["app.example"]


def test_what_cannot_be_asked_is_said_and_the_rest_is_told(api, ses):
    api.refuses["GetAccount"] = 403, "AccessDeniedException", "not authorized to perform: ses:GetAccount"
    api.identities["app.example"] = {"VerifiedForSendingStatus": True}
    account, _, domain = ask(Here(ses), wanted([refused(VerdictCause.UNVERIFIED_IDENTITY)]))
    assert not account.answered
    assert "compare its policy with deploy/iam/" in account.says
    assert domain.answered


# -- doctor ----------------------------------------------------------------------------------------------------------


def looked(ses, policy=None, named=()):
    return {(each.what, each.state): each.found for each in findings(ses, policy or Policy(), named)}


def test_a_set_without_delivery_events_makes_every_mail_a_gap(api, ses):
    api.sets["marketing"] = [destination(events=[event for event in EVERY_EVENT if event != "DELIVERY"])]
    found = looked(ses)
    assert found["configuration set marketing", State.WRONG].startswith(
        "does not publish DELIVERY: every mail of it becomes a gap"
    )


def test_a_set_that_publishes_all_is_well(api, ses):
    api.sets["marketing"] = [destination(events=EVERY_EVENT[:3]), destination("EventBridge", events=EVERY_EVENT[3:])]
    assert looked(ses)["configuration set marketing", State.OK] == "publishes all that is needed, by Sns, EventBridge"


@pytest.mark.parametrize("event", EVERY_EVENT)
def test_each_event_that_is_missing_is_said(api, ses, event):
    api.sets["x"] = [destination(events=[each for each in EVERY_EVENT if each != event])]
    said = [each for each in findings(ses, Policy(), ()) if each.what == "configuration set x"]
    assert [each.found.startswith(f"does not publish {event}: ") for each in said] == [True]
    assert said[0].state is (State.WRONG if event in {"DELIVERY", "BOUNCE"} else State.LOOK)


@pytest.mark.parametrize(
    ("destinations", "why"),
    [
        ([], "it has no event destination"),
        ([destination("CloudWatch")], "to-kafka (CloudWatch)"),
        ([destination(enabled=False)], "to-kafka (disabled)"),
    ],
)
def test_a_set_from_which_nothing_comes_to_kafka(api, ses, destinations, why):
    api.sets["x"] = destinations
    found = looked(ses)["configuration set x", State.WRONG]
    assert "every mail of it becomes a gap" in found
    assert found.endswith(why)


def test_the_sets_that_the_policy_and_flags_name_are_looked_at_and_no_others(api, ses):
    api.sets = {"otp": [destination()], "other": []}
    policy = parse_policy({"streams": [{"name": "otp", "match": {"configuration_set": "otp"}}]})
    assert {what for what, _ in looked(ses, policy, ("gone",))} == {
        "account in eu-west-1", "configuration set gone", "configuration set otp",
    }  # fmt: skip
    assert looked(ses, policy, ("gone",))["configuration set gone", State.WRONG] == "is not there"


def test_no_set_and_too_many_sets_are_said(ses):
    assert "there is none" in looked(ses)["configuration sets", State.LOOK]
    found = looked(ses, named=tuple(f"set-{number}" for number in range(MOST + 3)))
    assert found["configuration sets", State.LOOK] == f"3 of {MOST + 3} were not looked at"


def test_an_account_that_cannot_send_or_soon_will_not(api, ses):
    found = looked(ses)
    assert found["account in eu-west-1", State.LOOK] == "41,210 mails sent in the last 24 hours, of 50,000"
    api.account = ACCOUNT | {
        "SendingEnabled": False, "EnforcementStatus": "PROBATION", "ProductionAccessEnabled": False, "SendQuota": {},
    }  # fmt: skip
    fresh = Ses(ses._client, ses._pace, ses._clock)
    said = [each.found for each in findings(fresh, Policy(), ()) if each.state is not State.OK]
    assert said[:3] == [
        "may not send: it is paused",
        "its enforcement status is PROBATION",
        "is in the sandbox, so mails to addresses that are not verified are refused",
    ]


def test_what_may_not_be_asked_is_a_finding_with_the_way_out(api, ses):
    api.refuses = dict.fromkeys(("GetAccount", "ListConfigurationSets"), (403, "AccessDeniedException", "no"))
    said = list(findings(ses, Policy(), ()))
    assert [(each.what, each.state) for each in said] == [("account", State.WRONG), ("configuration sets", State.WRONG)]
    assert all("deploy/iam/" in each.advice for each in said)
