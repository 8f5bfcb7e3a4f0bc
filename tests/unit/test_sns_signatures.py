"""A record that SNS signed is taken; forged, replayed and expired ones are not, and nothing else is ever fetched."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.aws.certificates import ABSENT, Certificates, CertificatesError
from service.aws.clients import AwsError, Trouble
from service.aws.sns import canonical, check
from service.facts import Reason
from tests.sns import FILE, HOST, NOW, Party, folder, signed

AT = int(NOW.timestamp() * 1000)
DAY = 24 * 3600 * 1000
NAME = "sns.amazonaws.com"


@pytest.fixture(scope="module")
def parties():
    root = Party("Root", 0)
    authority = Party("Authority", 1, root)
    return root, authority, Party(NAME, 2, authority, dns=NAME)


@pytest.fixture
def certificates(tmp_path, parties):
    root, authority, leaf = parties
    (tmp_path / "roots.pem").write_bytes(root.pem)
    return Certificates(folder(tmp_path / "sns", leaf, authority), str(tmp_path / "roots.pem"))


def why(envelope, certificates, now=AT, age=DAY):
    found = check(envelope, now, certificates, age)
    return None if found is None else found.reason


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_sns_signed_is_taken(certificates, parties, version):
    assert why(signed(parties[2], version), certificates) is None
    assert why(signed(parties[2], version, Subject="Amazon SES"), certificates) is None


def test_a_confirmation_is_signed_over_its_own_fields(certificates, parties):
    asked = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://x.example/"}
    good = signed(parties[2], **asked)
    assert why(good, certificates) is None
    assert why(good | {"SubscribeURL": "https://evil.example/"}, certificates) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Message": "another"}, Reason.BAD_SIGNATURE),
        ({"TopicArn": "arn:aws:sns:eu-west-1:999999999999:ses"}, Reason.BAD_SIGNATURE),
        ({"Subject": "added"}, Reason.BAD_SIGNATURE),
        ({"SignatureVersion": "1"}, Reason.BAD_SIGNATURE),
        ({"SignatureVersion": "3"}, Reason.BAD_SIGNATURE),
        ({"Signature": "bm9uZQ=="}, Reason.BAD_SIGNATURE),
        ({"Signature": "no base64!"}, Reason.BAD_SIGNATURE),
        ({"Signature": None}, Reason.UNSIGNED),
        ({"Timestamp": 7}, Reason.BAD_SIGNATURE),
        ({"Message": {"opened": "by somebody"}}, Reason.BAD_SIGNATURE),
        ({"SigningCertURL": f"https://{HOST}/SimpleNotificationService-{'b2' * 16}.pem"}, Reason.BAD_CERTIFICATE),
    ],
)
def test_what_was_changed_is_refused(certificates, parties, change, reason):
    assert why(signed(parties[2]) | change, certificates) is reason


def test_what_has_no_envelope_is_refused(certificates):
    assert why(None, certificates) is Reason.UNSIGNED


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}/{FILE}",
        f"https://{HOST}.evil.example/{FILE}",
        f"https://evil.example/{HOST}/{FILE}",
        f"https://{HOST}@evil.example/{FILE}",
        f"https://{HOST}:8443/{FILE}",
        f"https://{HOST}/../{FILE}",
        f"https://{HOST}/{FILE}?x=1",
        f"https://{HOST}/{FILE}#x",
        f"https://{HOST}/bucket/{FILE}",
        f"https://{HOST}\n/{FILE}",
        f"https://{HOST}/{FILE}\n",
        f"https://sns.eu-west-1.amazonaws.com.cn.evil.example/{FILE}",
        f"https://s3.eu-west-1.amazonaws.com/{FILE}",
        f"https://SNS.eu-west-1.amazonaws.com/{FILE}",
        f"https://sns.eu-wëst-1.amazonaws.com/{FILE}",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_not_fetched(parties, url):
    def fetch(host, name):
        raise AssertionError(f"{name} was fetched from {host}")

    assert why(signed(parties[2]) | {"SigningCertURL": url}, Certificates(fetch=fetch)) is Reason.BAD_CERTIFICATE


def test_a_replayed_record_is_refused_by_its_age(certificates, parties):
    record = signed(parties[2])
    assert why(record, certificates, now=AT + DAY) is None
    assert why(record, certificates, now=AT + DAY + 1) is Reason.TOO_OLD
    assert why(record, certificates, now=AT - DAY) is Reason.TOO_OLD, "a clock that is a day ahead is no clock of SNS's"


@pytest.mark.parametrize(
    ("leaf", "others"),
    [
        pytest.param(lambda own: Party(NAME, 3, own, dns="evil.example"), True, id="of another name"),
        pytest.param(lambda own: Party(NAME, 3, own, dns=NAME, days=-1), True, id="expired"),
        pytest.param(lambda own: Party(NAME, 3, own, dns=NAME), False, id="whose issuer is not known"),
        pytest.param(lambda _: Party(NAME, 3, dns=NAME), True, id="of its own making"),
        pytest.param(lambda _: Party(NAME, 3, Party("Authority", 4), dns=NAME), True, id="of a false authority"),
        pytest.param(lambda _: Party(NAME, 3, Party("Root", 4), dns=NAME), True, id="of a false root"),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(tmp_path, parties, leaf, others):
    root, authority, _ = parties
    made = leaf(authority)
    (tmp_path / "roots.pem").write_bytes(root.pem)
    known = folder(tmp_path / "sns", made, *([authority] if others else []))
    assert why(signed(made), Certificates(known, str(tmp_path / "roots.pem"))) is Reason.BAD_CERTIFICATE


def test_a_certificate_is_fetched_once_also_where_it_is_not_there(parties):
    asked = []

    def fetch(host, name):
        asked.append((host, name))
        return parties[2].pem if name == FILE else None

    certificates = Certificates(fetch=fetch)
    other = f"https://{HOST}/SimpleNotificationService-{'c3' * 16}.pem"
    for _ in range(3):
        assert why(signed(parties[2]), certificates) is None, "vouched for by the connection to SNS's host"
        assert why(signed(parties[2]) | {"SigningCertURL": other}, certificates) is Reason.BAD_CERTIFICATE
    assert len(asked) == 2


def test_a_file_that_was_not_there_is_asked_for_again_later(parties):
    """One wrong answer of a proxy's must not refuse all that SNS signs from then on."""
    clock, there = [0.0], [b""]
    certificates = Certificates(fetch=lambda *_: there[0] or None, clock=lambda: clock[0])
    assert why(signed(parties[2]), certificates) is Reason.BAD_CERTIFICATE
    there[0], clock[0] = parties[2].pem, ABSENT - 1
    assert why(signed(parties[2]), certificates) is Reason.BAD_CERTIFICATE
    clock[0] = ABSENT
    assert why(signed(parties[2]), certificates) is None


def test_a_host_that_does_not_answer_says_nothing_about_the_record(parties):
    def fetch(host, name):
        raise AwsError(Trouble.UNREACHABLE, f"{host}: cannot be reached for {name}")

    with pytest.raises(AwsError):
        check(signed(parties[2]), AT, Certificates(fetch=fetch), DAY)


def test_a_fetched_certificate_of_another_name_or_of_an_authority_is_refused(parties):
    for party in (Party(NAME, 3, parties[1], dns="evil.example"), parties[1]):
        assert why(signed(party), Certificates(fetch=lambda *_: party.pem)) is Reason.BAD_CERTIFICATE  # noqa: B023


def test_a_folder_or_roots_without_certificates_are_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk.pem").write_bytes(b"junk")
    for arguments in ((str(tmp_path / "gone"),), (str(tmp_path / "empty"),), (None, str(tmp_path / "junk.pem"))):
        with pytest.raises(CertificatesError, match="there is no"):
            Certificates(*arguments)


def test_the_bytes_that_are_signed():
    """As AWS's guide writes them down: names in order, each on a line, and its value."""
    said = canonical({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Message": "hi\n", "Timestamp": "now"})
    assert said == b"Message\nhi\n\nMessageId\nm\nTimestamp\nnow\nTopicArn\nt\nType\nNotification\n"


def test_a_record_of_long_ago_was_signed_with_a_certificate_of_then(tmp_path, parties):
    root, authority, leaf = parties
    (tmp_path / "roots.pem").write_bytes(root.pem)
    known = Certificates(folder(tmp_path / "sns", leaf, authority), str(tmp_path / "roots.pem"))
    early = NOW - timedelta(days=31)
    assert why(signed(leaf, at=early), known, age=60 * DAY) is Reason.BAD_CERTIFICATE
