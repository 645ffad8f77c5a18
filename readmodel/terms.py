"""What a case can be found by: the terms of its number, caller and address, and the same cut for what is sought.

Words of letters and digits count whole, in lower case. Chinese text, which has no spaces, is cut into pairs of
characters (bigrams): 下闸新村 is found by 下闸, 闸新, 新村, and so by any run of two characters or more.
Telephone numbers count without spaces and signs, and by their last four digits as well.
"""

import re
import unicodedata

from domain.commands import Intake

LONGEST = 40
"""Characters of a term; what is longer is cut, and found by its beginning."""
MOST = 12
"""Terms of a question; those after the twelfth are not looked for."""
_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(r"([\u3400-\u9fff\U00020000-\U0003ffff]+)")
_TELEPHONE = re.compile(r"\+?[0-9][0-9 -]+")


def terms_of(number: str, intake: Intake) -> frozenset[str]:
    """Every term under which this case is found."""
    caller = intake.caller
    found = {number, *_cut(caller.name or ""), *_cut(intake.location.address or "")}
    if caller.account_no:
        found |= {_joined(caller.account_no), *_cut(caller.account_no)}
    if caller.phone:
        digits = _joined(caller.phone)
        found |= {digits, digits[-4:]}
    return frozenset(found)


def sought(q: str) -> frozenset[str]:
    """The terms that a case must have, all of them, to be an answer to `q`. Empty where `q` has no letter or digit."""
    text = unicodedata.normalize("NFKC", q).strip()
    return frozenset([_joined(text)] if _TELEPHONE.fullmatch(text) else _cut(text)[:MOST])


def _joined(text: str) -> str:
    return "".join(_WORD.findall(text)).lower()[:LONGEST]


def _cut(text: str) -> list[str]:
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    terms = (term for word in words for part in _HAN.split(word) if part for term in _grams(part))
    return list(dict.fromkeys(terms))


def _grams(part: str) -> list[str]:
    if not _HAN.fullmatch(part) or len(part) == 1:
        return [part[:LONGEST]]
    return [part[place : place + 2] for place in range(len(part) - 1)]
