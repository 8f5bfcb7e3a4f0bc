"""One address, however a log or an event wrote it."""

from __future__ import annotations

import pytest

from service.parsing.addresses import address, domain


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ann@shop.example", "ann@shop.example"),
        ("  ann@shop.example ", "ann@shop.example"),
        ("<ann@shop.example>", "ann@shop.example"),
        ("Ann Lee <ann@shop.example>", "ann@shop.example"),
        ('"Lee, Ann <the first>" <ann@shop.example>', "ann@shop.example"),
        ("<@hub.example,@other.example:ann@shop.example>", "ann@shop.example"),
        ("Ann.Lee@SHOP.Example", "Ann.Lee@shop.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ('"ann lee"@Shop.Example', '"ann lee"@shop.example'),
        ('<"a>b@c"@Shop.Example>', '"a>b@c"@shop.example'),
        ("odd>local@Shop.Example", "odd>local@shop.example"),
        ("two@ats@Shop.Example", "two@ats@shop.example"),
        ("Root", "Root"),
        ("", ""),
        ("<>", ""),
        ("   ", ""),
    ],
)
def test_decoration_goes_and_the_local_part_stays_as_it_was(written: str, meant: str) -> None:
    assert address(written) == meant


@pytest.mark.parametrize(
    ("of", "found"),
    [
        ("ann@shop.example", "shop.example"),
        ('"a@b"@Shop.Example', "shop.example"),
        ("root", ""),
        ("", ""),
        ("ann@", ""),
    ],
)
def test_the_domain_is_what_follows_the_last_at(of: str, found: str) -> None:
    assert domain(of) == found


@pytest.mark.parametrize("nasty", ["<" * 200_000, '"' * 200_000, '"\\' * 100_000, "@a," * 80_000, "a" * 200_000 + ">"])
def test_hostile_text_is_read_in_one_pass(nasty: str) -> None:
    assert isinstance(address(nasty), str)
