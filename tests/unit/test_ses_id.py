"""The SES message id: a clock and a region, where it has its strict form; a plain name otherwise."""

import pytest

from service.facts import HOUR
from service.parsing.ses_id import accepted_at, id_clock, region

DAY = 24 * HOUR
REAL = "0106019fa36a2608-7f000101-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000"
SAID = 1_785_153_070_600  # 2026-07-27T11:51:10.600Z, the mail.timestamp that came with it
FALLBACK = 42


def with_clock(at):
    return f"0100{at:012x}-7f000101-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000"


def test_the_id_carries_the_millisecond_of_acceptance():
    assert id_clock(REAL) == SAID
    assert accepted_at(REAL, FALLBACK, now=SAID + 5_000) == SAID


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(SAID + 366 * DAY, SAID, id="a year old is still plausible"),
        pytest.param(SAID + 366 * DAY + 1, FALLBACK, id="older than a year is not"),
        pytest.param(SAID - DAY, SAID, id="a host's clock may lag by a day"),
        pytest.param(SAID - DAY - 1, FALLBACK, id="from the day after tomorrow is not"),
    ],
)
def test_the_clock_counts_only_within_the_year(now, expected):
    assert accepted_at(REAL, FALLBACK, now) == expected


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="none"),
        pytest.param("EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000", id="anonymised"),
        pytest.param("00000137860315fd-34208509-5b74-41f3-95c5-41f3-41f3", id="AWS's own samples"),
        pytest.param(REAL.upper(), id="upper case"),
        pytest.param(REAL + "\n", id="newline"),
        pytest.param(REAL[:-1] + "٣", id="a digit that is not ASCII"),
        pytest.param(REAL + "@email.amazonses.com", id="the Message-ID made of it"),
    ],
)
def test_an_id_without_the_strict_form_has_neither_clock_nor_region(name):
    assert id_clock(name) is None
    assert accepted_at(name, FALLBACK, now=SAID) == FALLBACK
    assert region(name) == ""


@pytest.mark.parametrize("at", [0, 1_262_303_999_999, 2**48 - 1])
def test_a_clock_outside_ses_life_is_no_clock(at):
    assert id_clock(with_clock(at)) is None


def test_an_old_id_keeps_its_clock_for_those_who_read_old_logs():
    # Accepted 2013-10-05T16:13:59.612Z, as a Postfix log of that day confirms to the hour.
    assert id_clock("0000014189659bbc-7f000101-5c3d-4e2f-8a9b-0c1d2e3f4a5b-000000") == 1_380_989_639_612


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("0000", "us-east-1"),
        ("0100", "us-east-1"),
        ("0101", "us-west-2"),
        ("0102", "eu-west-1"),
        ("0103", "sa-east-1"),
        ("0106", "ap-northeast-1"),
        ("0107", "eu-central-1"),
        ("0108", "ap-southeast-2"),
        ("0109", "ap-south-1"),
        ("010b", "eu-west-2"),
        ("010c", "ap-northeast-2"),
        ("010d", "ca-central-1"),
        ("010e", "ap-southeast-1"),
        ("010f", "us-east-2"),
        ("0110", "eu-north-1"),
        ("0111", "us-west-1"),
        ("0113", "eu-west-3"),
        ("0199", ""),
        ("1100", ""),
    ],
)
def test_the_prefix_names_the_region(prefix, expected):
    assert region(prefix + REAL[4:]) == expected
