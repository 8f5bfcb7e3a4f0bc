"""Which mailbox provider a domain belongs to: a label that cannot grow with traffic.

Only the biggest have a name; everything else is `other`. By the domain alone: whose MX a company's own domain uses is
not looked up here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

OTHER: Final = "other"

_DOMAINS: Final = {
    "gmail": "gmail.com googlemail.com",
    "outlook": "msn.com passport.com windowslive.com",
    "yahoo": "ymail.com rocketmail.com myyahoo.com",
    "aol": "aim.com verizon.net",
    "icloud": "icloud.com me.com mac.com",
    "gmx": "",
    "web.de": "web.de",
    "t-online": "t-online.de magenta.de",
    "mail.ru": "mail.ru bk.ru list.ru inbox.ru internet.ru",
    "yandex": "ya.ru narod.ru",
    "qq": "qq.com vip.qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net vip.163.com vip.126.com 188.com",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "zoho": "zohomail.com zohomail.eu zohomail.in",
    "fastmail": "fastmail.com fastmail.fm",
    "comcast": "comcast.net xfinity.com",
    "att": "att.net sbcglobal.net bellsouth.net",
    "spectrum": "charter.net spectrum.net twc.com rr.com roadrunner.com",
    "cox": "cox.net",
    "orange": "orange.fr wanadoo.fr",
    "free": "free.fr",
    "sfr": "sfr.fr neuf.fr",
    "laposte": "laposte.net",
    "libero": "libero.it inwind.it iol.it",
    "bt": "btinternet.com btopenworld.com",
    "naver": "naver.com",
    "daum": "daum.net hanmail.net kakao.com",
    "docomo": "docomo.ne.jp",
    "au": "au.com ezweb.ne.jp",
    "softbank": "softbank.ne.jp i.softbank.jp ymobile.ne.jp",
    "rediff": "rediffmail.com",
    "seznam": "seznam.cz email.cz",
    "wp": "wp.pl o2.pl",
    "onet": "onet.pl onet.eu op.pl",
    "uol": "uol.com.br bol.com.br",
    "terra": "terra.com.br",
}
_BY_DOMAIN: Final = {domain: provider for provider, domains in _DOMAINS.items() for domain in domains.split()}

# Providers that take mail for one name under many countries' domains.
_FAMILIES: Final = {
    "outlook": "outlook",
    "hotmail": "outlook",
    "live": "outlook",
    "yahoo": "yahoo",
    "aol": "aol",
    "gmx": "gmx",
    "yandex": "yandex",
    "zoho": "zoho",
}
_SECOND_LEVELS: Final = frozenset({"co", "com", "ne"})
_TOP_LEVELS: Final = frozenset({"com", "net", "org"})
_COUNTRY: Final = 2

PROVIDERS: Final = frozenset(_DOMAINS) | {OTHER}
"""Every value that `provider` can give."""


@lru_cache(maxsize=16_384)
def provider(domain: str) -> str:
    """The provider of a domain (`hotmail.co.uk`: `outlook`), else `other`. Case and a trailing dot do not matter."""
    domain = domain.strip().rstrip(".").lower()
    return _BY_DOMAIN.get(domain) or _family(domain)


def _family(domain: str) -> str:
    name, _, rest = domain.partition(".")
    second, dot, country = rest.rpartition(".")
    if dot and second not in _SECOND_LEVELS:
        return OTHER
    if country in _TOP_LEVELS or (len(country) == _COUNTRY and country.isalpha()):
        return _FAMILIES.get(name, OTHER)
    return OTHER
