"""Every cause has words that a person on call can act on."""

from __future__ import annotations

import re

import msgspec
import pytest

from service.contract.enums import CAUSES_OF, GapKind, Stage, VerdictCause
from service.explain import (
    LONGEST_REPLY,
    PAGES,
    RUNBOOKS,
    TEXTS,
    Circumstances,
    cause_of_bounce,
    cause_of_complaint,
    cause_of_delay,
    explain,
    runbook_url,
    unverified,
)
from service.facts import Cause

KNOWN = Circumstances(
    recipient="p-2c70-60303ae22b998861@example.org",
    domain="example.org",
    region="eu-west-1",
    ses_id="0102019cdd39ed2b-1b7a4f0e-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000",
    mail_id="mx1/4DQXyz3Kz9zJ@1773238086",
    host="mx1",
    accepted_at="2026-03-11T14:08:06.955Z",
    expires="2026-03-12T04:08:06.955Z",
    reply="554 Message rejected: Email address is not verified. The following identities failed the check in region"
    " EU-WEST-1: p-2c70-9f86d081884c7d65@app.example, app.example",
    words="Transient/SRETeamEatenByDinosaurs",
    reason="Attribute 'name' is not present in the rendering data.",
    template="welcome",
)

AN_ACTION = re.compile(
    r"\b(verify|request|look|compare|make sure|rotate|check|allow|read|fix|send|see that|try|use|have|search|find|ask"
    r"|wait|scan|respect|lower|stop|follow)\b",
    re.IGNORECASE,
)

BOUNCES = {
    ("Undetermined", "Undetermined"): VerdictCause.BOUNCED_UNDETERMINED,
    ("Permanent", "General"): VerdictCause.HARD_BOUNCE,
    ("Permanent", "NoEmail"): VerdictCause.MAILBOX_DOES_NOT_EXIST,
    ("Permanent", "Suppressed"): VerdictCause.SUPPRESSED_GLOBAL,
    ("Permanent", "OnAccountSuppressionList"): VerdictCause.SUPPRESSED_ACCOUNT,
    ("Permanent", "OnTenantSuppressionList"): VerdictCause.SUPPRESSED_TENANT,
    ("Permanent", "EmailValidationSuppressed"): VerdictCause.VALIDATION_SUPPRESSED,
    ("Permanent", "UnsubscribedRecipient"): VerdictCause.UNSUBSCRIBED,
    ("Transient", "General"): VerdictCause.SOFT_BOUNCE,
    ("Transient", "MailboxFull"): VerdictCause.MAILBOX_FULL,
    ("Transient", "MessageTooLarge"): VerdictCause.MESSAGE_TOO_LARGE,
    ("Transient", "ContentRejected"): VerdictCause.CONTENT_REJECTED,
    ("Transient", "AttachmentRejected"): VerdictCause.ATTACHMENT_REJECTED,
    ("Transient", "CustomTimeoutExceeded"): VerdictCause.DELIVERY_TIMEOUT,
    ("Transient", "SRETeamEatenByDinosaurs"): VerdictCause.SOFT_BOUNCE,
    ("Permanent", "New"): VerdictCause.HARD_BOUNCE,
    ("New", "New"): VerdictCause.BOUNCED_UNDETERMINED,
    ("", ""): VerdictCause.BOUNCED_UNDETERMINED,
}

DELAYS = [
    "InternalFailure", "General", "MailboxFull", "SpamDetected", "RecipientServerError", "IPFailure",
    "TransientCommunicationFailure", "BYOIPHostNameLookupUnavailable", "Undetermined", "SendingDeferral",
]  # fmt: skip


@pytest.mark.parametrize("known", [KNOWN, Circumstances()], ids=["all known", "nothing known"])
@pytest.mark.parametrize("cause", list(VerdictCause))
def test_every_cause_says_what_it_means_and_what_to_do(cause, known):
    said = explain(cause, known)
    for sentence in (said.explanation, said.next_step):
        assert len(sentence) > 40
        assert not re.search(r"[{}]|  |\.\.| ,|^(?!example\.org)[a-z]|\(\)", sentence.replace(known.reply, "")), (
            sentence
        )
        assert sentence.endswith((".", ".)"))
    assert AN_ACTION.search(said.next_step), said.next_step


def test_every_kind_of_gap_has_words_at_a_stage_that_can_act():
    for kind, causes in CAUSES_OF.items():
        stages = {explain(cause).stage for cause in causes}
        assert stages <= (
            {Stage.SES, Stage.RECIPIENT} if kind is GapKind.ACCEPTED_NOT_DELIVERED else {Stage.APPLICATION}
        )


@pytest.mark.parametrize("cause", list(Cause))
def test_every_gap_has_a_runbook_of_its_own(cause):
    assert TEXTS[cause].runbook == cause.value
    assert runbook_url(cause) == f"deploy/runbooks/{cause.value}.md"


def test_runbooks_may_live_elsewhere():
    assert (
        explain(Cause.SILENT, runbooks="https://wiki.example/mail/").runbook_url
        == "https://wiki.example/mail/silent.md"
    )
    assert runbook_url(Cause.SILENT, "https://wiki.example/mail") == "https://wiki.example/mail/silent.md"
    assert RUNBOOKS.endswith("/")
    assert all(re.fullmatch("[a-z0-9_]+", page) for page in PAGES)


@pytest.mark.parametrize(("words", "cause"), BOUNCES.items())
def test_every_bounce_has_a_cause(words, cause):
    assert cause_of_bounce(*words) is cause


@pytest.mark.parametrize(
    ("bounce", "cause"),
    [
        (("Permanent", "General", "5.1.1"), VerdictCause.MAILBOX_DOES_NOT_EXIST),
        (("Permanent", "General", "5.1.10"), VerdictCause.DOMAIN_DOES_NOT_EXIST),
        (("Permanent", "General", "5.4.4"), VerdictCause.DOMAIN_DOES_NOT_EXIST),
        (("Permanent", "General", "5.7.26"), VerdictCause.RECIPIENT_POLICY),
        (("Permanent", "General", "5.0.0"), VerdictCause.HARD_BOUNCE),
        (("Transient", "General", "4.4.7"), VerdictCause.DELIVERY_TIMEOUT),
        (("Permanent", "Suppressed", "5.1.1"), VerdictCause.SUPPRESSED_GLOBAL),
        (("Permanent", "OnAccountSuppressionList", "5.1.1"), VerdictCause.SUPPRESSED_ACCOUNT),
        (("Undetermined", "Undetermined", "5.1.1"), VerdictCause.BOUNCED_UNDETERMINED),
    ],
)
def test_where_the_subtype_is_general_the_status_tells_more(bounce, cause):
    assert cause_of_bounce(*bounce) is cause


def test_every_delay_has_a_cause_of_its_own():
    assert len({cause_of_delay(delay) for delay in DELAYS}) == len(DELAYS)
    assert all(cause_of_delay(delay).startswith("delayed_") for delay in DELAYS)
    assert cause_of_delay("New") is VerdictCause.DELAYED_UNDETERMINED


@pytest.mark.parametrize(
    ("subtype", "cause"),
    [
        ("", VerdictCause.COMPLAINT),
        ("OnAccountSuppressionList", VerdictCause.SUPPRESSED_ACCOUNT),
        ("OnTenantSuppressionList", VerdictCause.SUPPRESSED_TENANT),
        ("New", VerdictCause.SUPPRESSED_ACCOUNT),
    ],
)
def test_a_complaint_with_a_subtype_was_never_sent(subtype, cause):
    assert cause_of_complaint(subtype) is cause


@pytest.mark.parametrize(
    "cause", [VerdictCause.SOFT_BOUNCE, VerdictCause.HARD_BOUNCE, VerdictCause.BOUNCED_UNDETERMINED]
)
def test_new_words_of_ses_are_kept(cause):
    assert "SRETeamEatenByDinosaurs" in explain(cause, KNOWN).explanation


def test_an_unverified_identity_is_named_with_its_region():
    said = explain(Cause.UNVERIFIED_IDENTITY, msgspec.structs.replace(KNOWN, region=""))
    assert "not verified in eu-west-1: p-2c70-9f86d081884c7d65@app.example, app.example" in said.explanation
    assert "sandbox" in said.explanation
    assert "--region eu-west-1" in said.next_step


CHECK = "Email address is not verified. The following identities failed the check in region "


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (CHECK + "US-EAST-1: a@b.example, c.example", ("us-east-1", ("a@b.example", "c.example"))),
        (CHECK + "US-EAST-1: a@b.example ... (in reply to end of DATA command)", ("us-east-1", ("a@b.example",))),
        (CHECK + "AP-SOUTH-1: Ann <a@b.example>, ...", ("ap-south-1", ("a@b.example",))),
        (CHECK + "US-EAST-1:", ("us-east-1", ())),
        ("554 Message rejected: Email address is not verified.", ("", ())),
        ("", ("", ())),
    ],
)
def test_the_refusal_names_region_and_identities(reply, expected):
    assert unverified(reply) == expected


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (Cause.QUOTA_EXCEEDED, "request a sending-quota increase"),
        (Cause.SIGV2_RATE_EXCEEDED, "before 2019-01-10"),
        (VerdictCause.SUPPRESSED_ACCOUNT, "aws sesv2 delete-suppressed-destination"),
        (VerdictCause.VIRUS, "Scan the mail"),
        (VerdictCause.TEMPLATE_ERROR, "Fix the template variable"),
        (VerdictCause.DELIVERED, "postmaster of example.org"),
        (VerdictCause.DELIVERED, KNOWN.ses_id),
        (VerdictCause.DELIVERED, KNOWN.accepted_at),
        (Cause.NO_EVENTS, f"get-message-insights --message-id {KNOWN.ses_id} --region eu-west-1"),
    ],
)
def test_the_words_are_those_of_ses(cause, words):
    said = explain(cause, KNOWN)
    assert words in said.explanation + said.next_step


def test_what_a_person_may_paste_into_a_shell_holds_no_shell():
    evil = "$(reboot)`;|-x"
    known = Circumstances(recipient=f"a@{evil}", domain=evil, region=evil, ses_id=evil, template=evil)
    for cause in VerdictCause:
        for command in re.findall(r"`([^`]+)`", explain(cause, known).next_step):
            assert not set("$;|") & set(command)


def test_braces_in_what_others_said_stay_braces():
    reply = "550 {recipient.__class__} {0} {said}"
    assert reply in explain(VerdictCause.HARD_BOUNCE, msgspec.structs.replace(KNOWN, reply=reply)).explanation


def test_a_reply_is_quoted_on_one_line_of_bounded_length():
    said = explain(VerdictCause.HARD_BOUNCE, Circumstances(reply="550 no\r\n550 " + "way " * 100_000))
    assert "\n" not in said.explanation
    assert len(said.explanation) < 2 * LONGEST_REPLY


def test_the_domain_is_that_of_the_recipient():
    assert (
        "example.org says"
        in explain(VerdictCause.MAILBOX_DOES_NOT_EXIST, Circumstances(recipient="a@example.org")).explanation
    )
