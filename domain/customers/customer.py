"""A customer (客户) of the registry: whom an account belongs to, and what to know before answering."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from domain.case.lifecycle import State
from domain.catalogue.terms import USUAL_CLASS, CustomerClass
from domain.incident.state import IncidentState
from domain.shared.codes import DistrictCode
from domain.shared.value import ON_ONE_LINE, AccountNo, Name, Text, Value, within

_CENTILITRES = Decimal("0.01")
"""Volumes are kept to a hundredth of a cubic metre, as bills state them, so that 3 and 3.00 are one allowance."""


Volume = Annotated[
    Decimal, Field(ge=0, max_digits=8, decimal_places=2), AfterValidator(lambda volume: volume.quantize(_CENTILITRES))
]

WrittenPhone = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=26,
        pattern=r"^\+?[(（]?[0-9][0-9 ()（）-]{2,24}((转|[eE][xX][tT]\.?|#) ?[0-9]{1,6})?$",
    ),
]
"""A telephone as files have it, with a bracketed area code or an extension (分机); it is kept as it is written."""


class Customer(Value):
    """One account. Personal data: never in ids, search attributes or logs. Descriptions say what a field accepts."""

    account_no: AccountNo = Field(description="Account (户号): 1 to 32 letters, digits or dashes.")
    name: Name = Field(description="Name, 1 to 80 characters.")
    phone: WrittenPhone | None = Field(
        None,
        description="Telephone: 3 to 25 digits, spaces, dashes, brackets; 转8 or ext 8 after them.",
        examples=["(0760)88238777转8"],
    )
    address: Annotated[str, within(200), ON_ONE_LINE] | None = Field(
        None, description="Address of the supply, at most 200 characters."
    )
    district: DistrictCode | None = Field(None, description="District of the catalogue, by code or name.")
    meter: Annotated[str, within(40), ON_ONE_LINE] | None = Field(
        None, description="Number of the meter (水表), at most 40 characters."
    )
    customer_class: CustomerClass = Field(USUAL_CLASS, description="Class of the customer: household or business.")
    hardship: bool = Field(False, description="Hardship household (困难户): yes or no.")
    hardship_grounds: Annotated[str, within(200), ON_ONE_LINE] | None = Field(
        None,
        description="Grounds of the hardship, at most 200 characters; only with hardship yes.",
        examples=["Public relief 低保"],
    )
    free_allowance_m3: Volume | None = Field(
        None, description="Free allowance in m³ a month, 0 to 999999.99, two decimals at most."
    )
    notes: Text | None = Field(None, description="What else to know, at most 2,000 characters.")

    @model_validator(mode="after")
    def _grounds_are_of_a_hardship(self) -> "Customer":
        """Refuse grounds without a hardship: a forgotten yes decides how a caller is treated."""
        if self.hardship_grounds and not self.hardship:
            raise ValueError("grounds are given, so hardship must be yes")
        return self


class EarlierCase(BaseModel):
    """A case of before, as far as it matters to whoever has the customer on the line."""

    number: str
    service_code: str
    state: State
    owner: str = Field(description="Id of the person who replies to the caller (首问责任人).")
    district: str | None
    flags: tuple[str, ...]
    registered_at: datetime
    closed_at: datetime | None
    description: str


class Thanks(BaseModel):
    """Thanks (表扬) that a customer gave."""

    number: str = Field(description="Of the case by which they came.")
    at: datetime
    thanked: str | None = Field(description="The person thanked, where one was named.")
    message: str


class CallerRecord(BaseModel):
    """Record of a caller."""

    customer: Customer | None = Field(description="As the registry has it; null where it has no such customer.")
    earlier_cases: tuple[EarlierCase, ...] = Field(
        description="Of the same account or telephone, the newest first, at most 20."
    )
    thanks: tuple[Thanks, ...] = Field(description="All that such cases hold, the newest first, at most 20.")


class OpenIncident(BaseModel):
    """An open incident (突发事件) where the caller lives: it may be what the call is about."""

    number: str
    title: str
    state: IncidentState
    services: tuple[str, ...] = Field(description="Codes: calls from there about any of these belong to it.")
    expected_at: datetime | None = Field(description="Time at which water is expected back.")
    news: str | None = Field(description="Latest message to the callers.")


class KnownCaller(CallerRecord):
    """Record of a caller before a case is registered."""

    open_cases: tuple[EarlierCase, ...] = Field(description="The same that are open, the newest first, at most 20.")
    incidents: tuple[OpenIncident, ...] = Field(
        description="Open in the district of the customer, or else of the latest case; the oldest first."
    )
