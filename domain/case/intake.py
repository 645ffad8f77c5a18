"""Intake of a complaint (受理): what the caller said, and everything that a case starts from."""

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args

from pydantic import ConfigDict, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from domain.catalogue.terms import Priority
from domain.shared.codes import Coded, DistrictCode, ServiceCode, among
from domain.shared.phones import Phone
from domain.shared.value import (
    JOINERS,
    ON_ONE_LINE,
    AccountNo,
    CallId,
    Immutable,
    Name,
    Text,
    Value,
    as_sent,
    exhaustive,
    omit_default,
    within,
)


class Caller(Value):
    """Person on the telephone. Personal data: never in ids, search attributes or logs."""

    name: Name | None = None
    phone: Phone | None = None
    account_no: AccountNo | None = None


_BOTH_OR_NEITHER: dict[str, Any] = {
    "dependentRequired": {"lat": ["lng"], "lng": ["lat"]},
    "anyOf": [{"properties": {name: {"type": kind} for name in ("lat", "lng")}} for kind in ("number", "null")],
}
"""Schema of the rule that `Location` checks."""
_GO_TOGETHER = "lat and lng go together: both are numbers, both are null, or neither is given"


class Location(Value):
    """Place of the complaint: district code of the catalogue, address in words, coordinates in WGS 84 degrees."""

    model_config = ConfigDict(json_schema_extra=_BOTH_OR_NEITHER)

    district: DistrictCode | None = None
    address: Annotated[str, within(200, None), ON_ONE_LINE, as_sent(200, 0, JOINERS)] | None = None
    lat: float | None = Field(None, ge=-90, le=90, strict=True)
    lng: float | None = Field(None, ge=-180, le=180, strict=True)

    @model_validator(mode="after")
    def _is_a_point_or_none(self) -> Self:
        # In a correction, what is left out stays and null clears: the fields that are set count too.
        if len(self.model_fields_set & {"lat", "lng"}) == 1 or (self.lat is None) is not (self.lng is None):
            raise PydanticCustomError("half_coordinates", _GO_TOGETHER)
        return self


class Contact(NamedTuple):
    """Contact of a customer, as the registry has it."""

    name: str | None = None
    phone: str | None = None
    account_no: str | None = None
    district: str | None = None
    address: str | None = None


THANKS_SERVICE = "thanks"
"""The service (表扬) whose cases are kept on the customer's record, with the person thanked."""
IntakeChannel = Literal["phone", "counter", "web", "app", "wechat", "letter", "email", "hotline_12345"]
CHANNELS = (
    Coded(code="phone", name="telephone", name_zh="电话"),
    Coded(code="counter", name="counter", name_zh="营业厅"),
    Coded(code="web", name="website", name_zh="网站"),
    Coded(code="app", name="app", name_zh="手机应用"),
    Coded(code="wechat", name="WeChat", name_zh="微信"),
    Coded(code="letter", name="letter", name_zh="来信"),
    Coded(code="email", name="e-mail", name_zh="电子邮件"),
    Coded(code="hotline_12345", name="12345 hotline", name_zh="12345 热线"),
)
"""Channels of an intake (受理渠道) with their names."""
exhaustive("CHANNELS", get_args(IntakeChannel), [each.code for each in CHANNELS])
_BY_NAME = WithJsonSchema({"type": "string", "description": "Channel, by code or name."}, "validation")
ChannelCode = Annotated[IntakeChannel, among("channel", CHANNELS), _BY_NAME]


class Intake(Immutable):
    """Words of the caller, as the agent takes them down."""

    service_code: ServiceCode
    channel: ChannelCode = "phone"
    caller: Caller = Caller()
    location: Location = Location()
    description: Text
    call_id: CallId | None = omit_default(None, "Id of the call in which it is taken down, in the telephone system.")
    thanked: Name | None = omit_default(None, "Person whom the thanks (表扬) are for; only with that service.")

    @field_validator("thanked")
    @classmethod
    def _of_thanks(cls, thanked: str | None, info: ValidationInfo) -> str | None:
        if thanked is not None and info.data.get("service_code", THANKS_SERVICE) != THANKS_SERVICE:
            raise PydanticCustomError("only_of_thanks", "Only with the service_code thanks; leave it out otherwise")
        return thanked

    def without(self, fields: Collection[str]) -> Self:
        """Leave out these facts of caller and location, for example `caller.name`."""
        changed = {}
        for part in ("caller", "location"):
            names = [each.removeprefix(f"{part}.") for each in fields if each.startswith(f"{part}.")]
            changed[part] = getattr(self, part).model_copy(update=dict.fromkeys(names))
        return self.model_copy(update=changed)

    def filled_in(self, contact: Contact) -> tuple[Self, tuple[str, ...]]:
        """Take the contact where the caller said nothing; return the names of the fields that it fills in as well.

        The place is filled in as a whole: who names another district, or coordinates, does not speak of home.
        """
        caller, place = self.caller, self.location
        known: dict[str, str] = {name: value for name, value in contact._asdict().items() if value}
        at_home = (place.address, place.lat, place.lng) == (None,) * 3 and place.district in (None, contact.district)
        unsaid = [name for name in Caller.model_fields if getattr(caller, name) is None]
        to_caller = {name: known[name] for name in unsaid if name in known}
        unsaid = ["address"] if place.district else ["district", "address"]
        to_place = {name: known[name] for name in unsaid if name in known and at_home}
        changed = {"caller": caller.model_copy(update=to_caller), "location": place.model_copy(update=to_place)}
        filled = (*(f"caller.{name}" for name in to_caller), *(f"location.{name}" for name in to_place))
        return self.model_copy(update=changed), filled


class IntakeFacts(Immutable):
    """Facts of an intake that may be corrected, all of them as they are now; the priority only if given by hand."""

    service_code: ServiceCode
    caller: Caller
    location: Location
    priority: Priority | None = omit_default(None)

    def of(self, intake: Intake) -> Intake:
        """Only thanks (表扬) name a person thanked."""
        thanked = intake.thanked if self.service_code == THANKS_SERVICE else None
        facts = {"service_code": self.service_code, "caller": self.caller, "location": self.location}
        return intake.model_copy(update={**facts, "thanked": thanked})


class IntakeFlag(StrEnum):
    """Flag of a caller, by the registry and earlier cases, raised during the call."""

    HARDSHIP = "hardship"
    REPEAT_CALLER = "repeat_caller"
    POSSIBLE_DUPLICATE = "possible_duplicate"
