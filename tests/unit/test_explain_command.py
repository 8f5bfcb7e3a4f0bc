"""`mailgap explain`: whatever somebody was told to look for leads to the mail, and the story is whole."""

import json

import pytest
from click.testing import CliRunner

from service.cli import cli
from tests.unit.told import Log, ses_id

SES_ID = ses_id(1)
RELAY = "email-smtp.us-east-1.amazonaws.com[192.0.2.1]"


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


def explain(log, name, *more, code=0, addresses="raw"):
    options = ["--as-of", "2025-10-23T00:00:00Z", "--addresses", addresses, *more]
    result = CliRunner().invoke(cli, ["explain", name, *log.written(), *options])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def in_order(text, *pieces):
    """The pieces stand in the text one after the other."""
    at = 0
    for piece in pieces:
        assert piece in text[at:], f"{piece!r} does not follow in:\n{text}"
        at = text.index(piece, at) + len(piece)
    return True


@pytest.mark.parametrize(
    "name",
    [
        SES_ID,
        "4A1B2C3D4E",
        "mx1/4A1B2C3D4E",
        "<one@app.shop.example>",
        "one@app.shop.example",
        "ada@mail.example",
        "Ada@Mail.Example",
        "<ada@mail.example>",
        f"<{SES_ID}@email.amazonses.com>",
        f"{SES_ID}@eu-west-1.amazonses.com",
    ],
)
def test_every_name_of_a_mail_leads_to_its_story(log, name):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    assert in_order(
        explain(log, name), SES_ID, "mx1/4A1B2C3D4E", "<one@app.shop.example>", "orders@shop.example",
        "What happened", "mx1 took the mail in", "mail.log:1]", "Message-ID", "put it into the queue",
        "SES accepted it", "mail.log:4]", "is done with it", "SES the recipient's server took it", "events.jsonl:2]",
        "250 2.0.0 taken", "ada@mail.example: delivered", "Verdict", "What to do",
    )  # fmt: skip


def test_a_mail_found_by_its_message_id_alone_tells_how_it_was_found(log):
    log.taken_in("4A1B2C3D4E", "one@app.shop.example")
    lost = f"lost connection with {RELAY} while sending end of data -- message may be sent more than once"
    log.line("smtp", "4A1B2C3D4E", f"to=<ada@mail.example>, relay={RELAY}:587, dsn=4.4.2, status=deferred ({lost})")
    log.delivered(SES_ID, "ada@mail.example", message_id="one@app.shop.example")
    for name in (SES_ID, "4A1B2C3D4E", "one@app.shop.example", "ada@mail.example"):
        said = explain(log, name)
        assert in_order(said, "carry the same Message-ID", SES_ID)
        assert "(ambiguous)" in said
        assert "What is missing" not in said


def test_an_application_and_its_mail_server_tell_one_story(log):
    log.json({"level": "info", "msg": "mail sent", "messageId": "<one@app.shop.example>", "to": "ada@mail.example"})
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    said = explain(log, "one@app.shop.example")
    assert said.count("What happened") == 1
    assert in_order(said, "app the mail carries", "mail.log:1]", "mx1 took the mail in", "SES accepted it")


@pytest.mark.parametrize("name", ["AAAA000001", "BBBB000002", "CCCC000003", SES_ID, "one@app.shop.example"])
def test_a_chain_of_mail_servers_is_one_story_from_any_of_its_ends(log, name):
    log.hop(
        "web1", "AAAA000001", "BBBB000002", "one@app.shop.example", "ada@mail.example", relay="127.0.0.1[127.0.0.1]"
    )
    log.hop(
        "web1", "BBBB000002", "CCCC000003", "one@app.shop.example", "ada@mail.example", relay="mx1.shop.example[::1]"
    )
    log.mail("CCCC000003", "one@app.shop.example", "ada@mail.example", SES_ID)
    said = explain(log, name)
    assert said.count("What happened") == 1
    assert in_order(
        said, "web1/AAAA000001, web1/BBBB000002, mx1/CCCC000003", "web1 took", "queued as BBBB000002",
        "queued as CCCC000003", "mx1 took", "SES accepted it", "ada@mail.example: delivered",
    )  # fmt: skip


def test_the_next_hop_is_no_mail_that_bears_the_same_queue_id_and_another_message_id(log):
    log.hop("web1", "AAAA000001", "CCCC000003", "one@app.shop.example", "ada@mail.example", relay="10.0.0.9[10.0.0.9]")
    log.mail("CCCC000003", "another@app.shop.example", "bob@mail.example", SES_ID)
    said = explain(log, "AAAA000001")
    assert "bob@mail.example" not in said
    assert in_order(said, "delivered elsewhere, not by SES", "10.0.0.9, queued as CCCC000003", "give that log as well")


def test_a_queue_id_that_was_used_again_leads_to_both_mails_the_newer_first(log):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    log.day += 1
    log.mail("4A1B2C3D4E", "two@app.shop.example", "bob@mail.example", ses_id(2, day=1))
    said = explain(log, "4A1B2C3D4E")
    assert in_order(said, "2 mails are known as", "newest first", "bob@mail.example: del", "ada@mail.example: del")
    assert explain(log, "two@app.shop.example").count("What happened") == 1


def test_several_ses_mails_of_one_submission_are_told_together(log):
    log.taken_in("4A1B2C3D4E", "one@app.shop.example", recipients=3)
    for number, who in ((1, "ada@a.example"), (2, "bob@b.example")):
        log.accepted("4A1B2C3D4E", who, ses_id(number))
    refused = f"host {RELAY} said: 501 Invalid RCPT TO address provided (in reply to RCPT TO command)"
    log.line("smtp", "4A1B2C3D4E", f"to=<eve@c.example>, relay={RELAY}:587, dsn=5.0.0, status=bounced ({refused})")
    log.line("qmgr", "4A1B2C3D4E", "removed")
    log.delivered(ses_id(1), "ada@a.example")
    log.bounced(ses_id(2), "bob@b.example", "550 5.1.1 no such user")
    said = explain(log, "4A1B2C3D4E")
    assert said.count("What happened") == 1
    assert in_order(
        said, ses_id(1), ses_id(2), "for ada@a.example", "for bob@b.example", "(bad_address)", "Recipients",
        "What is missing", "eve@c.example: no id from SES: it was refused for good (sent_no_ses_id: bad_address)",
        "Verdict for eve@c.example", "Fix the address", "Verdict for bob@b.example", "does not exist",
        "Verdict for ada@a.example", "junk folder",
    )  # fmt: skip
    assert "for bob@b.example" in explain(log, ses_id(1))


def test_a_gap_is_told_with_what_was_waited_for_and_until_when(log):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID, delivered=False)
    assert in_order(
        explain(log, SES_ID), "What is missing",
        "ada@mail.example: any event of SES's did not come by 2025-10-20 08:16:05.000", "the deadline",
        "accepted_not_delivered: no_events", "open since", "Verdict", "get-message-insights",
    )  # fmt: skip


def test_of_a_recipient_s_many_mails_the_newest_are_told_and_the_rest_are_said(log):
    for number in range(7):
        log.mail(f"4A1B2C3D{number:02}", f"{number}@app.shop.example", "ada@mail.example", ses_id(number))
    said = explain(log, "ada@mail.example", "--limit", "2")
    assert in_order(said, "7 mails are known as ada@mail.example, the newest first", "--limit 7 tells all")
    assert in_order(said, "mx1/4A1B2C3D06", "mx1/4A1B2C3D05")
    assert said.count("What happened") == 2
    assert explain(log, "ada@mail.example", "--limit", "7").count("What happened") == 7


def test_addresses_are_pseudonyms_unless_raw_ones_are_asked_for(log, tmp_path):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    hidden = explain(log, "ada@mail.example", addresses="pseudonymous")
    shown = hidden.split()[2]
    assert hidden.startswith(f"ada@mail.example is {shown} here.")
    assert "ada@" not in hidden.replace("ada@mail.example is", "")
    assert "orders@" not in hidden
    key = tmp_path / "key"
    key.write_text("0123456789abcdef" * 2)
    keyed = ["--pseudonym-key-file", str(key)]
    pseudonym = explain(log, "ada@mail.example", *keyed, addresses="pseudonymous").split()[2]
    assert explain(log, pseudonym, *keyed, addresses="pseudonymous").startswith(f"Mail {SES_ID}")


def test_json_says_the_same(log):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    said = json.loads(explain(log, "4A1B2C3D4E", "--format", "json"))
    (story,) = said["stories"]
    assert (said["looked_for"], said["mails"], story["title"]) == ("4A1B2C3D4E", 1, SES_ID)
    first = story["steps"][0]
    assert (first["host"], first["at"], first["said"]) == ("mx1", "2025-10-20T08:00:01.000Z", "app1.shop.example")
    assert story["recipients"][0]["outcome"] == "delivered"
    assert story["verdicts"][0]["cause"] == "delivered"


def test_a_mail_that_is_not_there_is_said_so_in_a_sentence_with_what_was_read(log):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    said = explain(log, "bob@mail.example", code=1)
    assert in_order(said, "'bob@mail.example' is in none of the 1 mails of 2 SES records and 5 SMTP records", "try")
    assert "--as-of" in explain(log, "bob@mail.example", "--as-of", "2025-10-20T08:00:02Z", code=1)


@pytest.mark.parametrize("name", ["", "<>", "  "])
def test_nothing_is_no_name(log, name):
    log.mail("4A1B2C3D4E", "one@app.shop.example", "ada@mail.example", SES_ID)
    assert "ID is empty" in explain(log, name, code=2)


def test_what_was_never_for_ses_and_what_nobody_waits_for_is_said_so(log):
    log.taken_in("4A1B2C3D4E", "cron@mx1")
    log.line("local", "4A1B2C3D4E", "to=<root@mx1>, relay=local, dsn=2.0.0, status=sent (delivered to mailbox)")
    assert "delivered the mail on its own host" in explain(log, "4A1B2C3D4E")
    log.taken_in("5A1B2C3D4E", "notice@mx1", sender="")
    refused = f"host {RELAY} said: 501 Invalid MAIL FROM address provided (in reply to MAIL FROM command)"
    log.line("smtp", "5A1B2C3D4E", f"to=<a@shop.example>, relay={RELAY}:587, dsn=5.0.0, status=bounced ({refused})")
    assert "Nobody waits for it" in explain(log, "5A1B2C3D4E")
