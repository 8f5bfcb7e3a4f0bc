"""What each alert must do: under which series it fires and says what, when it resolves, and what leaves it alone.

Series are Prometheus's own notation, a sample a minute from 0 on: `0+2x60 120x30` rises by two for an hour and then
stands still. The burn rates need 5m as their shortest window, so a storm is over some minutes after its last gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LONG = 2000
"""Minutes, where a story needs a day."""


@dataclass(frozen=True)
class Case:
    """One alert's story."""

    alert: str
    fires: dict[str, str]
    at: str
    summary: str
    labels: dict[str, str]
    gone: str
    quiet: dict[str, dict[str, str]] = field(default_factory=dict)
    """Why it does not fire, and the series under which it does not."""


def _of(stream: str, gaps: str, mails: str, kind: str = "sent_no_ses_id", cause: str = "silent") -> dict[str, str]:
    total = "submissions" if kind == "sent_no_ses_id" else "accepted"
    return {
        f'mailgap_gaps_opened_total{{kind="{kind}", cause="{cause}", stream="{stream}", instance="a"}}': gaps,
        f'mailgap_{total}_total{{stream="{stream}", instance="a"}}': mails,
    }


def _rate(outcome: str, number: str, delivered: str) -> dict[str, str]:
    return {
        f'mailgap_outcomes_total{{outcome="{outcome}", stream="news", provider="gmail"}}': number,
        'mailgap_outcomes_total{outcome="delivered", stream="news", provider="gmail"}': delivered,
    }


OTP = {"stream": "otp"}
SILENT_SES = 'mailgap_source_last_record_timestamp_seconds{source="ses"}'
HANDED_OVER = 'mailgap_submissions_total{stream="otp"}'
SMTP_RECORDS = 'mailgap_records_total{source="smtp", result="facts"}'
STALLED = 'mailgap_source_stalled{source="ses", instance="a"}'
HELD = 'mailgap_held_mails{source="ses", instance="a"}'
WATERMARK = 'mailgap_source_watermark_timestamp_seconds{source="ses", instance="a"}'
LAST = 'mailgap_source_last_record_timestamp_seconds{source="ses", instance="a"}'
DEAD = 'mailgap_dead_letters_total{reason="bad_json"}'
DELAYS = 'mailgap_delays_total{delay_type="General", stream="otp", provider="gmail"}'
TAKEN = 'mailgap_outcomes_total{outcome="delivered", stream="otp", provider="gmail"}'
REFUSED = 'mailgap_refusals_total{cause="account_paused", stream="otp", instance="a"}'

CASES = (
    Case(
        "MailgapAccountRefused",
        {REFUSED: "0x10 1+2x9 19x200"},
        "15m",
        "SES refuses the account (account_paused): 9 attempts of stream otp failed in 5 min",
        {"cause": "account_paused", **OTP},
        "60m",
        {
            "throttling is the mail server's to retry": {
                'mailgap_refusals_total{cause="rate_exceeded", stream="otp"}': "0+50x60",
                'mailgap_refusals_total{cause="unverified_identity", stream="otp"}': "0+50x60",
            },
            "it was long ago": {REFUSED: "500x60"},
        },
    ),
    Case(
        "MailgapHandoffBudgetBurningFast",
        _of("otp", "0x60 0+3x60 180x900", "0+100x1020"),
        "120m",
        "2.808% of the mails of stream otp got no id from SES",
        OTP,
        "200m",
        {
            "a lost mail now and then is within the budget": _of("otp", "0+1x9 9x200", "0+100x200"),
            "one mail at night is not worth a night": _of("otp", "0x30 1x200", "0+1x200"),
            "the sender's own mistakes burn nothing": _of("otp", "0+9x100", "0+100x100", cause="bad_address"),
        },
    ),
    Case(
        "MailgapDeliveryBudgetBurningFast",
        _of("otp", "0x60 0+10x60 600x900", "0+100x1020", "accepted_not_delivered", "no_events"),
        "120m",
        "9.36% of the recipients of stream otp have no final event by their deadline",
        OTP,
        "200m",
        {
            "two in a thousand are a provider's noise": _of(
                "otp", "0+2x100", "0+1000x100", "accepted_not_delivered", "sent_then_silent"
            ),
            "mails without an event are few of those that the log handed over": {
                **_of("default", "0+1x200", "0+1x200", "accepted_not_delivered", "no_events"),
                'mailgap_submissions_total{stream="default", instance="a"}': "0+500x200",
            },
            "a hand-off gap is another budget's": _of("otp", "0+9x100", "0+100x100"),
        },
    ),
    Case(
        "MailgapHandoffBudgetBurningSlowly",
        _of("otp", f"0+1x240 240x{LONG}", f"0+200x{LONG}"),
        "240m",
        "0.5% of the mails of stream otp got no id from SES, for hours",
        OTP,
        "1100m",
        {"within the budget": _of("otp", "0+1x400", "0+2000x400")},
    ),
    Case(
        "MailgapDeliveryBudgetBurningSlowly",
        _of("otp", f"0+4x240 960x{LONG}", f"0+200x{LONG}", "accepted_not_delivered", "sent_then_silent"),
        "240m",
        "2% of the recipients of stream otp have no final event, for hours",
        OTP,
        "1100m",
        {"two gaps are no trend": _of("otp", "0x9 2x400", "0+1x400", "accepted_not_delivered", "no_events")},
    ),
    Case(
        "MailgapGapsOpen",
        {
            'mailgap_gaps_open{kind="sent_no_ses_id", stream="otp", instance="a"}': "0x10 8x90 0x60",
            'mailgap_gaps_open{kind="sent_no_ses_id", stream="otp", instance="b"}': "0x10 5x90 0x60",
        },
        "60m",
        "13 gaps (sent_no_ses_id) of stream otp are open",
        {"kind": "sent_no_ses_id", **OTP},
        "120m",
        {
            "they close in time": {'mailgap_gaps_open{kind="sent_no_ses_id", stream="otp"}': "0x10 50x20 0x120"},
            "unlogged sends are off as an alert": {'mailgap_gaps_open{kind="unlogged_send", stream="otp"}': "99x120"},
            "a few": {'mailgap_gaps_open{kind="sent_no_ses_id", stream="otp"}': "9x120"},
        },
    ),
    Case(
        "MailgapProviderGapsOpen",
        {
            'mailgap_provider_gaps_open{provider="gmail", instance="a"}': "0x10 8x90 0x60",
            'mailgap_provider_gaps_open{provider="gmail", instance="b"}': "0x10 4x90 0x60",
        },
        "60m",
        "12 recipients at gmail, over all streams, are without a final event",
        {"provider": "gmail"},
        "120m",
        {"many small providers are none": {'mailgap_provider_gaps_open{provider="other"}': "500x120"}},
    ),
    Case(
        "MailgapProviderTakesNoMail",
        {TAKEN: "0+10x300 3000x60 3000+10x200", DELAYS: "0x300 0+3x60 180x200"},
        "350m",
        "gmail takes less than half of its usual mail, over all streams: 91.5 delays in 30 min",
        {"provider": "gmail"},
        "480m",
        {
            "delays alone are usual": {TAKEN: "0+10x400", DELAYS: "0+3x400"},
            "a quiet night is no delay": {TAKEN: "0+10x300 3000x100", DELAYS: "0x400"},
            "one mailing list": {TAKEN: "0+10x300 3000x100", DELAYS: "0x300 0+1x9 9x100"},
        },
    ),
    Case(
        "MailgapBounceRateHigh",
        _rate("bounced", f"0+1x300 300x{LONG}", f"0+10x{LONG}"),
        "300m",
        "9.091% of the recipients of stream news bounced in a day; SES reviews an account at 5 %",
        {"outcome": "bounced", "stream": "news"},
        "1900m",
        {
            "three per cent are below the limit": _rate("bounced", "0+3x400", "0+97x400"),
            "few mails say nothing": _rate("bounced", "0+1x200", "0x200"),
        },
    ),
    Case(
        "MailgapComplaintRateHigh",
        _rate("complained", f"0x60 0+1x20 20x{LONG}", f"0+30x{LONG}"),
        "120m",
        "0.5597% of the recipients of stream news complained in a day; SES reviews an account at 0.1 %",
        {"outcome": "complained", "stream": "news"},
        "1900m",
        {"one complaint is one person": _rate("complained", "0x60 1x300", "0+3x360")},
    ),
    Case(
        "MailgapSuppressionRateHigh",
        _rate("suppressed", f"0+1x300 300x{LONG}", f"0+9x{LONG}"),
        "300m",
        "10% of the recipients of stream news are on a suppression list",
        {"outcome": "suppressed", "stream": "news"},
        "1900m",
        {"four per cent": _rate("suppressed", "0+4x400", "0+96x400")},
    ),
    Case(
        "MailgapSourceStalled",
        {STALLED: "0x10 1x40 0x60", HELD: "0x10 25x40 0x60"},
        "40m",
        "Source ses has fallen silent: 25 mails of all streams are held and not judged",
        {"source": "ses"},
        "60m",
        {
            "it speaks again at once": {STALLED: "0x10 1 0x60", HELD: "0x10 25 0x60"},
            "mails are held, and nothing is said to be stalled yet": {STALLED: "0x60", HELD: "25x60"},
        },
    ),
    Case(
        "MailgapSourceSilent",
        {SILENT_SES: "0+60x10 600x60 4260+60x60", HANDED_OVER: "0+20x140"},
        "60m",
        "Nothing has come from source ses for 50m 0s, while the other one speaks",
        {"source": "ses"},
        "90m",
        {
            "the night is quiet everywhere": {SILENT_SES: "0+60x10 600x120", HANDED_OVER: "0+1x140"},
            "at night people read what was sent by day": {
                SILENT_SES.replace("ses", "smtp"): "0+60x10 600x120",
                'mailgap_records_total{source="ses", result="facts"}': "0+50x140",
            },
            "it has never been heard: another alert's": {SILENT_SES: "0x120", HANDED_OVER: "0+20x140"},
        },
    ),
    Case(
        "MailgapSourceNeverHeard",
        {WATERMARK: "0x60 3600+60x60", LAST: "0x60 3600+60x60"},
        "45m",
        "Source ses is configured and 1 workers have never heard of all of its partitions",
        {"source": "ses"},
        "70m",
        {"it has only started": {WATERMARK: "0x20 1200+60x60", LAST: "0x20 1200+60x60"}},
    ),
    Case(
        "MailgapFeedMissing",
        {'mailgap_conditions{condition="feed_missing"}': "2x60 0x60"},
        "45m",
        "2 feeds of the sources are missing (condition feed_missing)",
        {"condition": "feed_missing"},
        "70m",
        {"another condition": {'mailgap_conditions{condition="source_stalled"}': "1x60"}},
    ),
    Case(
        "MailgapEvidenceLost",
        {'mailgap_conditions{condition="evidence_lost"}': "0x5 1x10 0x60"},
        "10m",
        "Input was removed before it was read, in 1 places (condition evidence_lost)",
        {"condition": "evidence_lost"},
        "20m",
        {"none": {'mailgap_conditions{condition="evidence_lost"}': "0x60"}},
    ),
    Case(
        "MailgapDeadLetters",
        {DEAD: "0+4x30 120x60", SMTP_RECORDS: "0+100x90"},
        "30m",
        "60 records of the sources could not be read in 15 min",
        {},
        "60m",
        {
            "one in a thousand": {DEAD: "0+1x60", SMTP_RECORDS: "0+1000x60"},
            "three at night": {DEAD: "0+1x3 3x60", SMTP_RECORDS: "0+1x60"},
        },
    ),
    Case(
        "MailgapClockSkew",
        {'mailgap_host_clock_skew_seconds{host="mx1"}': "0x10 -90x40 0.2x30"},
        "40m",
        "The clock of mx1 is 1m 30s away from SES's",
        {"host": "mx1"},
        "60m",
        {"ten seconds mislead nobody": {'mailgap_host_clock_skew_seconds{host="mx1"}': "10x60"}},
    ),
)
