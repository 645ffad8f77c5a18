"""Base of the catalogue's values, and of entries that have a code and two names."""

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """Value of the catalogue: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Coded(Value):
    """Entry with a code, an English and a Chinese name."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(min_length=1, description="the English name")
    name_zh: str = Field(min_length=1, description="the Chinese name")


def is_empty(value: object) -> bool:
    """Return True if a value is left out of what is written: histories stay small."""
    return not value
