"""Bases of immutable values, and of entries that have a code and two names."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from functools import partial
from operator import eq
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

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
