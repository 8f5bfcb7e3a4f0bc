"""The provider label: the biggest by name, everybody else `other`, and nothing that grows with traffic."""

from __future__ import annotations

import pytest

from service.providers import PROVIDERS, provider


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("gmail.com", "gmail"),
        ("googlemail.com", "gmail"),
        ("Hotmail.co.uk.", "outlook"),
        ("outlook.de", "outlook"),
        ("live.com", "outlook"),
        ("msn.com", "outlook"),
        ("yahoo.co.jp", "yahoo"),
        ("yahoo.com.br", "yahoo"),
        ("ymail.com", "yahoo"),
        ("me.com", "icloud"),
        ("aol.com", "aol"),
        ("gmx.net", "gmx"),
        ("gmx.at", "gmx"),
        ("web.de", "web.de"),
        ("mail.ru", "mail.ru"),
        ("yandex.ru", "yandex"),
        ("qq.com", "qq"),
        ("proton.me", "proton"),
        ("zoho.com", "zoho"),
        ("comcast.net", "comcast"),
        ("wanadoo.fr", "orange"),
    ],
)
def test_big_providers_have_a_name(domain, expected):
    assert provider(domain) == expected


@pytest.mark.parametrize(
    "domain",
    [
        "",
        ".",
        "example.org",
        "gmail.com.evil.example",
        "yahoo.evil.com",
        "notgmail.com",
        "yahoo",
        "yahoo.12",
        "mx.gmail.com",
    ],
)
def test_everybody_else_is_other(domain):
    assert provider(domain) == "other"


def test_no_value_comes_from_the_outside():
    assert {
        provider(f"{name}.{end}") for name in ("yahoo", "gmx", "x") for end in ("com", "de", "co.uk", "zz")
    } <= PROVIDERS
    assert len(PROVIDERS) < 50
