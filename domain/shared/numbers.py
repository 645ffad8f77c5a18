"""Case numbers: thirteen digits that can be read out over the telephone.

`yymmdd` of the local day, six digits drawn from the request's key, and a check digit (Verhoeff) that finds every single
wrong digit and every swap of two neighbours. Damm's finds them too, but misses twice as many twins and jump swaps.
"""

import hashlib
import re
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, WithJsonSchema
from stdnum import verhoeff

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall

STARTS_END = timedelta(seconds=1)
"""Time after the end of a day in which a start under a number of that day may still be under way, if it has a key."""
SETTLED = timedelta(seconds=2)
"""Time after the end of a day from which no such start is under way, also where clocks differ by the rest."""
_DAY = timedelta(days=1)
_SEPARATORS = re.compile(r"[\s-]+")
_DIGITS = re.compile(r"[0-9]{13}")

ACCEPTED_NUMBER = "13 digits, the last a check digit; dashes and spaces between them are ignored"


class NumberError(ValueError):
    """A text that is no case number; the message says why."""


def is_number(text: str) -> bool:
    """Only the form counts; the check digit may be wrong."""
    return _DIGITS.fullmatch(text) is not None


def local_day(at: datetime, zone: str = USUAL_ZONE) -> date:
    """Day on which a case registered at `at` is counted."""
    return on_the_wall(at, zone).date()


def days_around(at: datetime, zone: str = USUAL_ZONE) -> tuple[date, ...]:
    """Other days whose number a request may have got: yesterday, and tomorrow if a clock may be there."""
    today = local_day(at, zone)
    return (today - _DAY, *({local_day(at + SETTLED, zone)} - {today}))


def time_to_start(day: date, at: datetime, zone: str = USUAL_ZONE) -> timedelta:
    """Time left at `at` for a start under a number of this day; zero or less if none is left."""
    return _beginning(day + _DAY, zone) - at + STARTS_END


def time_to_settle(at: datetime, zone: str = USUAL_ZONE) -> timedelta:
    """Time from `at` until no start under yesterday's number is under way; zero or less if none is."""
    return _beginning(local_day(at, zone), zone) - at + SETTLED


def _beginning(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone))


def number_of(day: date, key: str, draw: int = 0) -> str:
    """Further draws give further candidates.

    Trap: a request that is sent again finds its case by this. Other digits would register the complaint twice.
    """
    return _drawn(day, key, draw, digits=6)


def incident_number_of(day: date, key: str, draw: int = 0) -> str:
    """`i`, the day, four digits drawn from the key, and a check digit."""
    return "i" + _drawn(day, key, draw, digits=4)


def _drawn(day: date, key: str, draw: int, digits: int) -> str:
    digest = hashlib.sha256(f"{day.isoformat()}\0{draw}\0{key}".encode()).digest()
    body = f"{day:%y%m%d}{int.from_bytes(digest[:8]) % 10**digits:0{digits}}"
    return body + verhoeff.calc_check_digit(body)


def is_incident(number: str) -> bool:
    """Return True for the number of an incident, False for that of a case."""
    return number.startswith("i")


def parse_number(text: str) -> str:
    """Drop dashes and spaces. Raises NumberError."""
    digits = text if _DIGITS.fullmatch(text) else _SEPARATORS.sub("", text)
    if not _DIGITS.fullmatch(digits):
        raise NumberError(f"A case number has {ACCEPTED_NUMBER}.")
    if not verhoeff.is_valid(digits):
        raise NumberError("The check digit does not fit: a digit was misheard or mistyped. Ask for the number again.")
    return digits


CaseNumber = Annotated[
    str,
    AfterValidator(parse_number),
    WithJsonSchema(
        {"type": "string", "pattern": "^[ -]*([0-9][ -]*){13}$", "description": f"Number of a case: {ACCEPTED_NUMBER}."}
    ),
]
