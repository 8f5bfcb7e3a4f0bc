"""Names of months, as clients write them that format a stamp in the language of whoever runs them (msmtp does).

Decides which names are known: the abbreviations that C libraries give to `%b`, in any case, with or without their full
stop, and `9月`. Croatian is left out, in which `srp` and `lis` are other months than in Czech and Polish.
"""

from __future__ import annotations

import re
from typing import Final

NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_LOCAL: Final = (
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "jan feb mär apr mai jun jul aug sep okt nov dez",  # German
    "jän feb mär apr mai jun jul aug sep okt nov dez",  # Austrian
    "jan feb mrz apr mai jun jul aug sep okt nov dez",
    "janv févr mars avril mai juin juil août sept oct nov déc",  # French
    "janv fevr mars avr mai juin juil aout sept oct nov dec",
    "ene feb mar abr may jun jul ago sep oct nov dic",  # Spanish
    "gen feb mar apr mag giu lug ago set ott nov dic",  # Italian
    "jan fev mar abr mai jun jul ago set out nov dez",  # Portuguese
    "jan fév mrt apr mei jun jul aug sep okt nov dec",  # Dutch
    "jan feb mars apr maj juni juli aug sep okt nov dec",  # Swedish
    "jan feb mar apr maj jun jul aug sep okt nov dec",  # Danish
    "jan feb mars april mai juni juli aug sep okt nov des",  # Norwegian
    "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",  # Finnish
    "sty lut mar kwi maj cze lip sie wrz paź lis gru",  # Polish
    "led úno bře dub kvě čen čec srp zář říj lis pro",  # Czech
    "jan feb már ápr máj jún júl aug szept okt nov dec",  # Hungarian
    "янв фев мар апр май июн июл авг сен окт ноя дек",  # Russian
    "янв фев мар апр мая июн июл авг сен окт ноя дек",
    "oca şub mar nis may haz tem ağu eyl eki kas ara",  # Turkish
    "ian feb mar apr mai iun iul aug sep oct nov dec",  # Romanian
)
_NUMBERS: Final = {name: number for names in _LOCAL for number, name in enumerate(names.split(), 1)}
_NUMBERED: Final = re.compile(r"(1[0-2]|0?[1-9])(?:月|월)").fullmatch  # Chinese and Japanese; Korean

PATTERN: Final = r"(?:[^\W\d_]{2,6}\.?|\d{1,2}[月월])"
"""What may be a month's name in any of these."""


def month_of(name: str) -> int:
    """The month's number; 0 where the name is unknown."""
    numbered = _NUMBERED(name)
    return int(numbered[1]) if numbered else _NUMBERS.get(name.lower().removesuffix("."), 0)
