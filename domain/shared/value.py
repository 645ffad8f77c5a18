"""Values: their bases, and the types of what people give: texts, names, instants, amounts of money."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import partial
from operator import eq
from typing import Annotated, Any, LiteralString, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

Rows = TypeVar("Rows", bound=Collection[Any])


class Immutable(BaseModel):
    """Value that never changes; keys that it does not know are ignored."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def taken_from(cls, *sources: BaseModel, **more: Any) -> Self:  # noqa: ANN401 - values of its fields
        """Take those of its fields that a source has as well, and more.

        Trap: a field that a source is given later, under a name of this class, is taken as well.
        """
        names = cls.model_fields
        given = {name: value for source in sources for name, value in vars(source).items() if name in names}
        return cls(**given | more)


class Value(Immutable):
    """Immutable value that is strict about its keys."""

    model_config = ConfigDict(extra="forbid")


class Start(Immutable):
    """Start message of a workflow: its one argument."""


class InClear:
    """Base of the argument of a signal, which is not sealed: whoever reaches Temporal may have sent it."""


class NamedCode(StrEnum):
    """Enumeration of codes, each with its Chinese name."""

    zh: str

    def __new__(cls, code: str, zh: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.zh = zh
        return member


Phrase = tuple[str, str]
"""The same in Chinese and in English."""


def english(code: str) -> str:
    """Return a code in words, as a noun or an adjective; each has its words by this rule alone."""
    return code.replace("follow_up", "follow-up").replace("_", " ")


def exhaustive(table: str, members: Iterable[object], rows: Rows) -> Rows:
    """Return `rows`; raise LookupError with the members that have none.

    Modules call it as they are imported: a new state or role without its row stops the program before it does work.
    """
    if missing := [str(member) for member in members if member not in rows]:
        raise LookupError(f"{table} has no row for {', '.join(missing)}; accepted: a row for each")
    return rows


def omit_default(default: object, description: str | None = None, **constraints: Any) -> Any:  # noqa: ANN401 - as `Field`
    """Field that is left out of what is written while it has its default: histories stay small.

    Trap: what was written without it is read with the default of today. Another default changes old cases.
    """
    return Field(default, exclude_if=partial(eq, default), description=description, **constraints)


ZERO = Decimal("0.00")

# `abs` makes 0 of minus zero, which `ge=0` lets pass.
_TWO_PLACES = AfterValidator(lambda amount: abs(amount.quantize(ZERO)))

_AS_GIVEN: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 9_999_999_999.99, "multipleOf": 0.01},
        {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$"},
    ]
}
"""Schema of an amount in a request; pydantic's own permits texts that it refuses."""
Money = Annotated[
    Decimal,
    Field(ge=0, max_digits=12, decimal_places=2),
    _TWO_PLACES,
    WithJsonSchema(_AS_GIVEN, mode="validation"),
]
"""An amount with exactly two decimal places, whether it was given as `860`, `"860.0"` or `"860.00"`."""
PositiveMoney = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2), _TWO_PLACES]


PLACES = 4
"""Decimal places of a rate."""


def half_up(part: Decimal | int, whole: Decimal | int = 1, places: int = 2) -> Decimal:
    """Half of the last place is rounded up, as in every figure."""
    return (Decimal(part) / whole).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def ratio(part: int, whole: int) -> Decimal | None:
    """From 0 to 1, as every report gives it; None without a whole."""
    return half_up(part, whole, PLACES) if whole else None


def rate(part: int, whole: int) -> float | None:
    """Share as a float; None without a whole."""
    share = ratio(part, whole)
    return None if share is None else float(share)


def invalid_value(error_type: LiteralString, reason: object, **facts: object) -> PydanticCustomError:
    """Error of a validator whose words are known only now. `facts` are given to the client beside them."""
    return PydanticCustomError(error_type, "{reason}", {"reason": str(reason), **facts})


RFC_3339 = re.compile(r"2\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
NO_INSTANT = "An instant is RFC 3339 text with its zone, in the years 2000 to 2999, for example {example}"


def _written_out(value: object) -> object:
    """Refuse what pydantic would guess at: it takes numbers, in text too, for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError("instant", NO_INSTANT, {"example": "2026-12-01T10:00:00+08:00"})


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(lambda instant: instant.astimezone(UTC)),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "^2[0-9]{3}-"}, mode="validation"),
]


def _normalised(value: object) -> object:
    """Bring a text to the one form in which characters and line ends are kept (NFC); leave anything else.

    Raises PydanticCustomError if it has characters of tags or of private use, or code points that are none.
    """
    if not isinstance(value, str):
        return value
    if FORBIDDEN_CHARACTERS.search(value):
        raise PydanticCustomError("hidden", "Text without hidden characters")
    return unicodedata.normalize("NFC", value).replace("\r\n", "\n").replace("\r", "\n")


def _on_one_line(value: object) -> object:
    kept = _normalised(value)
    return _BREAKS.sub(" ", kept) if isinstance(kept, str) else kept


_BREAKS = re.compile(r" *[\n\t][ \n\t]*")
NORMALISED = BeforeValidator(_normalised)
ON_ONE_LINE = BeforeValidator(_on_one_line)
"""The same for text that is shown among other words: what was written on several lines is joined."""
_NONE = "".join(chr(plane * 0x10000 + last) for plane in range(1, 15) for last in (0xFFFE, 0xFFFF))
FORBIDDEN_CHARACTERS = re.compile(f"[\U000e0000-\U000e007f\U000f0000-\U0010ffff{_NONE}]")
"""Invisible copies of ASCII (tags), which machines read, characters of private use, which everybody draws otherwise,
and code points that are no characters. Patterns of Python and ECMA-262 have no common way to write them."""
_HIDDEN = (
    r"\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    r"\ue000-\uf8ff\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff"
)
INVISIBLE = re.compile(f"[{_HIDDEN}\u180b-\u180f\ufe00-\ufe0f\U000e0000-\U000e01ef]")
"""Characters that nobody sees: those that no text may have, tags, and variation selectors, by which two names differ
that look the same. Texts may have the last: emoji and some scripts need them."""
LINES = rf"^[^\x00-\x08\x0b-\x1f{_HIDDEN}]*$"
"""Pattern of text whose only control characters are line feed and tab. PostgreSQL keeps no NUL. Hidden characters,
above all those that turn the direction of text, would show a reader something else than was written, on paper too; so
would those of private use.
Joiners (U+200C, U+200D) are kept, as emoji and some scripts need them."""
JOINERS = r"\u200c\u200d"
ONE_LINE = rf"^[^\x00-\x1f{JOINERS}{_HIDDEN}]*$"
"""The same without line feed, tab and joiners, for what is looked up and compared: names, addresses, titles."""


def as_sent(longest: int, least: int = 1, refused: str = "") -> WithJsonSchema:
    """Describe a text of a request, which is normalised and stripped before it is checked.

    `refused` are characters that it must not have besides hidden ones.
    """
    hidden = _HIDDEN + refused
    any_ = rf"[^\x00-\x08\x0b\x0c\x0e-\x1f{hidden}]*"
    pattern = rf"^{any_}[^\x00-\x20{hidden}\s]{any_}$" if least else f"^{any_}$"
    lengths = {"minLength": least, "maxLength": longest}
    return WithJsonSchema({"type": "string", **lengths, "pattern": pattern}, "validation")


def within(longest: int, least: int | None = 1, pattern: str = ONE_LINE) -> StringConstraints:
    """Limit a text to so many characters; `least` None: an empty one as well."""
    return StringConstraints(strip_whitespace=True, min_length=least, max_length=longest, pattern=pattern)


MOST_CHARACTERS = 2000
"""Most characters of a text that somebody writes."""
Text = Annotated[str, within(MOST_CHARACTERS, pattern=LINES), NORMALISED, as_sent(MOST_CHARACTERS)]
ShortText = Annotated[str, within(300, pattern=LINES), NORMALISED, as_sent(300)]
Name = Annotated[str, within(80), ON_ONE_LINE, as_sent(80, refused=JOINERS)]


MAYBE_MASKED = WithJsonSchema({"type": "string"}, "serialization")
"""Schema of what is shown masked to some."""
AccountNo = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,32}$"), MAYBE_MASKED]
# No . or ..: no client can send these as a part of an address.
CALL_ID = r"^([!-~]{3,80}|[!-,\-/-~][!-~]?|[.][!-,\-/-~])$"
CallId = Annotated[str, StringConstraints(pattern=CALL_ID)]
"""Id of a call, as the telephone system gives it: 1 to 80 visible ASCII characters, and no personal data."""
RECORDING_URL, LONGEST_URL = r"^https?://[!-~]+$", 500
RecordingUrl = Annotated[str, StringConstraints(max_length=LONGEST_URL, pattern=RECORDING_URL)]
IncidentNumber = Annotated[
    str,
    # The pattern is checked before the letter is made small.
    StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[iI][0-9]{11}$"),
]


def to_milliseconds(at: datetime) -> datetime:
    """Round down to the precision that every store keeps."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
