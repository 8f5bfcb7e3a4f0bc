"""SES over SMTP: what its replies mean, which hosts are its endpoints, and what a fault on the way to it means.

Decides the `Cause` of a refusal from the text alone: SES gives no enhanced status code on most replies, and a client
then makes one up (`dsn=5.0.0`). It must never decide from text that came in the mail, so whatever a reply quotes in
angle brackets is cut out before anything is looked for.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import msgspec

from service.facts import Cause

_C: Final = Cause

# The first row that is found decides. All of it is matched in lower case.
CAUSES: Final[tuple[tuple[re.Pattern[str], Cause], ...]] = tuple(
    (re.compile(pattern), cause)
    for pattern, cause in (
        # The identities that follow are the mail's own addresses and display names, which may say anything.
        (r"email address is not verified", _C.UNVERIFIED_IDENTITY),
        # SES may hold the mail already: this comes before every other account of a lost connection.
        (r"while sending end of data|may be sent more than once", _C.AMBIGUOUS),
        # Throttling. AWS: "454 Throttling failure: ...", and the same words from the API.
        (r"daily (?:message|sending) quota exceeded|limitexceededexception", _C.QUOTA_EXCEEDED),
        (r"sigv2", _C.SIGV2_RATE_EXCEEDED),
        (r"throttling|maximum sending rate|too many (?:concurrent )?(?:smtp )?connections", _C.RATE_EXCEEDED),
        (r"toomanyrequestsexception", _C.RATE_EXCEEDED),
        # The SDKs', which found nothing to sign with; what they looked for does not matter.
        (r"(?:get|retrieve|load|locate|missing|without|refresh cached) credentials", _C.AUTH_FAILED),
        # A resource in "Access denied" may be a configuration set: look for it first.
        (r"access ?denied|is not authorized to perform", _C.ACCESS_DENIED),
        (r"configuration ?set\b.{0,200}?(?:not exist|paused)|paused\b.{0,40}?configuration ?set", _C.CONFIGURATION),
        (
            r"configurationset(?:doesnotexist|sendingpaused)|contact ?list\b.{0,200}?not (?:exist|found)",
            _C.CONFIGURATION,
        ),
        (r"mail ?from ?domain (?:is )?not ?verified|mailfromdomainnotverified", _C.CONFIGURATION),
        (r"loops back to myself", _C.CONFIGURATION),
        # Older wordings say "suspended".
        (r"sending (?:is )?(?:paused|suspended)|account is (?:paused|suspended)", _C.ACCOUNT_PAUSED),
        (r"tenant sending status is disabled|disabled for this tenant", _C.ACCOUNT_PAUSED),
        (r"sendingpausedexception|accountsuspendedexception", _C.ACCOUNT_PAUSED),
        (r"address(?:es)? (?:is|are) not verified|identities failed the check", _C.UNVERIFIED_IDENTITY),
        # "Temporary authentication failure" is SES's own trouble, not a wrong password. "Service unavailable" alone
        # says nothing: it is what Sendmail writes for any 554.
        (r"temporary (?:service|authentication) failure|service not available", _C.SES_UNAVAILABLE),
        (r"serviceunavailable|internalfailure|internal failure", _C.SES_UNAVAILABLE),
        (r"authentication credentials invalid|authentication required|not subscribed to ses", _C.AUTH_FAILED),
        (r"sasl authentication failed|invalidclienttokenid|signaturedoesnotmatch", _C.AUTH_FAILED),
        # Postfix compares sizes itself before it sends.
        (r"message is too long|exceeds size limit|message size exceeds|message length is more than", _C.TOO_LARGE),
        # Address complaints also come as "554 Transaction failed: ...": look for them first.
        (r"illegal characters? in (?:user name|domain)|illegal (?:address|whitespace|semicolon)", _C.BAD_ADDRESS),
        (r"missing (?:final|local name|domain)|(?:local address|domain) (?:contains|starts|ends)", _C.BAD_ADDRESS),
        (r"(?:user name|domain) is missing|missing '>'|extra route-addr|from address is not valid", _C.BAD_ADDRESS),
        (r"invalid (?:(?:email )?address|rcpt to|mail from)|address unknown|email is invalid", _C.BAD_ADDRESS),
        (r"transaction failed|duplicate header|smtputf8 is required|unsupported file type", _C.MALFORMED),
        # The way to SES.
        (r"connect(?:ion|ing)?\b.{0,200}?\btimed out\b(?! while)|connection refused|no route to host", _C.UNREACHABLE),
        (r"network is unreachable|name service error|name resolution|unable to look up", _C.UNREACHABLE),
        (r"(?:host|name) (?:or (?:domain name|service) )?not (?:found|known)", _C.UNREACHABLE),
        (r"(?:couldn't|could not|cannot) (?:connect|look up|resolve)", _C.UNREACHABLE),
        (r"econnrefused|enotfound|ehostunreach|enetunreach|no such host|connect timeout|getaddrinfo", _C.UNREACHABLE),
        (r"connect etimedout|query\w{0,8} e[a-z]{3,16}\b", _C.UNREACHABLE),
        # A connection that was never made, as each client says it.
        (r"dial tcp|opentimeout|connection timeout|without establishing a connection", _C.UNREACHABLE),
        (r"lookup (?:of|for)|unknown (?:smtp )?host|unknownhost", _C.UNREACHABLE),
        # As words of their own: a host may be called ssl.example.
        (r"\b(?:start)?tls(?:[ :;,]|$)|\bssl[ _:]|certificate|handshake", _C.UNREACHABLE),
        (r"timed out|timeout|etimedout|context (?:deadline exceeded|canceled)", _C.TIMEOUT),
        (r"lost connection|connection (?:was )?(?:reset|closed|lost)|econnreset|broken pipe", _C.UNREACHABLE),
        (r"server dropped connection|connection unexpectedly closed", _C.UNREACHABLE),
    )
)

CODES: Final = {
    "421": _C.SES_UNAVAILABLE,
    "451": _C.SES_UNAVAILABLE,
    "454": _C.SES_UNAVAILABLE,
    "501": _C.BAD_ADDRESS,
    "504": _C.AUTH_FAILED,
    "530": _C.AUTH_FAILED,
    "534": _C.AUTH_FAILED,
    "535": _C.AUTH_FAILED,
    "538": _C.AUTH_FAILED,
    "552": _C.TOO_LARGE,
    "553": _C.BAD_ADDRESS,
}
"""What is left to a bare reply code, where its text says nothing that we know."""

_CODE = re.compile(r"(?:\A|: |\()([45]\d\d)(?![0-9.])").search


def cause_of(reply: str) -> Cause:
    """Why SES, or the way to it, refused: `reply` is SES's text or the client's own account of a fault."""
    text = _without_addresses(_without_quotation(reply)).lower()
    for pattern, cause in CAUSES:
        if pattern.search(text):
            return cause
    code = _CODE(text)
    return CODES.get(code[1], _C.OTHER_REFUSAL) if code else _C.OTHER_REFUSAL


TRANSIENT: Final = frozenset(
    {
        _C.QUOTA_EXCEEDED,
        _C.RATE_EXCEEDED,
        _C.SIGV2_RATE_EXCEEDED,
        _C.SES_UNAVAILABLE,
        _C.UNREACHABLE,
        _C.TIMEOUT,
        _C.AMBIGUOUS,
    }
)
"""What may pass when the same mail is handed over again, unchanged. An API's error has no 4xx or 5xx that says so."""

API_CODES: Final = {
    # Each means several things, and the message says which.
    "messagerejected": _C.OTHER_REFUSAL,
    "failed": _C.OTHER_REFUSAL,
    "badrequest": _C.MALFORMED,
    "invalidparameter": _C.MALFORMED,
    "invalidparametervalue": _C.MALFORMED,
    "validation": _C.MALFORMED,
    "validationerror": _C.MALFORMED,
    "throttling": _C.RATE_EXCEEDED,
    "limitexceeded": _C.QUOTA_EXCEEDED,
    "toomanyrequests": _C.RATE_EXCEEDED,
    # The rate and the quota
    "requestthrottled": _C.RATE_EXCEEDED,
    "accountthrottled": _C.RATE_EXCEEDED,
    "accountdailyquotaexceeded": _C.QUOTA_EXCEEDED,
    # The account
    "accountsuspended": _C.ACCOUNT_PAUSED,
    "accountsendingpaused": _C.ACCOUNT_PAUSED,
    "sendingpaused": _C.ACCOUNT_PAUSED,
    # Configuration sets, templates and MAIL FROM
    "mailfromdomainnotverified": _C.CONFIGURATION,
    "configurationsetdoesnotexist": _C.CONFIGURATION,
    "configurationsetnotfound": _C.CONFIGURATION,
    "configurationsetsendingpaused": _C.CONFIGURATION,
    "templatedoesnotexist": _C.CONFIGURATION,
    "templatenotfound": _C.CONFIGURATION,
    "notfound": _C.CONFIGURATION,
    "invalidsendingpoolname": _C.CONFIGURATION,
    "fromemailaddressnotverified": _C.UNVERIFIED_IDENTITY,
    "productionaccessnotgranted": _C.UNVERIFIED_IDENTITY,  # the account is in the sandbox
    # The mail
    "invalidtemplate": _C.MALFORMED,
    "requestentitytoolarge": _C.TOO_LARGE,
    "invalidrenderingparameter": _C.MALFORMED,
    "missingrenderingattribute": _C.MALFORMED,
    # Who calls
    "accessdenied": _C.ACCESS_DENIED,
    "notauthorized": _C.ACCESS_DENIED,
    "unauthorizedoperation": _C.ACCESS_DENIED,
    "invalidclienttokenid": _C.AUTH_FAILED,
    "unrecognizedclient": _C.AUTH_FAILED,
    "signaturedoesnotmatch": _C.AUTH_FAILED,
    "invalidsignature": _C.AUTH_FAILED,
    "incompletesignature": _C.AUTH_FAILED,
    "missingauthenticationtoken": _C.AUTH_FAILED,
    "expiredtoken": _C.AUTH_FAILED,
    "requestexpired": _C.AUTH_FAILED,
    "optinrequired": _C.AUTH_FAILED,
    "requesttimetooskewed": _C.AUTH_FAILED,
    "credentialserror": _C.AUTH_FAILED,
    "credentialsprovidererror": _C.AUTH_FAILED,
    "nocredentialserror": _C.AUTH_FAILED,
    "partialcredentialserror": _C.AUTH_FAILED,
    "credentialretrievalerror": _C.AUTH_FAILED,
    "missingcredentialserror": _C.AUTH_FAILED,
    # SES itself
    "serviceunavailable": _C.SES_UNAVAILABLE,
    "internalfailure": _C.SES_UNAVAILABLE,
    "internalerror": _C.SES_UNAVAILABLE,
    "internalservererror": _C.SES_UNAVAILABLE,
    "internalserviceerror": _C.SES_UNAVAILABLE,
    "transientfailure": _C.SES_UNAVAILABLE,
    "requesttimeout": _C.TIMEOUT,
}
"""What SES's API calls its errors, in both versions and in the statuses of bulk calls, in the form of `api_code`."""

_VAGUE: Final = frozenset(list(API_CODES)[:10])
_LONGEST_CODE: Final = 200


def api_code(name: str) -> str:
    """The key of `API_CODES` for a code or an exception: `MESSAGE_REJECTED`, `ses.model.MessageRejectedException`."""
    name = name[-_LONGEST_CODE:]
    for separator in "#.:\\":
        name = name.rpartition(separator)[2]
    return name.removesuffix("Exception").replace("_", "").lower()


def cause_of_api(code: str, message: str) -> Cause:
    """Why the API refused. The code decides, except where it means several things and the message tells them apart."""
    plain = api_code(code)
    by_code = API_CODES.get(plain, _C.OTHER_REFUSAL)
    if by_code is not _C.OTHER_REFUSAL and plain not in _VAGUE:
        return by_code
    by_message = cause_of(message)
    return by_code if by_message is _C.OTHER_REFUSAL else by_message


def _without_quotation(reply: str) -> str:
    """`reply` without what stands between its first `<` and its last `>`: an address, which may say anything."""
    start, end = reply.find("<"), reply.rfind(">")
    return reply[: start + 1] + reply[end:] if 0 <= start < end else reply


_IDENTITIES = re.compile(r"identities failed the check\b", re.IGNORECASE).search
_APOSTROPHE = re.compile(r"(?<!\w)'").search
_FAR = 400  # as far before an address's @ its quotation may begin
_END = re.compile(r"'(?=[.\s),]|$)")


def _without_addresses(reply: str) -> str:
    """`reply` without what SES quotes of the mail in another way: in apostrophes, in a list of identities, or bare."""
    if listed := _IDENTITIES(reply):
        reply = reply[: listed.end()]
    if "@" not in reply:
        return reply
    at = reply.find("@")
    if opened := _APOSTROPHE(reply, max(at - _FAR, 0), at):
        end = max((found.end() for found in _END.finditer(reply, opened.end())), default=0)
        reply = f"{reply[: opened.start()]} {reply[end:]}" if end else reply
    return " ".join(word for word in reply.split() if "@" not in word)


# -- the id ----------------------------------------------------------------------------------------------------------

# Not every id that joins has the form of section 2 of the facts: anonymised ones have not. A queue id has no hyphens.
_OK = re.compile(r"(?:250 )?Ok ([A-Za-z0-9][A-Za-z0-9-]{15,127})").fullmatch
_STRICT = re.compile(r"[0-9a-f]{16}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-[0-9]{6}").fullmatch
_FEWEST_HYPHENS = 2


def ses_id_in(reply: str) -> str:
    """The SES message id of `250 Ok <id>` (Sendmail leaves the code out); empty where the reply is not exactly that."""
    found = _OK(reply.strip())
    return found[1] if found and found[1].count("-") >= _FEWEST_HYPHENS else ""


def is_strict_ses_id(ses_id: str) -> bool:
    """Whether the id has the form that SES gives; only such an id says by itself, and in full, that SES wrote it."""
    return _STRICT(ses_id) is not None


# -- the hosts -------------------------------------------------------------------------------------------------------

_SES_HOST = (
    r"(?:[a-z0-9-]{1,80}\.)?email-smtp(?:-fips)?\.([a-z0-9-]{4,32})\.(?:(?:vpce\.)?amazonaws\.com(?:\.cn)?|api\.aws)"
    # What the endpoint's name is an alias for: some clients log that.
    r"|ses-smtp-[a-z0-9-]{1,64}\.([a-z0-9-]{4,32})\.elb\.amazonaws\.com"
)
_IS_SES_HOST = re.compile(_SES_HOST).fullmatch
_RELAY = re.compile(r"([^\[\]]*)(?:\[([^\]]*)\])?(?::(\d+))?").match
# A recipient's domain leads to port 25 only: who was reached at these was named by the operator. SES listens at them.
_SUBMISSION_PORTS = frozenset({"465", "587", "2465", "2587"})
# The ranges of documentation are "private" to ipaddress; in a log they are somebody's example, or a test's relay.
_PRIVATE_BLOCKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
_PRIVATE = tuple(ip_network(block) for block in _PRIVATE_BLOCKS)


class Relay(msgspec.Struct, frozen=True, gc=False):
    """The next hop. `elsewhere`: it is a named public host and not SES, so what it says is not SES's business.

    `chosen`: such a host, but named by the operator, not by a recipient's DNS; so it may be SES under another name.
    """

    host: str
    ses: bool
    region: str
    elsewhere: bool
    chosen: bool = False


@lru_cache(maxsize=4096)
def relay_of(text: str, relays: frozenset[str]) -> Relay:
    """Who `host[address]:port` is. `relays`: further host names and addresses, in lower case, that lead to SES.

    The caller bounds the length of `text`, since the answers are kept.
    """
    found = _RELAY(text)
    host, address = (found[1].lower().rstrip("."), found[2] or "") if found else ("", "")
    endpoint = _IS_SES_HOST(host)
    region = (endpoint[1] or endpoint[2]) if endpoint else ""
    ses = endpoint is not None or host in relays or address.lower() in relays
    elsewhere = not ses and _is_named(host) and _is_public(address)
    return Relay(host, ses, region, elsewhere, chosen=found is not None and found[3] in _SUBMISSION_PORTS)


def _is_named(host: str) -> bool:
    return "." in host and _ip(host) is None


def _is_public(address: str) -> bool:
    ip = _ip(address.removeprefix("IPv6:"))
    return ip is not None and not any(ip in block for block in _PRIVATE)


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
