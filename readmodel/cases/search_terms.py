"""Search terms of cases (of number, caller, address and description), and of queries.

Words of letters and digits are terms, in lower case. Chinese text, which has no spaces, is cut into single characters
and every two adjacent ones: 下闸新村 is found by 闸, by 下闸 and by 闸新村. A query is cut into twos, which are rarer.
Telephone numbers are terms without spaces and signs, and so are their last four digits, and those of the case's
number. A whole address is a term too, so that cases of one address are found.

Their rows are written with a case, and replaced if what they are terms of is corrected.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from domain.case.intake import Caller, Intake, Location
from domain.shared.phones import MOBILE, dialled, digits_of, without_mobiles
from readmodel.base.database import RowValues, WriteConnection, insert_missing
from readmodel.cases.tables import cases, search_words

LONGEST_TERM = 40
"""Most characters of a term; a longer one is cut, and found by its beginning."""
MOST_TERMS = 12
"""Most terms of a query; further ones are ignored."""
_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(r"([\u3400-\u9fff\U00020000-\U0003ffff]+)")
_TELEPHONE = re.compile(r"\+?[(]?[0-9][0-9 ()-]+")
_LOCAL = re.compile("[2-8][0-9]{6,7}")
"""Number of a landline in China, without its area code."""


def search_terms(number: str, intake: Intake) -> frozenset[str]:
    caller = intake.caller
    texts = (caller.name, intake.location.address, caller.account_no, intake.description)
    found = {number, number[-4:], *(term for text in texts if text for term in _cut(text, (1, 2)))}
    if caller.account_no:
        found.add(account_term(caller.account_no))
    if caller.phone:
        digits = digits_of(caller.phone)
        found |= {digits, digits[-4:], phone_term(caller.phone)}
    if place := address_term(intake.location.address):
        found.add(place)
    return frozenset(found)


def impersonal_terms(number: str, intake: Intake) -> frozenset[str]:
    """Terms of what nobody who sees the address clear sees masked: not of callers, nor mobile numbers."""
    place = intake.location
    if place.address:
        place = place.model_copy(update={"address": without_mobiles(place.address)})
    shown = {"caller": Caller.model_construct(), "description": without_mobiles(intake.description), "location": place}
    return search_terms(number, intake.model_copy(update=shown))


def phone_term(phone: str, area_code: str = "") -> str:
    """One term for all ways to write a telephone number: its digits, as they are dialled within China.

    `area_code` (区号) is that of numbers without one. An extension is left out, as calls do not show it.
    """
    digits = dialled(phone)
    return area_code + digits if area_code and _LOCAL.fullmatch(digits) else digits


def phone_terms(phone: str, area_code: str) -> list[str]:
    """All terms that cases may have for a telephone, `phone_term` first: cases keep it as it was given."""
    term = phone_term(phone, area_code)
    local = term.removeprefix(area_code)
    short = [local] if area_code and local != term and _LOCAL.fullmatch(local) else []
    return [term, *short, *([f"86{term}"] if MOBILE.fullmatch(term) else [])]


def address_term(address: str | None) -> str | None:
    """Term of a whole address, without spaces and signs; None if empty. It starts with `=`, which no query can."""
    plain = _plain_address(address)
    return f"={plain}"[:LONGEST_TERM] if plain else None


def same_address(one: str | None, other: str | None) -> bool:
    """Return True if both are the same address, to the last flat; the terms of long addresses are cut."""
    return bool(_plain_address(one)) and _plain_address(one) == _plain_address(other)


def query_terms(q: str) -> frozenset[str]:
    """Terms that a case must all have to match `q`; empty if it has no term."""
    text = _plain(q)
    return frozenset([account_term(text)] if _TELEPHONE.fullmatch(text) else _cut(text, (2,))[:MOST_TERMS])


def alternatives(q: str, area_code: str) -> list[frozenset[str]]:
    """Make sets of terms: a case matches `q` if it has all of any set. A telephone may have its area code or not."""
    text = _plain(q)
    telephones = phone_terms(text, area_code) if _TELEPHONE.fullmatch(text) else []
    return list(dict.fromkeys([query_terms(q), *(frozenset([term]) for term in telephones)]))


def _plain(q: str) -> str:
    return unicodedata.normalize("NFKC", q).strip()


def _plain_address(address: str | None) -> str:
    return "".join(_WORD.findall(unicodedata.normalize("NFKC", address or ""))).lower()


def account_term(text: str) -> str:
    return "".join(_WORD.findall(text)).lower()[:LONGEST_TERM]


def _cut(text: str, sizes: tuple[int, ...]) -> list[str]:
    """Each term once: words, and of Chinese so many adjacent characters, or a shorter run."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).lower())
    parts = (part for word in words for part in _HAN.split(word) if part)
    return list(dict.fromkeys(term for part in parts for term in _terms(part, sizes)))


def _terms(part: str, sizes: tuple[int, ...]) -> list[str]:
    if not _HAN.fullmatch(part):
        return [part[:LONGEST_TERM]]
    wanted = {min(size, len(part)) for size in sizes}
    return [part[place : place + size] for size in sorted(wanted) for place in range(len(part) - size + 1)]


_KEYS = tuple(search_words.primary_key.columns.keys())
_DELETE = delete(search_words).where(*(search_words.c[name] == bindparam(f"the_{name}") for name in _KEYS))


def term_rows(number: str, registered_at: datetime, intake: Intake) -> list[RowValues]:
    impersonal = impersonal_terms(number, intake)
    of_case = {"registered_at": registered_at, "number": number}
    return [
        {"word": term, "personal": term not in impersonal, **of_case} for term in sorted(search_terms(number, intake))
    ]


def terms_in_sql(connection: WriteConnection, numbers: Collection[str]) -> dict[str, list[RowValues]]:
    """Compute rows of the cases that SQL has of these, by number; nobody else writes them meanwhile."""
    if not numbers:
        return {}
    statement = select(cases).where(cases.c.number.in_(numbers)).order_by(cases.c.number).with_for_update()
    return {
        row.number: term_rows(
            row.number,
            row.registered_at,
            Intake.model_construct(
                service_code=row.service_code,
                description=row.description,
                caller=Caller.model_construct(
                    name=row.caller_name, phone=row.caller_phone, account_no=row.caller_account_no
                ),
                location=Location.model_construct(address=row.address),
            ),
        )
        for row in connection.execute(statement)
    }


def replace_terms(
    connection: WriteConnection, before: Mapping[str, Sequence[RowValues]], now: Mapping[str, Sequence[RowValues]]
) -> None:
    gone = [row for number, rows in before.items() for row in rows if row not in now.get(number, ())]
    if gone:
        connection.execute(_DELETE, [{f"the_{name}": row[name] for name in _KEYS} for row in gone])
    insert_missing(connection, search_words, [row for rows in now.values() for row in rows])
