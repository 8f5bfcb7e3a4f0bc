"""qmail says to whom a delivery goes in one line and how it ended in another, under a number that tells neither."""

from __future__ import annotations

import pytest

from service.policy import parse_policy

ANN, BOB = "ann@example.com", "bob@example.com"
INFO = "info msg 3890: bytes 372 from <no-reply@shop.example> qp 31835 uid 33"
REMOTE = "192.0.2.10_failed_after_I_sent_the_message./Remote_host_said:"
THROTTLED = f"deferral: {REMOTE}_454_Throttling_failure:_Maximum_sending_rate_exceeded./"
UNVERIFIED = f"failure: {REMOTE}_554_Message_rejected:_Email_address_is_not_verified./"
UNREACHED = "deferral: Sorry,_I_wasn't_able_to_establish_an_SMTP_connection._(#4.4.1)/"


@pytest.fixture
def story(tell):
    return tell(policy=parse_policy({"message_id_join": False}))


def success(mail):
    return f"success: 192.0.2.10_accepted_message./Remote_host_said:_250_Ok_{mail.ses_id}/"


def starting(number, recipient=ANN, mail=3890):
    return f"starting delivery {number}: msg {mail} to remote {recipient}"


def test_deferred_twice_then_accepted(story):
    mail = story.mail()
    story.at("0s").qmail("new msg 3890", INFO, starting(1)).at("1s").qmail(f"delivery 1: {THROTTLED}")
    story.at("400s").qmail(starting(2)).at("401s").qmail(f"delivery 2: {THROTTLED}")
    story.at("800s").qmail(starting(3)).at("801s").taken(mail)
    story.qmail(f"delivery 3: {success(mail)}", "end msg 3890").at("802s").send(mail).delivery(mail)
    story.watermark("20h")
    assert (story.announced(), story.outcome(mail)) == ([], "delivered")
    assert story.document(mail)["queue_ids"] == ["mx1/qmail:3890"]


def test_deferred_past_the_deadline_then_accepted(story):
    mail = story.mail(queue_id="qmail:3890")
    story.at("0s").qmail(INFO, starting(1)).at("1s").qmail(f"delivery 1: {UNREACHED}").watermark("20m")
    assert story.gaps(mail) == [f"unreachable {ANN}: open"]
    story.at("30m").qmail(starting(2)).taken(mail).qmail(f"delivery 2: {success(mail)}", "end msg 3890")
    story.at("30m2s").send(mail).delivery(mail).watermark("20h")
    assert story.announced() == [f"opened unreachable {ANN}", f"resolved unreachable {ANN}: accepted"]


def test_two_recipients_of_one_mail(story):
    mail = story.mail(ANN, BOB, queue_id="qmail:3890")
    first = story.part(mail, ANN)
    story.at("0s").qmail(INFO, starting(1), starting(2, BOB)).at("1s").taken(first)
    story.qmail(
        f"delivery 2: {UNVERIFIED}", f"delivery 1: {success(first)}", "bounce msg 3890 qp 31901", "end msg 3890"
    )
    story.at("2s").send(first).delivery(first).watermark("20h")
    assert story.announced() == [f"opened unverified_identity {BOB}"]
    assert story.outcome(first) == "delivered"


def test_a_failure_is_a_gap_at_once(story):
    story.at("0s").qmail(INFO, starting(1)).at("1s").qmail(f"delivery 1: {UNVERIFIED}").watermark("2s")
    assert story.announced() == [f"opened unverified_identity {ANN}"]


def test_given_up_after_a_week(story):
    dying = f"{UNREACHED.replace('deferral', 'failure')}I'm_not_going_to_try_again;_this_message_has_been_too_long./"
    story.at("0s").qmail(INFO, starting(1)).at("1s").qmail(f"delivery 1: {dying}", "end msg 3890").watermark("2s")
    assert story.announced() == [f"opened unreachable {ANN}"]


def test_what_takes_longer_than_is_waited_for_is_known_by_the_id(story):
    """The end of the delivery names no mail then; but the mail ends, so that nothing is missed of it."""
    mail = story.mail()
    story.at("0s").qmail(INFO, starting(1)).at("1s").qmail(f"delivery 1: {THROTTLED}").at("2m").qmail(starting(2))
    story.at("8m").taken(mail).qmail(f"delivery 2: {success(mail)}", "end msg 3890").at("8m2s").send(mail).delivery(
        mail
    )
    story.watermark("20h")
    assert (story.announced(), story.outcome(mail)) == ([], "delivered")


def test_a_mail_of_which_nothing_more_is_heard(story):
    story.at("0s").qmail(INFO).watermark("20m")
    assert story.announced() == ["opened silent"]


def test_a_number_is_used_again(story):
    first, second = story.mail(), story.mail(queue_id="qmail:3890")
    story.at("0s").qmail(INFO, starting(1)).at("1s").taken(first)
    story.qmail(f"delivery 1: {success(first)}", "end msg 3890").at("2s").send(first).delivery(first)
    story.at("1h").qmail(INFO, starting(2)).at("1h1s").qmail(f"delivery 2: {THROTTLED}").watermark("2h")
    assert story.gaps(second) == [f"rate_exceeded {ANN}: open"]
    assert story.submission(second)["mail_id"] == "mx1/qmail:3890@1785157200"


@pytest.mark.parametrize(
    "end",
    [
        "deferral: 192.0.2.99_does_not_like_recipient./Remote_host_said:_450_4.2.1_Mailbox_busy/",
        "failure: 192.0.2.99_does_not_like_recipient./Remote_host_said:_550_5.1.1_No_such_user/",
        "success: 192.0.2.99_accepted_message./Remote_host_said:_250_OK_id=19LGuQ-0003OJ-00/",
    ],
)
def test_what_another_server_says_is_not_about_ses(story, end):
    story.at("0s").qmail(INFO, starting(1)).at("1s").qmail(f"delivery 1: {end}").watermark("20h")
    assert story.announced() == []


def test_a_mailbox_on_the_host_and_the_notice_of_a_failure(story):
    story.at("0s").qmail(INFO, "starting delivery 1: msg 3890 to local root@shop.example")
    story.at("1s").qmail("delivery 1: success: did_1+0+0/", "end msg 3890")
    story.at("1m").qmail("info msg 3891: bytes 3 from <> qp 31901 uid 82", starting(2, "no-reply@shop.example", 3891))
    story.at("61s").qmail(f"delivery 2: {UNVERIFIED}", "end msg 3891").watermark("20h")
    assert story.announced() == []
