"""What each kind of sink is sent, as its documentation wants it. Pure: from a notification to a document.

Sources: Alertmanager's OpenAPI (`api/v2/openapi.yaml`, postableAlerts); PagerDuty's Events API v2 (`/v2/enqueue`:
summary of at most 1,024 characters, dedup_key of at most 255, one of four severities); Slack's incoming webhooks and
Block Kit (`rich_text` shows its texts literally, at most 50 blocks); SNS's Publish (a subject of at most 100
ASCII characters).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from service.contract.notification import AlertState, Notification, Severity
from service.contract.wire import instant_of, timestamp
from service.notifications.text import annotation, ascii_line, clean, example, plain, slack

if TYPE_CHECKING:
    from service.facts import Instant

Json = dict[str, Any]

LASTS: Final = 5 * 60_000
"""Milliseconds for which Alertmanager believes an alert that is not repeated: it is repeated every minute."""
_SUMMARY: Final = 1024
_SUBJECT: Final = 100
_LABEL: Final = 200
_PAGERDUTY_SEVERITY: Final = {Severity.PAGE: "critical", Severity.TICKET: "warning"}
_MARK: Final = {Severity.PAGE: ":rotating_light:", Severity.TICKET: ":mailbox_with_no_mail:"}


def alertmanager(notification: Notification, now: Instant) -> Json:
    """One entry of `POST /api/v2/alerts`. Its labels never change, so updates and the end are of the same alert."""
    firing = notification.state is AlertState.FIRING
    labels = {
        "alertname": "MailgapNotification",
        "alert_id": notification.alert_id,
        "prefix": notification.prefix,
        "kind": notification.kind,
        "cause": notification.cause,
        "stream": notification.stream,
        "source": notification.source,
        "severity": notification.severity,
    }
    examples = "; ".join(annotation(example(each), 300) for each in notification.examples)
    annotations = {
        "summary": annotation(notification.summary),
        "description": annotation(f"{notification.explanation} {notification.next_step}".strip()),
        "number": str(notification.number),
        "account": " ".join(annotation(each) for each in notification.evidence),
        "examples": examples,
        "trace": " ".join(each.url for each in notification.examples if each.url),
        "runbook_url": notification.runbook_url,
    }
    return {
        "labels": {name: annotation(value, _LABEL) for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        # Alertmanager refuses what begins after it ends: our clock may be behind the log's.
        "startsAt": timestamp(min(instant_of(notification.since), now)),
        "endsAt": timestamp(now + LASTS if firing else now),
    }


def pagerduty(notification: Notification, routing_key: str) -> Json:
    """The body of `POST /v2/enqueue`. The alert's id is the dedup_key, so what comes twice is one incident."""
    event: Json = {
        "routing_key": routing_key,
        "event_action": "trigger" if notification.state is AlertState.FIRING else "resolve",
        "dedup_key": notification.alert_id,
    }
    if notification.state is AlertState.RESOLVED:
        return event
    event["client"] = "mailgap"
    event["payload"] = {
        "summary": clean(notification.summary, _SUMMARY),
        "source": clean(notification.prefix, _LABEL),
        "severity": _PAGERDUTY_SEVERITY[notification.severity],
        "timestamp": notification.since,
        "component": clean(notification.stream or notification.source or "all streams", _LABEL),
        "group": clean(notification.kind, _LABEL),
        "class": clean(notification.cause or notification.kind, _LABEL),
        "custom_details": {
            "number": notification.number,
            "since": notification.since,
            "explanation": clean(notification.explanation),
            "next_step": clean(notification.next_step),
            **({"account": [clean(each) for each in notification.evidence]} if notification.evidence else {}),
            "examples": [clean(example(each)) for each in notification.examples],
        },
    }
    event["links"] = [
        {"href": each.url, "text": clean(each.mail_id or "", _LABEL)} for each in notification.examples if each.url
    ]
    if notification.runbook_url.startswith(("http://", "https://")):
        event["links"].append({"href": notification.runbook_url, "text": "Runbook"})
    return event


def slack_message(notification: Notification) -> Json:
    """The body for an incoming webhook: `text` for previews and old clients, and blocks that show texts literally."""
    firing = notification.state is AlertState.FIRING
    mark = _MARK[notification.severity] if firing else ":white_check_mark:"
    elements = [_line(_bold(clean(notification.summary)), _said(f" since {notification.since}" if firing else ""))]
    if firing:
        elements.append(_line(_said(clean(f"{notification.explanation} {notification.next_step}"))))
        elements += [_line(_said(clean(each))) for each in notification.evidence]
        elements.append({"type": "rich_text_list", "style": "bullet", "elements": _examples(notification)})
    elements.append(_line(_said(f"Runbook: {clean(notification.runbook_url)} · alert {notification.alert_id}")))
    return {
        "text": f"{mark} {slack(notification.summary)}",
        "blocks": [{"type": "rich_text", "elements": elements}],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _examples(notification: Notification) -> list[Json]:
    found = []
    for each in notification.examples:
        said = clean(example(each), 300)
        found.append(_line({"type": "link", "url": each.url, "text": said} if each.url else _said(said)))
    return found


def _line(*parts: Json) -> Json:
    return {"type": "rich_text_section", "elements": [part for part in parts if part.get("text")]}


def _said(text: str) -> Json:
    return {"type": "text", "text": text}


def _bold(text: str) -> Json:
    return {"type": "text", "text": text, "style": {"bold": True}}


def sns(notification: Notification) -> Json:
    """The arguments of Publish, but for the topic. Attributes are for the subscriptions' filters."""
    attributes = {
        "state": notification.state,
        "severity": notification.severity,
        "kind": notification.kind,
        "cause": notification.cause,
        "stream": notification.stream,
        "alert_id": notification.alert_id,
    }
    return {
        "Subject": ascii_line(f"mailgap: {notification.summary}", _SUBJECT),
        "Message": plain(notification),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": clean(value, _LABEL)}
            for name, value in attributes.items()
            if value
        },
    }
