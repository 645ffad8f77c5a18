"""Codes, most of them of the catalogue: entries that have one, and how one is found by a name, Chinese or English."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, WithJsonSchema

from domain.shared.value import Value, invalid_value


class Coded(Value):
    """Entry with a code, an English and a Chinese name."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str = Field(min_length=1, description="the English name")
    name_zh: str = Field(min_length=1, description="the Chinese name")


C = TypeVar("C", bound=Coded)
CodeKind = Literal["service", "district", "department", "finding"]
FindCode = Callable[[CodeKind, str], str]
"""Finds the code that is given by itself or by name. Raises UnknownCode."""
UNKNOWN_CODE = "unknown_code"
"""Type of the validation error of a code or name that stands for nothing, or for several things."""
LEAST_BEGINNING = 2
"""Characters from which the beginning of a name will do: of one letter, any slip would be a name."""


class UnknownCode(LookupError):  # noqa: N818 - its name says what is wrong
    """A code or name that stands for nothing in the catalogue, or for several things; `accepted` lists what would."""

    def __init__(self, kind: str, code: str, entries: Sequence[Coded], *, ambiguous: bool = False) -> None:
        accepted = (
            ", ".join(f"{entry.code} ({entry.name} / {entry.name_zh})" for entry in entries) or "none; leave it out"
        )
        wrong = f"this may be any of several {kind}s" if ambiguous else f"there is no such {kind}"
        super().__init__(f"{wrong}; accepted: {accepted}")
        self.kind = kind
        self.code = code
        self.accepted = words(entries)


def words(entries: Sequence[Coded]) -> tuple[str, ...]:
    return tuple(word for entry in entries for word in (entry.code, entry.name, entry.name_zh))


def entry_of(kind: CodeKind, entries: Sequence[C], code: str) -> C:
    """Find an entry by its code. Raises UnknownCode."""
    found = next((entry for entry in entries if entry.code == code), None)
    if found is None:
        raise UnknownCode(kind, code, entries)
    return found


def code_of(kind: str, entries: Sequence[Coded], given: str) -> str:
    """Accept a code itself or a name. Raises UnknownCode.

    A name is one of the two that an entry has, an alternative in it (停水 of 停水/无水), or the beginning of either.
    Case, width and spaces around it do not matter. What would do for several entries does for none, and a beginning
    must not stand in the name of another entry.
    """
    wanted = _folded(given)
    found = [entry for entry in entries if entry.code == given]
    found = found or [entry for entry in entries if wanted in (entry.code, *_names(entry))]
    found = found or [entry for entry in entries if wanted in _alternatives(entry)]
    if not found and len(wanted) >= LEAST_BEGINNING:
        found = [entry for entry in entries if any(name.startswith(wanted) for name in _alternatives(entry))]
        # Of "water", one name may begin with it, and another end: that is no one name.
        found += [entry for entry in entries if found and entry not in found and wanted in " ".join(_names(entry))]
    if len(found) != 1:
        raise UnknownCode(kind, given, found or entries, ambiguous=bool(found))
    return found[0].code


def _names(entry: Coded) -> list[str]:
    return [_folded(name) for name in (entry.name, entry.name_zh)]


def _alternatives(entry: Coded) -> list[str]:
    return [part.strip() for name in _names(entry) for part in (name, *name.split("/"))]


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _find(kind: CodeKind, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - whatever was sent
    """Code of a name, if the context of the validation has a FindCode as `codes`."""
    find: FindCode | None = (info.context or {}).get("codes")
    return value if find is None else _found(partial(find, kind), value)


def _found(find: Callable[[str], str], value: Any) -> Any:  # noqa: ANN401 - whatever was sent
    if not isinstance(value, str):
        return value
    try:
        return find(value)
    except UnknownCode as error:
        raise invalid_value(UNKNOWN_CODE, error, kind=error.kind, accepted=list(error.accepted)) from None


def _described(kind: CodeKind) -> WithJsonSchema:
    # Names have no pattern.
    described = f"Code of a {kind}; in requests also a name, Chinese or English."
    return WithJsonSchema({"type": "string", "description": described})


def among(kind: str, entries: Sequence[Coded]) -> BeforeValidator:
    """Take a code or name of entries that are the same in every catalogue."""
    return BeforeValidator(partial(_found, partial(code_of, kind, entries)))


Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
ServiceCode = Annotated[Code, BeforeValidator(partial(_find, "service")), _described("service")]
DistrictCode = Annotated[Code, BeforeValidator(partial(_find, "district")), _described("district")]
DepartmentCode = Annotated[Code, BeforeValidator(partial(_find, "department")), _described("department")]
FindingCode = Annotated[Code, BeforeValidator(partial(_find, "finding")), _described("finding")]
