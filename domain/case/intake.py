"""What a caller says (受理), who acts, and the types that their words are made of."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from domain.case.lifecycle import Role
from domain.catalogue.terms import USUAL_CLASS, CustomerClass, Terms, unsaid, usual_class
from domain.shared.codes import Code, DistrictCode, ServiceCode


def _in_utc(instant: datetime) -> datetime:
    # At the ends of what datetime knows there may be no such instant; in UTC the year may be another than as written.
    if not 1 < instant.year < 9999 or not 1 < (utc := instant.astimezone(UTC)).year < 9999:  # noqa: PLR2004 - as said
        raise ValueError("the year must be from 2 to 9998, in UTC as well")
    return utc


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)
NO_INSTANT = "An instant is RFC 3339 text with its zone, for example {example}"


def _written_out(value: object) -> object:
    """Return the value unless pydantic would guess at it: it takes numbers, in text too, for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError("instant", NO_INSTANT, {"example": "2026-12-01T10:00:00+08:00"})


Instant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
NO_NUL = r"^[^\x00]*$"
"""PostgreSQL keeps no NUL: a case that carried one could never be published."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=NO_NUL)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=NO_NUL)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^\+?[0-9][0-9 -]{2,24}$")]
AccountNo = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,32}$")]

IncidentNumber = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^i[0-9]{11}$")]


class Actor(BaseModel):
    """Who acts: taken from the API key, never from the body."""

    model_config = ConfigDict(frozen=True)

    name: Name
    role: Role
    department: Code | None = Field(default=None, description="Set for a crew's key: it acts on its own cases only.")


SYSTEM = Actor(name="system", role=Role.SYSTEM)


class Caller(BaseModel):
    """The person on the telephone. Personal data: never in ids, search attributes or logs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name | None = None
    phone: Phone | None = None
    account_no: AccountNo | None = None


class Location(BaseModel):
    """Where it is: district code of the catalogue, address in words, WGS 84 degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    district: DistrictCode | None = None
    address: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=NO_NUL)] | None = None
    lat: float | None = Field(default=None, ge=-90, le=90)
    lng: float | None = Field(default=None, ge=-180, le=180)


THANKS = "thanks"
"""The service (表扬) whose cases are kept on the customer's record, with the person thanked."""
Channel = Literal["phone", "counter", "web", "app", "wechat", "letter", "email", "hotline_12345"]


class Intake(BaseModel):
    """What the caller said."""

    model_config = ConfigDict(frozen=True)

    service_code: ServiceCode
    channel: Channel = "phone"
    caller: Caller = Caller()
    location: Location = Location()
    description: Text
    thanked: Name | None = Field(
        default=None, exclude_if=unsaid, description="Whom the thanks (表扬) are for; only with the service `thanks`."
    )

    @field_validator("thanked")
    @classmethod
    def _of_thanks(cls, thanked: str | None, info: ValidationInfo) -> str | None:
        if thanked is not None and info.data.get("service_code", THANKS) != THANKS:
            raise ValueError(f"Only with the service_code {THANKS}; leave it out otherwise")
        return thanked


class Registration(BaseModel):
    """Everything a case starts from: what was said, who owns it, and the terms it is held to from then on."""

    model_config = ConfigDict(frozen=True)

    number: str
    at: Instant
    actor: Actor
    owner: Name
    intake: Intake
    terms: Terms
    flags: tuple[str, ...] = Field(default=(), exclude_if=unsaid, description="Of `customer.IntakeFlag`.")
    possible_duplicates: tuple[str, ...] = Field(
        default=(), exclude_if=unsaid, description="Cases that may be the same matter."
    )
    incident: str | None = Field(default=None, exclude_if=unsaid, description="The incident that explains the call.")
    customer_class: CustomerClass = Field(
        default=USUAL_CLASS, exclude_if=usual_class, description="As the registry has it (客户类别)."
    )
