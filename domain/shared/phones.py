"""Telephone numbers: their types, how they are compared, and how they are found in texts."""

import re
from typing import Annotated

from pydantic import StringConstraints

from domain.shared.value import MAYBE_MASKED

PHONE = r"^\+?[0-9][0-9 -]{2,24}$"
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=PHONE), MAYBE_MASKED]
_WORD = re.compile(r"[^\W_]+")
_EXTENSION = re.compile("转|ext|#", re.IGNORECASE)
MOBILE = re.compile("1[3-9][0-9]{9}")
"""Mobile number of China, as it is dialled."""
_ANY_MOBILE = re.compile(f"(?:(?:00)?86)?0?({MOBILE.pattern})")
"""The same with or without the country code and the 0 that some dial before it from other places."""
_LANDLINE = re.compile("(?!400|800)(?:10|2[0-9]|[3-9][0-9]{2})[2-9][0-9]{6,7}")
"""Number of a landline with its area code, without the 0 that is dialled before it. Short numbers, 400 and 800 have
no area code."""
_MOST_DIGITS = 40


def digits_of(phone: str) -> str:
    """Drop spaces, signs and the extension, which calls do not show."""
    if phone.isascii() and phone.isdigit():  # as telephone systems write them, a million times in a file
        return phone[:_MOST_DIGITS]
    return "".join(_WORD.findall(_EXTENSION.split(phone)[0])).lower()[:_MOST_DIGITS]


def dialled(phone: str) -> str:
    """Digits as the number is dialled within China: the same for all ways to write it.

    A number of a landline with its area code (区号) is not the one without.
    """
    digits = digits_of(phone)
    if mobile := _ANY_MOBILE.fullmatch(digits):
        return mobile[1]
    if not phone.startswith(("+86", "0086")):
        return digits
    national = digits.removeprefix("00").removeprefix("86")
    return f"0{national}" if _LANDLINE.fullmatch(national) else national


def same_phone(one: str | None, other: str | None) -> bool:
    """Return True however the number is written, and if both are none."""
    return (one and dialled(one)) == (other and dialled(other))


_DIGIT, _SIGN = "[0-9０-９]", r"[^\w\n]{0,2}_?\n?"
MOBILE_IN_WORDS = re.compile(
    rf"(?<!{_DIGIT})(?:(?:[+＋]|[0０]{{2}})?[8８][6６]{_SIGN}|[0０])?"
    rf"[1１]{_SIGN}[3-9３-９](?:{_SIGN}{_DIGIT}){{9}}(?!{_DIGIT})"
)
"""Mobile number as people write it: with the country code, a 0 or neither, in groups, with signs between them or on two
lines, in the full width of keyboards."""
_MASKED = re.compile(r"[0-9]+\*+[0-9]+")


def without_mobiles(text: str) -> str:
    """Cut out masked numbers too: the digits that are left of them could be searched for."""
    return _MASKED.sub(" ", MOBILE_IN_WORDS.sub(" ", text))
