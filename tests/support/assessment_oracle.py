"""Oracle of a month's assessment: the rules of docs/assessment.md by brute force, on the state of a case after each event.

It has nothing in common with the program that it checks but the case itself and the catalogue.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import NamedTuple

from domain.assessment.assessment import Assessment
from domain.case.actions.follow_up import FollowedUp
from domain.case.case import Case
from domain.case.clocks import APPROVE, ClockStatus
from domain.case.events import Event
from domain.case.kinds import evolve
from domain.case.lifecycle import State
from domain.case.satisfaction import SATISFIED
from domain.catalogue.figures import FIGURES, Figure, Kind, Subject, Unit
from readmodel.assessment.exclusions import Exclusion
from readmodel.assessment.months import GivenValue

Whose = Mapping[Subject, str | None]
PROMISES = {
    "acknowledge": Kind.ACKNOWLEDGE,
    "arrive": Kind.ARRIVE,
    "resolve": Kind.RESOLVE,
    "reply": Kind.REPLY,
    "follow_up": Kind.FOLLOW_UP,
}
FIRST_OF_A_CASE = {"reopen": Kind.REOPENED, "urge": Kind.URGED, "decide_extension": Kind.EXTENDED}
FIRST: dict[Kind, Subject | None] = {
    Kind.RECEIVED: Subject.DEPARTMENT,
    Kind.RETURNED: Subject.DEPARTMENT,
    Kind.SIGNED_FOR: Subject.CREW,
    **dict.fromkeys(FIRST_OF_A_CASE.values()),
}
"""Kinds of which a case has one entry in a month, for each of these subjects; None: one altogether."""
STAYS = {Kind.REGISTERED, Kind.RECEIVED, Kind.SIGNED_FOR, Kind.THANKS, Kind.MONEY, Kind.INSPECTED}
"""Kinds that an excluded case stays in."""


@dataclass(frozen=True)
class Counted:
    """Something that counts: of which case, when, for whom, in favour or not, and how much."""

    kind: Kind
    number: str
    at: datetime
    whose: Whose
    counts: bool = True
    amount: Fraction | None = None


class Step(NamedTuple):
    """Event of a case, and the case before and after it."""

    event: Event
    before: Case | None
    after: Case

    def whose(self, part: int | None = None) -> dict[Subject, str | None]:
        """Return those who have the case, or this part of it, right after the event."""
        case = self.after
        holder = case.parts[part - 1] if part else case
        return {
            Subject.AGENT: case.owner,
            Subject.CREW: holder.assignee,
            Subject.DEPARTMENT: holder.department,
            Subject.SERVICE: case.intake.service_code,
            Subject.DISTRICT: case.intake.location.district,
        }

    def counted(self, kind: Kind, part: int | None = None, *, counts: bool = True) -> Counted:
        """Return what the event counts for those who have the case, or this part of it."""
        return Counted(kind, self.after.number, self.event.at, self.whose(part), counts)

    @property
    def part(self) -> int | None:
        """Part that the event is about; None for the case itself."""
        return getattr(self.event.data, "part", None)


def steps(events: Iterable[Event]) -> Iterator[Step]:
    """Yield the case event by event."""
    case: Case | None = None
    for event in events:
        before = case and case.model_copy()
        if case is None:
            case = Case.fold([event])
        else:
            evolve(case, event)
        yield Step(event, before, case.model_copy())


def _work(step: Step) -> Iterator[Counted]:
    """Yield registrations, dispatches, parts and signatures, and what went wrong with them."""
    match step.event.action:
        case "register":
            yield step.counted(Kind.REGISTERED)
            if thanked := step.after.intake.thanked:
                yield _for_whom_is_thanked(step.counted(Kind.THANKS), thanked)
        case "dispatch" | "involve":
            yield step.counted(Kind.RECEIVED, step.part)
        case "sign_for":
            yield step.counted(Kind.SIGNED_FOR, step.part)
        case "return":
            yield step.counted(Kind.RETURNED, step.part)
        case "reopen" | "urge" | "decide_extension" if getattr(step.event.data, "approved", True):
            yield step.counted(FIRST_OF_A_CASE[step.event.action])


def _for_whom_is_thanked(thanks: Counted, person: str) -> Counted:
    return replace(thanks, whose={**thanks.whose, Subject.AGENT: person, Subject.CREW: person})


def _promises(step: Step) -> Iterator[Counted]:
    """Yield the promises that are judged at the event, as their clocks tell."""
    before = {clock.serial: clock.status for clock in step.before.clocks} if step.before else {}
    told = step.event.action in ("reply", "answer")
    for clock in step.after.clocks:
        changed = clock.status is not before.get(clock.serial)
        if clock.name == APPROVE:
            continue
        kind, part = PROMISES[clock.name], clock.part or None
        if clock.status is ClockStatus.MISSED and changed:
            yield step.counted(kind, part, counts=False)
        elif clock.status is ClockStatus.MET and clock.name != "resolve" and changed:
            yield step.counted(kind, part)
        elif clock.status is ClockStatus.MET and clock.name == "resolve" and told and clock.cycle == step.event.cycle:
            yield step.counted(kind, part)


def _answers(step: Step) -> Iterator[Counted]:
    """Yield what the caller said at the end of the follow-up of a cycle."""
    if step.event.action != "follow_up" or step.after.state is State.PENDING_FOLLOW_UP:
        return
    if step.after.state is State.DISPATCHED:
        yield step.counted(Kind.REWORKED)
    said = step.event.data
    assert isinstance(said, FollowedUp)
    reached = said.outcome != "unreachable"
    yield step.counted(Kind.CONTACTED, counts=reached)
    if not reached:
        return
    if said.solved is not None:
        yield step.counted(Kind.SOLVED, counts=said.solved)
    satisfied = said.outcome == "satisfied" if said.satisfaction is None else said.satisfaction in SATISFIED
    yield step.counted(Kind.SATISFIED, counts=satisfied)


def _money(step: Step) -> Iterator[Counted]:
    """Yield amounts that were approved for good."""
    before = step.before.decisions if step.before else ()
    for decided in step.after.decisions[len(before) :]:
        if decided.approved and decided.amount is not None:
            yield replace(step.counted(Kind.MONEY), amount=Fraction(decided.amount))


RULES: tuple[Callable[[Step], Iterator[Counted]], ...] = (_work, _promises, _answers, _money)


def counted_in(cases: Iterable[Sequence[Event]], month: Assessment) -> list[Counted]:
    """Return everything that counts in a month, of the events of each case and of its inspections."""
    found = [
        Counted(Kind.INSPECTED, each.complaint, month.until, {Subject.AGENT: each.agent}, amount=Fraction(each.points))
        for each in month.inspections
    ]
    for events in cases:
        there = set[tuple[Kind, str | None]]()
        for step in steps(events):
            if not month.since <= step.event.at < month.until:
                continue
            for each in (counted for rule in RULES for counted in rule(step)):
                by = FIRST.get(each.kind)
                key = each.kind, each.whose[by] if by else None
                if each.kind not in FIRST or key not in there:
                    found.append(each)
                there.add(key)
    return found


@dataclass
class Figures:
    """Value of a figure of one subject, its parts, and how many entries were left out."""

    value: Fraction | None = None
    numerator: int | None = None
    denominator: int | None = None
    excluded: int = 0


@dataclass
class Result:
    """Figures of a subject by name, its score and grade, and the figures that are left out of the score."""

    figures: dict[str, Figures]
    score: Decimal | None
    grade: str | None
    left_out: dict[str, str]


class Oracle:
    """Results of a month, from everything that counts in it."""

    def __init__(
        self,
        month: Assessment,
        counted: Iterable[Counted],
        exclusions: Iterable[Exclusion],
        given: Iterable[GivenValue],
        as_of: datetime,
    ) -> None:
        self._month = month
        self._of = defaultdict[tuple[Subject, str, Kind], list[Counted]](list)
        for each in counted:
            for by, subject in (*each.whose.items(), (Subject.COMPANY, "company")):
                if subject is not None:
                    self._of[by, subject, each.kind].append(each)
        self._excluded = {each.number for each in exclusions if each.approved and _until(each.decided_at, as_of)}
        self._given = {(each.by, each.subject, each.figure): each for each in given}
        accepted = [each for each in month.objections if each.accepted]
        self._objected = {(each.figure, each.complaint) for each in accepted if each.complaint}
        self._left_out = {(each.by, each.subject, each.figure) for each in accepted if each.complaint is None}

    def subjects(self) -> set[tuple[Subject, str]]:
        """Return everybody and everything of whom something counts."""
        return {(by, subject) for by, subject, _ in self._of} | {(Subject(by), who) for by, who, _ in self._given}

    def behind(self, by: Subject, subject: str, kind: Kind) -> list[Counted]:
        """Return what counts behind a number."""
        return self._of.get((by, subject, kind), [])

    def is_left_out(self, each: Counted, figure: Figure) -> bool:
        """Return True if an exclusion or an accepted objection leaves it out of the figure."""
        excluded = each.number in self._excluded and each.kind not in STAYS
        return excluded or (figure.name, each.number) in self._objected

    def result(self, by: Subject, subject: str) -> Result:
        """Return the figures of a subject, and the score of those that have a weight."""
        figures = {figure.name: self._figure(figure, by, subject) for figure in FIGURES}
        for (kind, who, name), given in self._given.items():
            if (kind, who) == (by, subject):
                figures[name] = Figures(Fraction(str(given.value)), given.numerator, given.denominator)
        weights = self._month.standard.weights_of(by)
        left_out = {each.figure: "no_data" for each in weights if _value(figures, each.figure) is None}
        objected = {each.figure for each in weights if (by, subject, each.figure) in self._left_out}
        left_out |= dict.fromkeys(objected, "objection")
        counting = [each for each in weights if each.figure not in left_out]
        whole = sum(each.weight for each in counting)
        score = Fraction(0)
        for each in counting:
            zero, full = Fraction(str(each.zero_at)), Fraction(str(each.full_at))
            share = ((_value(figures, each.figure) or Fraction(0)) - zero) / (full - zero)
            score += min(max(share, Fraction(0)), Fraction(1)) * 100 * each.weight / whole
        rounded = _rounded(score) if counting else None
        return Result(figures, rounded, self._grade(rounded), left_out)

    def _grade(self, score: Decimal | None) -> str | None:
        grades = sorted(self._month.standard.grades, key=lambda grade: grade.least)
        return [grade.code for grade in grades if score >= grade.least][-1] if score is not None else None

    def _figure(self, figure: Figure, by: Subject, subject: str) -> Figures:
        kind = figure.kind_for(by)
        if kind is None:
            return Figures()
        entries = self.behind(by, subject, kind)
        kept = [each for each in entries if not self.is_left_out(each, figure)]
        left = len(entries) - len(kept)
        if figure.per_case:
            return self._share(len(kept), self._cases(figure, by, subject), left)
        if figure.unit is Unit.RATE:
            return self._share(sum(each.counts for each in kept), len(kept), left)
        if not kept:
            return Figures(excluded=left)
        amounts = [each.amount for each in kept if each.amount is not None]
        value = {
            Unit.COUNT: Fraction(len(kept)),
            Unit.MONEY: sum(amounts, Fraction(0)),
            Unit.POINTS: sum(amounts, Fraction(0)) / len(kept),
        }[figure.unit]
        return Figures(value, excluded=left)

    def _cases(self, figure: Figure, by: Subject, subject: str) -> int:
        """Return how many cases of the subject may make an entry of the figure: those that are not left out of it."""
        cases = FIGURES[0]
        found = self.behind(by, subject, cases.kind_for(by) or Kind.REGISTERED)
        out = (self.is_left_out(each, figure) or self.is_left_out(each, cases) for each in found)
        return sum(not (is_out or each.number in self._excluded) for each, is_out in zip(found, out, strict=True))

    @staticmethod
    def _share(part: int, whole: int, left: int) -> Figures:
        return Figures(Fraction(part, whole), part, whole, left) if whole else Figures(excluded=left)


def _until(decided_at: datetime | None, as_of: datetime) -> bool:
    return decided_at is not None and decided_at <= as_of


def _value(figures: Mapping[str, Figures], name: str) -> Fraction | None:
    return figures[name].value if name in figures else None


def _rounded(value: Fraction) -> Decimal:
    """Return a value that is not below zero to two places, half up."""
    return Decimal(floor(value * 100 + Fraction(1, 2))).scaleb(-2)
