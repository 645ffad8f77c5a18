"""The norms that a catalogue is made of, as an operator writes them: every figure with its source beside it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from domain.catalogue.terms import CLOCKS, CalendarKind, ClockName, CustomerClass, EscalationStep, Priority, Starts
from domain.shared.codes import Coded
from domain.shared.value import Money, PositiveMoney, Value, exhaustive, omit_default

DistrictZone = Literal["town", "outskirts"]

UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}


def by_code(table: object) -> object:
    """Turn a table keyed by code, as it is written, into a list of entries with their codes."""
    if not isinstance(table, Mapping):
        return table
    return tuple({"code": code, **body} if isinstance(body, Mapping) else body for code, body in table.items())


def known(kind: str) -> AfterValidator:
    """Check that a code exists in section `kind` of the catalogue; checked where the sections are known."""

    def check(code: str, info: ValidationInfo) -> str:
        accepted = (info.context or {}).get(kind)
        if accepted is not None and code not in accepted:
            raise ValueError(f"{code!r} is not in {kind}; accepted: {', '.join(accepted)}")
        return code

    return AfterValidator(check)


Sources = Annotated[
    tuple[Annotated[str, known("sources")], ...],
    BeforeValidator(lambda source: (source,) if isinstance(source, str) else source),
    Field(min_length=1, description="a letter of [sources], or a list of them"),
]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Whole = Annotated[int, Field(ge=0, strict=True)]


class Sourced(Value):
    """Norm, and where it comes from."""

    source: Sources


class Count(Sourced):
    """A number of times."""

    count: Whole


class Tries(Count):
    """A number of times, at least once."""

    count: Annotated[int, Field(gt=0, strict=True)]


class Share(Sourced):
    """A part of the whole, in percent."""

    percent: Annotated[float, Field(gt=0, le=100, strict=True)]


class WorkingDays(Sourced):
    """A number of working days (工作日)."""

    working_days: Whole
    when: str = ""


class Duration(Value):
    """A time in exactly one unit; a working day is worth what the calendar says."""

    seconds: Positive | None = None
    minutes: Positive | None = None
    hours: Positive | None = None
    days: Positive | None = None
    working_days: Positive | None = None
    source: Sources
    when: str = Field("", description="in which case, if not in every one")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        self.check_units()
        return self

    def check_units(self) -> None:
        if len(self.units()) != 1:
            raise ValueError(f"say exactly one of {', '.join((*UNIT_SECONDS, 'working_days'))}")

    def units(self) -> dict[str, float]:
        values = {unit: getattr(self, unit) for unit in (*UNIT_SECONDS, "working_days")}
        return {unit: value for unit, value in values.items() if value is not None}

    def in_seconds(self, day_seconds: int) -> float:
        """Count a working day as `day_seconds`; return 0 if no time is given."""
        return sum(value * UNIT_SECONDS.get(unit, day_seconds) for unit, value in self.units().items())

    def calendar_kind(self) -> CalendarKind:
        return "always" if self.working_days is None else "working"


class ClockNorm(Duration):
    """A clock of a service. `in_call` means that it is done before the caller hangs up: no clock is needed."""

    in_call: bool = Field(False, description="done before the caller hangs up; then there is no time")
    outskirts_minutes: Positive | None = Field(None, description="for the outskirts")
    calendar: CalendarKind | None = Field(None, description="working days: working; all else: always")
    starts: Starts | None = Field(None, description="from when it runs, if not as usual")
    also: tuple[Duration, ...] = Field((), description="figures of others, for comparison")

    def calendar_kind(self) -> CalendarKind:
        return self.calendar or super().calendar_kind()

    def seconds_in(self, zone: DistrictZone, day_seconds: int) -> float:
        if zone == "outskirts" and self.outskirts_minutes is not None:
            return self.outskirts_minutes * 60
        return self.in_seconds(day_seconds)

    def check_units(self) -> None:
        if self.in_call and self.units():
            raise ValueError("in_call means without a clock: leave the time out")
        if self.working_days is not None and self.calendar == "always":
            raise ValueError("calendar 'always' does not know working_days; accepted: working")
        if not self.in_call:
            super().check_units()


class Department(Coded):
    """Department (部门) that does the work."""


class Group(Coded):
    """Kind of call, as the company counts them, as repair (报修) or complaint (投诉)."""


class District(Sourced, Coded):
    """Part of the city; the outskirts are reached later than the town."""

    zone: DistrictZone = Field(description="town or outskirts")
    population: int | None = omit_default(None, "inhabitants; without it, reports have no rate", gt=0)


class Service(Coded):
    """Kind of complaint, with its clocks; an absent clock is not promised."""

    group: Annotated[str, known("groups")] = Field(description="a code of [groups]")
    priority: Priority = Field(description="P1 (most urgent) to P5")
    department: Annotated[str, known("departments")] = Field(description="a code of [departments]")
    answer_needs_follow_up: bool = Field(description="a direct answer (直接答复) is followed up", strict=True)
    needs_approval: bool = Field(False, description="management decides (报批) before completion", strict=True)
    acknowledge: ClockNorm | None = None
    arrive: ClockNorm | None = None
    resolve: ClockNorm | None = None
    reply: ClockNorm | None = None
    follow_up: ClockNorm | None = None

    @property
    def is_answered_in_call(self) -> bool:
        """True if the caller is to be answered before they hang up (直接答复), so that no department waits for it."""
        return self.acknowledge is not None and self.acknowledge.in_call

    def norm_of(self, clock: ClockName) -> ClockNorm | None:
        norm: ClockNorm | None = getattr(self, clock)
        return norm


exhaustive("Service of domain.catalogue.norms", CLOCKS, Service.model_fields)


class EscalationStepNorm(Sourced, EscalationStep):
    """An escalation step, and where it comes from."""


class Post(Sourced, Coded):
    """Post of the organisation chart (组织架构)."""

    recipient: Literal["lead", "director", "general_manager"] = Field(description="what the ladder calls it")
    departments: tuple[Annotated[str, known("departments")], ...] = Field(
        (), description="codes of [departments]; the general manager has all"
    )
    holder: str | None = Field(None, min_length=1, description="id of a person; without it, nobody")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.departments) is (self.recipient == "general_manager"):
            wanted = "leave departments out" if self.departments else "departments: at least one code of [departments]"
            raise ValueError(f"{self.recipient}: {wanted}")
        return self


class ApproverNorm(Sourced):
    """Post that decides (审批) up to an amount; above it, the next one does as well, in turn."""

    post: str = Field(min_length=1, description="its name, in Chinese and English")
    holder: str | None = Field(None, description="id of a person; without it, any manager")
    deputy: str | None = Field(None, description="decides as well once the time has lapsed")
    up_to: Money = Field(description='as a text: "1000.00"')
    within: Duration


class SurgeNorm(Sourced):
    """Rule by which cases of a service and district are suspected to have one cause (突发事件预警)."""

    services: Annotated[tuple[Annotated[str, known("services")], ...], Field(min_length=1)] = Field(
        description="codes of [services], each counted for itself"
    )
    more_than: Annotated[int, Field(gt=0, strict=True)] = Field(description="cases, none of them linked yet")
    within: Duration
    follow_up_percent: Annotated[int, Field(ge=0, le=100, strict=True)] = Field(
        100, description="of its callers are asked how it went; below 100, a sample"
    )


Amount = Annotated[PositiveMoney, Field(description='as a text: "50.00"')]


class FindingNorm(Coded):
    """Finding (查实事项) that a department may state when it completes; a credit may be owed for it."""


class FurtherNorm(Duration):
    """Amount for each further period of this length with the promise still not kept."""

    amount: Amount


class CreditNorm(Sourced):
    """Credit (自动补偿) for a missed promise of a service, or for a finding."""

    name: str = Field(min_length=1, description="the English name")
    name_zh: str = Field(min_length=1, description="the Chinese name")
    service: Annotated[str, known("services")] | None = Field(
        None, description="a code of [services]; without it, every service, for a finding"
    )
    clock: ClockName | None = None
    finding: Annotated[str, known("findings")] | None = omit_default(None, "a code of [findings], not a clock")
    amount: Amount | None = Field(None, description='as a text: "50.00"; or say gap')
    gap: str | None = omit_default(
        None, "what was not found, instead of an amount; nothing is credited until one is given", min_length=1
    )
    business: Amount | None = omit_default(None, "amount for a business, if it differs")
    each_further: FurtherNorm | None = None
    at_most: Amount | None = Field(None, description="for one case")
    at_most_in: Duration | None = omit_default(None, "time in which `at_most` counts for an account, not for a case")
    paid_by: Annotated[str, known("departments")] | None = omit_default(
        None, "a code of [departments]: pays it, and is notified of its approval"
    )
    note: str | None = omit_default(None, "what the approver has to check, in English and Chinese", min_length=1)

    @property
    def most(self) -> Decimal:
        """The most that is asked for at once; 0 where the amount is unknown."""
        further = self.each_further.amount if self.each_further else None
        return max((amount for amount in (self.amount, self.business, further) if amount), default=Decimal(0))

    @model_validator(mode="before")
    @classmethod
    def _by_class(cls, credit: object) -> object:
        """Accept an amount that is written as a table by class of customers."""
        amount = credit.get("amount") if isinstance(credit, Mapping) else None
        if not isinstance(credit, Mapping) or not isinstance(amount, Mapping):
            return credit
        if amount.keys() != {*get_args(CustomerClass)}:
            raise ValueError(f"amount: accepted: a text, or a table of {' and '.join(get_args(CustomerClass))}")
        return {**credit, "amount": amount["household"], "business": amount["business"]}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.clock is None) is (self.finding is None):
            raise ValueError("say exactly one of clock, finding")
        if (self.amount is None) is (self.gap is None):
            raise ValueError('say exactly one of amount (as a text: "50.00"), gap (what was not found)')
        if self.clock and not self.service:
            raise ValueError("service is missing: a clock is one of a service")
        if self.finding and self.each_further:
            raise ValueError("each_further is of a clock; a finding is credited each time")
        if self.at_most_in and not self.at_most:
            raise ValueError("at_most_in is the time of an at_most: name that as well")
        return self


def check_credits(norms: tuple[CreditNorm, ...], info: ValidationInfo) -> tuple[CreditNorm, ...]:
    """Raise ValueError if a credit can never be raised or approved, or cannot be told from another."""
    services: dict[str, Service] = {service.code: service for service in info.data.get("services", ())}
    approvers: Sequence[ApproverNorm] = info.data.get("approvers", ())
    for credit in norms:
        service = services.get(credit.service or "")
        norm = service.norm_of(credit.clock) if service and credit.clock else None
        if service and credit.clock and (norm is None or norm.in_call):
            raise ValueError(f"{credit.service} promises no {credit.clock}: nothing can be missed")
        if approvers and credit.most > approvers[-1].up_to:
            raise ValueError(f"{credit.most} is more than the last approver's up_to, {approvers[-1].up_to}")
    for code in services:
        names = [credit.name for credit in norms if credit.service in (code, None)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{code} has two credits named {twice!r}; accepted: a name for each")
    return norms


class ProcessNorms(Value):
    """Rules of the chain."""

    follow_up_attempts: Tries
    reopen: Duration
    extension_max: WorkingDays
    extension_notice: WorkingDays
    extensions_allowed: Count
    return_within: WorkingDays
    supervise_after: Count
    urge_notice_after: Duration
    criticism_when_late: WorkingDays


class PhoneNorms(Value):
    """Targets for answering the telephone, for reports."""

    answer_within: Duration
    connected: Share
    answered_in_time: Share
