"""Time stamps as SES writes them, and what is none."""

import pytest

from service.parsing.instants import instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2016-10-19T23:20:52.240Z", 1_476_919_252_240, id="SES"),
        pytest.param("2016-10-19T23:20:52Z", 1_476_919_252_000, id="whole seconds"),
        pytest.param("2016-10-19T23:20:52.240", 1_476_919_252_240, id="no zone is UTC"),
        pytest.param("2016-10-19T23:20:52.240999123Z", 1_476_919_252_240, id="nanoseconds"),
        pytest.param("2018-10-08T14:05:45 +0000", 1_539_007_545_000, id="AWS's guide: space before the offset"),
        pytest.param("2018-10-08 14:05:45 UTC", 1_539_007_545_000, id="zone by name"),
        pytest.param("2009-12-03T04:24:21.000-05:00", 1_259_832_261_000, id="arrivalDate of a complaint"),
        pytest.param(" 2016-10-19T23:20:52.240Z\n", 1_476_919_252_240, id="space around"),
        pytest.param("20161019T232052Z", 1_476_919_252_000, id="basic form"),
        pytest.param("2000-01-01T00:00:00Z", 946_684_800_000, id="the first that is believed"),
        pytest.param("2100-12-31T23:59:59.999Z", 4_133_980_799_999, id="the last that is believed"),
    ],
)
def test_stamps_seen_in_the_wild(text, expected):
    assert instant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday at noon",
        "2016-10-19",
        "1476919252240",
        "2016-13-19T23:20:52.240Z",
        "2016-10-19T25:20:52.240Z",
        "1999-12-31T23:59:59.999Z",
        "2101-01-01T00:00:00.000Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2016-10-19T23:20:52.240+99:00",
        "2016-10-19T23:20:52.240Z" + " " * 50,
        "\ud800" * 24,
        "\uff12\uff10\uff11\uff16-10-19T23:20:52.240Z",  # full-width digits
    ],
)
def test_what_cannot_be_read_is_no_instant(text):
    assert instant(text) is None
