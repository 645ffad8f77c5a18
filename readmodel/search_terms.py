"""What a case can be found by: the terms of its number, caller and address, and the same cut for what is sought.

Words of letters and digits count whole, in lower case. Chinese text, which has no spaces, is cut into every two and
every three characters that stand together: 下闸新村 is found by 下闸, and by 闸新村. Three together are much rarer than
two, so what is sought is cut into threes where it is long enough; a single character is not sought.
Telephone numbers count without spaces and signs, and by their last four digits as well. An address counts as a whole
too, so that cases of one address are found together.
"""

import re
import unicodedata

from domain.case.intake import Intake

LONGEST = 40
"""Characters of a term; what is longer is cut, and found by its beginning."""
MOST = 12
"""Terms of a question; those after the twelfth are not looked for."""
_SHORT, _LONG = (2,), (3,)
_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(r"([\u3400-\u9fff\U00020000-\U0003ffff]+)")
_TELEPHONE = re.compile(r"\+?[(]?[0-9][0-9 ()-]+")
_EXTENSION = re.compile("转|ext|#", re.IGNORECASE)
_LOCAL = re.compile("[2-9][0-9]{6,7}")
"""A number of a town in China, without its area code."""
_MOBILE = re.compile("1[3-9][0-9]{9}")
FORMS = 3
"""Most terms that one telephone may be kept under."""


def search_terms(number: str, intake: Intake) -> frozenset[str]:
    """Every term under which this case is found."""
    caller = intake.caller
    told = (caller.name, intake.location.address, caller.account_no)
    found = {number, *(term for text in told if text for term in _cut(text, _SHORT + _LONG))}
    if caller.account_no:
        found |= {account_term(caller.account_no)}
    if caller.phone:
        digits = _digits(caller.phone)
        found |= {digits, digits[-4:], phone_term(caller.phone)}
    if place := address_term(intake.location.address):
        found |= {place}
    return frozenset(found)


def account_term(account_no: str) -> str:
    """The term of an account number."""
    return _joined(account_no)


def phone_term(phone: str, area_code: str = "") -> str:
    """The term that is one for all ways to write a telephone number: digits, as they are dialled within China.

    The area code (区号) is that of the place, where a number is said without one. An extension is left out: who calls
    does not show it.
    """
    digits = _digits(phone)
    if area_code and _LOCAL.fullmatch(digits):
        return area_code + digits
    if not phone.startswith(("+86", "0086")):
        national = digits.removeprefix("86")
        return national if _MOBILE.fullmatch(national) else digits
    national = digits.removeprefix("00").removeprefix("86")
    # Mobile numbers begin with 1 and are dialled as they are; area codes are dialled with a 0.
    return national if national.startswith(("0", "1")) else f"0{national}"


def phone_terms(phone: str, area_code: str) -> list[str]:
    """All terms under which this telephone may be kept, `phone_term` first: cases keep it as it was said."""
    term = phone_term(phone, area_code)
    local = term.removeprefix(area_code)
    short = [local] if area_code and local != term and _LOCAL.fullmatch(local) else []
    return [term, *short, *([f"86{term}"] if _MOBILE.fullmatch(term) else [])]


def address_term(address: str | None) -> str | None:
    """The term of a whole address, without spaces and signs. Nobody can seek it by typing: no word begins with `=`."""
    written = _written(address)
    return f"={written}"[:LONGEST] if written else None


def same_address(one: str | None, other: str | None) -> bool:
    """Whether both are one address however written, to the last flat: the term of a long one is cut."""
    return bool(_written(one)) and _written(one) == _written(other)


def query_terms(q: str) -> frozenset[str]:
    """The terms that a case must have, all of them, to be an answer to `q`. Empty where nothing can be sought."""
    text = _plain(q)
    return frozenset([_joined(text)] if _TELEPHONE.fullmatch(text) else _cut(text, _LONG)[:MOST])


def alternatives(q: str, area_code: str) -> list[frozenset[str]]:
    """What is sought by `q`, any of it: a telephone number may have been said with and without the area code."""
    text = _plain(q)
    telephones = phone_terms(text, area_code) if _TELEPHONE.fullmatch(text) else []
    return list(dict.fromkeys([query_terms(q), *(frozenset([term]) for term in telephones)]))


def _plain(q: str) -> str:
    return unicodedata.normalize("NFKC", q).strip()


def _digits(phone: str) -> str:
    return _joined(_EXTENSION.split(phone)[0])


def _written(address: str | None) -> str:
    return "".join(_WORD.findall(unicodedata.normalize("NFKC", address or ""))).lower()


def _joined(text: str) -> str:
    return "".join(_WORD.findall(text)).lower()[:LONGEST]


def _cut(text: str, sizes: tuple[int, ...]) -> list[str]:
    """The terms of a text, each once: words, and of Chinese so many characters together; a shorter run counts whole."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    parts = (part for word in words for part in _HAN.split(word) if part)
    return list(dict.fromkeys(term for part in parts for term in _terms(part, sizes)))


def _terms(part: str, sizes: tuple[int, ...]) -> list[str]:
    if not _HAN.fullmatch(part):
        return [part[:LONGEST]]
    longest = min(len(part), max(sizes))
    wanted = {min(size, longest) for size in sizes} - {1}
    return [part[place : place + size] for size in sorted(wanted) for place in range(len(part) - size + 1)]
