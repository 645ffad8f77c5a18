"""Bases of immutable values, and of entries that have a code and two names; amounts of money and rates (率)."""

from collections.abc import Collection, Iterable
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import partial
from operator import eq
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

Rows = TypeVar("Rows", bound=Collection[Any])


class Immutable(BaseModel):
    """Value that never changes; keys that it does not know are ignored."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def taken_from(cls, *sources: BaseModel, **more: Any) -> Self:  # noqa: ANN401 - values of its fields
        """Return a value with those of its fields that a source has as well, and more.

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


class Coded(Value):
    """Entry with a code, an English and a Chinese name."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(min_length=1, description="the English name")
    name_zh: str = Field(min_length=1, description="the Chinese name")


class NamedCode(StrEnum):
    """Enumeration of codes, each with its Chinese name."""

    zh: str

    def __new__(cls, code: str, zh: str = "") -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.zh = zh
        return member


def complete(table: str, members: Iterable[object], rows: Rows) -> Rows:
    """Return the rows of a table that has one for each member. Raises LookupError with those that it lacks.

    Modules call it as they are imported: a new state or role without its row stops the program before it does work.
    """
    if missing := [str(member) for member in members if member not in rows]:
        raise LookupError(f"{table} has no row for {', '.join(missing)}; accepted: a row for each")
    return rows


def omit_default(default: object, description: str | None = None, **constraints: Any) -> Any:  # noqa: ANN401 - as `Field`
    """Return a field that is left out of what is written while it has its default: histories stay small.

    Trap: what was written without it is read with the default of today. Another default changes old cases.
    """
    return Field(default=default, exclude_if=partial(eq, default), description=description, **constraints)


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
    """Return a quotient to so many decimal places; half of the last place is rounded up, as in every figure."""
    return (Decimal(part) / whole).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def ratio(part: int, whole: int) -> Decimal | None:
    """Return the share from 0 to 1, as every report gives it; None without a whole."""
    return half_up(part, whole, PLACES) if whole else None


def rate(part: int, whole: int) -> float | None:
    """Return the share as a float; None without a whole."""
    share = ratio(part, whole)
    return None if share is None else float(share)
