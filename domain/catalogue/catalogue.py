"""The catalogue: what the company promises for each kind of complaint, by whom and by when, and who hears of delay.

Beside it stand the differences between two catalogues, for the person who puts one in force.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from domain.calendar.work_calendar import WorkCalendar
from domain.catalogue import norms
from domain.catalogue.figures import AssessmentNorms, Criterion, GivenPoints, Grade, Ground, Standard, Subject, Weight
from domain.catalogue.norms import ClockNorm, Count, Duration, Share, WorkingDays
from domain.catalogue.terms import (
    CLOCKS,
    MISS,
    USUAL_CURRENCY,
    Approver,
    Credit,
    EscalationStep,
    Exemption,
    Organisation,
    Process,
    Promise,
    Terms,
    Unit,
    UrgingRules,
)
from domain.incident.state import SurgeRule
from domain.shared.codes import Coded, CodeKind, code_of, entry_of
from domain.shared.value import Value, omit_default

HORIZON = timedelta(days=400)
"""Time after its registration for which a case knows the holidays."""

WARN_BEFORE = timedelta(days=90)
"""Time before the end of the known holidays at which the operator is warned; new ones are published in it."""


class CalendarEnd(NamedTuple):
    """End of the known holidays, which is near or has passed: days left (negative after it), detail and remedy."""

    days_left: int
    detail: str
    remedy: str


def _climbing(ladder: tuple[norms.EscalationStepNorm, ...]) -> tuple[norms.EscalationStepNorm, ...]:
    percents = [step.percent for step in ladder]
    # A ladder without it would miss promises in silence.
    if any(low >= high for low, high in pairwise(percents)) or MISS not in percents:
        raise ValueError(f"percent must rise from step to step, {MISS} among them, not {percents}")
    return ladder


def _rising(approvers: tuple[norms.ApproverNorm, ...]) -> tuple[norms.ApproverNorm, ...]:
    amounts = [norm.up_to for norm in approvers]
    if any(low >= high for low, high in pairwise(amounts)):
        raise ValueError(f"up_to must rise from approver to approver, not {', '.join(map(str, amounts))}")
    for place, norm in enumerate(approvers, start=1):
        persons = {norm.holder, norm.deputy} - {None}
        # Nobody has two words on one request: it would wait for ever for the second.
        twice = next((later for later in approvers[place:] if later.holder in persons), None)
        if twice or (norm.deputy and norm.deputy == norm.holder):
            other = f"holds {twice.post}" if twice else "is the holder's deputy"
            name = twice.holder if twice else norm.deputy
            raise ValueError(f"{name} may decide as {norm.post} and {other}; accepted: a person for each turn")
    return approvers


def _one_each(posts: tuple[norms.Post, ...]) -> tuple[norms.Post, ...]:
    held = Counter((post.recipient, code) for post in posts for code in post.departments or ("the company",))
    if twice := [f"{code} has {times} posts of {recipient}" for (recipient, code), times in held.items() if times > 1]:
        raise ValueError(f"{'; '.join(twice)}; accepted: one")
    return posts


class Catalogue(Value):
    """The whole of it. Sections with codes (`services`, `departments` ...) may be given as tables keyed by code."""

    calendar_file: str = Field("", description="The file whose [calendar] it is, for those who must amend it.")
    name: str = Field(min_length=1, description="the English name")
    name_zh: str = Field(min_length=1, description="the Chinese name")
    time_scale: float = Field(1, gt=0, allow_inf_nan=False, description="so many seconds pass in one, for demos")
    least_budget_seconds: int = Field(1, gt=0, description="no budget is shorter, however time is scaled")
    sources: dict[str, str] = Field(min_length=1, description="letters of sources, and what they stand for")
    groups: Annotated[tuple[norms.Group, ...], BeforeValidator(norms.by_code), Field(min_length=1)]
    departments: Annotated[tuple[norms.Department, ...], BeforeValidator(norms.by_code), Field(min_length=1)]
    districts: Annotated[tuple[norms.District, ...], BeforeValidator(norms.by_code), Field(min_length=1)]
    services: Annotated[tuple[norms.Service, ...], BeforeValidator(norms.by_code), Field(min_length=1)]
    ladder: Annotated[tuple[norms.EscalationStepNorm, ...], AfterValidator(_climbing)]
    process: norms.ProcessNorms
    approvers: Annotated[tuple[norms.ApproverNorm, ...], AfterValidator(_rising)] = ()
    surges: tuple[norms.SurgeNorm, ...] = ()
    organisation: Annotated[tuple[norms.Post, ...], BeforeValidator(norms.by_code), AfterValidator(_one_each)] = ()
    findings: Annotated[tuple[norms.FindingNorm, ...], BeforeValidator(norms.by_code)] = omit_default(())
    exemptions: Annotated[tuple[Exemption, ...], BeforeValidator(norms.by_code)] = omit_default(())
    credits: Annotated[tuple[norms.CreditNorm, ...], AfterValidator(norms.check_credits)] = ()
    currency: str = Field(USUAL_CURRENCY, pattern=r"^[A-Z]{3}$", description="of every amount, by ISO 4217")
    hotline: str = omit_default("", "the number that callers dial, in messages", max_length=40)
    area_code: str = omit_default(
        "",
        'before a local telephone number of seven or eight digits: "0760"',
        pattern=r"^(0[0-9]{2,3})?$",
    )
    phone: norms.PhoneNorms | None = None
    assessment: AssessmentNorms | None = omit_default(None)
    calendar: WorkCalendar

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Build it from its sections; a code or source letter that is used must exist. Raises ValidationError."""
        sections = ("sources", "groups", "departments", "services", "findings")
        data = {"findings": {}, **data}
        context = {name: tuple(data[name]) for name in sections if isinstance(data.get(name), Mapping)}
        return cls.model_validate(data, context=context)

    @property
    def reopen_seconds(self) -> int:
        return self._process().reopen_seconds

    def service(self, code: str) -> norms.Service:
        """Find a service by its code. Raises UnknownCode."""
        return entry_of("service", self.services, code)

    def district(self, code: str) -> norms.District:
        """Find a district by its code. Raises UnknownCode."""
        return entry_of("district", self.districts, code)

    def department(self, code: str) -> norms.Department:
        """Find a department by its code. Raises UnknownCode."""
        return entry_of("department", self.departments, code)

    def code(self, kind: CodeKind, given: str) -> str:
        """Accept a code or a name. Raises UnknownCode."""
        entries: Sequence[Coded] = getattr(self, f"{kind}s")
        return code_of(kind, entries, given)

    def promises(self, service_code: str, district: str | None) -> tuple[Promise, ...]:
        """Count an unknown place as town, the stricter promise."""
        service = self.service(service_code)
        zone: norms.DistrictZone = self.district(district).zone if district is not None else "town"
        clock_norms = ((clock, service.norm_of(clock)) for clock in CLOCKS)
        return tuple(
            Promise(
                name=clock,
                calendar=norm.calendar_kind(),
                budget_seconds=self._scaled(norm.seconds_in(zone, self.calendar.day_seconds)),
                starts=norm.starts or CLOCKS[clock].starts,
            )
            for clock, norm in clock_norms
            if norm and not norm.in_call
        )

    def terms(self, service_code: str, district: str | None, at: datetime) -> Terms:
        """For a case registered at `at` (UTC). Raises UnknownCode."""
        service = self.service(service_code)
        return Terms.taken_from(
            service,
            service_code=service.code,
            district=Coded.taken_from(self.district(district)) if district is not None else None,
            promises=self.promises(service_code, district),
            ladder=tuple(EscalationStep(percent=step.percent, notify=step.notify) for step in self.ladder),
            process=self._process(),
            approvers=tuple(map(self._approver, self.approvers)),
            organisation=self._chart(),
            findings=tuple(finding.code for finding in self.findings),
            credits=self.credits_of(service.code),
            exemptions=self.exemptions,
            currency=self.currency,
            calendar=self._slice(at),
        )

    def surge_rules(self) -> tuple[SurgeRule, ...]:
        return tuple(
            SurgeRule.taken_from(norm, window_seconds=self._seconds(norm.within), timezone=self.calendar.timezone)
            for norm in self.surges
        )

    def credits_of(self, service_code: str) -> tuple[Credit, ...]:
        return tuple(self._credit(norm) for norm in self.credits if norm.service in (service_code, None))

    def subjects(self, by: Subject) -> Mapping[str, tuple[str, str]] | None:
        """English and Chinese names by code; None if the subjects of this kind are people."""
        if by in {Subject.AGENT, Subject.CREW}:
            return None
        if by is Subject.COMPANY:
            return {by.value: (self.name, self.name_zh)}
        coded = {Subject.DEPARTMENT: self.departments, Subject.SERVICE: self.services, Subject.DISTRICT: self.districts}
        return {each.code: (each.name, each.name_zh) for each in coded[by]}

    def standard(self, at: datetime) -> Standard | None:
        """For an assessment that begins at `at` (UTC); None if the catalogue has no [assessment]."""
        assessment = self.assessment
        if assessment is None:
            return None

        def worth(norm: norms.WorkingDays) -> int:
            return self._scaled(norm.working_days * self.calendar.day_seconds) if norm.working_days else 0

        return Standard(
            inspection_seconds=worth(assessment.inspections),
            objection_seconds=worth(assessment.objections),
            decision_seconds=worth(assessment.decisions),
            rungs=tuple(step.percent for step in self.ladder),
            weights=tuple(Weight.taken_from(each) for each in assessment.weights),
            grades=tuple(Grade.taken_from(each) for each in assessment.grades),
            grounds=tuple(Ground.taken_from(each) for each in assessment.grounds),
            form=tuple(Criterion.taken_from(each) for each in assessment.form),
            sample_per_agent=assessment.sample_per_agent.count,
            given=tuple(GivenPoints.taken_from(each) for each in assessment.given),
            currency=self.currency,
            calendar=self._slice(at),
        )

    def gaps(self) -> tuple[str, ...]:
        """Tell the operator of each unknown amount: what is missing, and where to write it."""
        return tuple(
            f"[[credits]] {norm.name!r}: the amount is unknown, and nothing is credited. {norm.gap}"
            ' Replace gap by amount (a text such as "12.50"), then run `hotline catalogue apply`.'
            for norm in self.credits
            if norm.gap
        )

    def calendar_end(self, today: date) -> CalendarEnd | None:
        """None unless the known holidays end within 90 days or have ended."""
        end = self.calendar.covers_until
        if end - today > WARN_BEFORE:
            return None
        left = (end - today).days
        state = f"{left} days from now" if left >= 0 else f"{-left} days ago"
        then = (
            f"From {end + timedelta(days=1)} to {expected} weekends and the holidays fixed by law are expected."
            if (expected := self.calendar.expected_until)
            else "After that weekly hours alone apply, and working-day promises fall due on wrong days."
        )
        return CalendarEnd(
            left,
            f"The holidays and make-up working days (节假日, 调休) of the calendar {self.calendar.name!r}"
            f" are published until {end}, {state}. {then}",
            f"Fill in [calendar.override.{end.year + 1}] (off, on) in {self.calendar_file},"
            " or, for China, install a newer chinesecalendar; then run `hotline catalogue apply`.",
        )

    def _process(self) -> Process:
        rules = self.process
        return Process(
            follow_up_attempts=rules.follow_up_attempts.count,
            reopen_seconds=self._seconds(rules.reopen),
            extension_max_days=rules.extension_max.working_days,
            extension_notice_days=rules.extension_notice.working_days,
            extensions_allowed=rules.extensions_allowed.count,
            return_within_days=rules.return_within.working_days,
            supervise_after=rules.supervise_after.count,
            urging=UrgingRules(
                notice_seconds=self._seconds(rules.urge_notice_after),
                calendar=rules.urge_notice_after.calendar_kind(),
                criticism_days=rules.criticism_when_late.working_days,
            ),
        )

    def _approver(self, norm: norms.ApproverNorm) -> Approver:
        within = norm.within
        return Approver.taken_from(norm, calendar=within.calendar_kind(), budget_seconds=self._seconds(within))

    def _chart(self) -> Organisation:
        holders = {(post.recipient, code): post.holder for post in self.organisation for code in post.departments}
        units = (
            Unit.taken_from(
                department,
                lead=holders.get(("lead", department.code)),
                director=holders.get(("director", department.code)),
            )
            for department in self.departments
        )
        heads = (post.holder for post in self.organisation if post.recipient == "general_manager")
        return Organisation.taken_from(self, units=tuple(units), general_manager=next(heads, None))

    def _credit(self, norm: norms.CreditNorm) -> Credit:
        further = norm.each_further
        return Credit.taken_from(
            norm,
            each_further=further.amount if further else None,
            every_seconds=self._seconds(further) if further else None,
            at_most_seconds=self._seconds(norm.at_most_in) if norm.at_most_in else None,
        )

    def _slice(self, at: datetime) -> WorkCalendar:
        start = self.calendar.local_date(at) - timedelta(days=1)
        window = self.calendar.window(start, start + HORIZON + timedelta(days=1))
        return window.model_copy(update={"day_seconds": max(1, ceil(self.calendar.day_seconds / self.time_scale))})

    def _seconds(self, duration: norms.Duration) -> int:
        return self._scaled(duration.in_seconds(self.calendar.day_seconds))

    def _scaled(self, seconds: float) -> int:
        # Rounded first, so that a figure like 0.1 hours does not gain a second from binary fractions.
        return max(self.least_budget_seconds, ceil(round(seconds / self.time_scale, 6)))


_NOT_COMPARED = frozenset({"source", "sources", "also", "when", "calendar_file", "code", "offsets"})
"""Fields that are not compared: sources change nothing, and time zone rules are not the company's."""
MOST_DAYS_NAMED = 30
_FIGURES = (Duration, Count, Share, WorkingDays)
"""Values that are compared as a whole."""


def changes(old: Catalogue, new: Catalogue) -> list[str]:
    """As `where: before → after`, in the order of the file; empty where no difference counts."""
    return list(_differences("", old, new))


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a catalogue
    if old == new:
        return
    items = (*old, *new) if isinstance(old, tuple) and isinstance(new, tuple) else ()
    if items and all(isinstance(item, Coded) for item in items):
        yield from _of_coded(path, {each.code: each for each in old}, {each.code: each for each in new})
    elif items and all(isinstance(item, date) for item in items):
        yield from _of_days(path, sorted({*new} - {*old}), "new")
        yield from _of_days(path, sorted({*old} - {*new}), "gone")
    elif isinstance(old, BaseModel) and type(old) is type(new) and not isinstance(old, _FIGURES):
        for name in type(old).model_fields:
            if name not in _NOT_COMPARED:
                yield from _differences(f"{path}.{name}".lstrip("."), getattr(old, name), getattr(new, name))
    elif (before := _in_words(old)) != (after := _in_words(new)):
        yield f"{path}: {before} → {after}"


def _of_coded(path: str, old: dict[str, Coded], new: dict[str, Coded]) -> Iterator[str]:
    for code in (*old, *(code for code in new if code not in old)):
        if code not in new:
            yield f"{path}.{code}: is gone ({old[code].name} {old[code].name_zh})"
        elif code not in old:
            yield f"{path}.{code}: is new ({new[code].name} {new[code].name_zh})"
        else:
            yield from _differences(f"{path}.{code}", old[code], new[code])


def _of_days(path: str, days: Sequence[date], what: str) -> Iterator[str]:
    if days:
        named = (
            ", ".join(map(str, days)) if len(days) <= MOST_DAYS_NAMED else f"{len(days)} days, {days[0]} to {days[-1]}"
        )
        yield f"{path}: {what}: {named}"


def _in_words(value: Any) -> str:  # noqa: ANN401 - as above
    match value:
        case None:
            words = "-"
        case Count():
            words = str(value.count)
        case Share():
            words = f"{value.percent:g} %"
        case WorkingDays():
            words = f"{value.working_days} working days"
        case Duration():
            words = _duration_in_words(value)
        case BaseModel():
            fields = ((name, getattr(value, name)) for name in type(value).model_fields if name not in _NOT_COMPARED)
            words = ", ".join(f"{name} {_in_words(each)}" for name, each in fields if each not in (None, ()))
        case int(opens), int(closes):
            words = "-".join(f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (opens, closes))
        case tuple():
            words = "; ".join(map(_in_words, value)) or "-"
        case _:
            words = str(value)
    return words


def _duration_in_words(value: Duration) -> str:
    words = ", ".join(f"{amount:g} {unit.replace('_', ' ')}" for unit, amount in value.units().items())
    if not isinstance(value, ClockNorm):
        return words
    if value.in_call:
        return "in the call"
    extra = [f"outskirts {value.outskirts_minutes:g} minutes"] if value.outskirts_minutes else []
    extra += ["working time"] if value.calendar == "working" else []
    extra += [f"from the {value.starts}"] if value.starts else []
    return ", ".join([words, *extra])
