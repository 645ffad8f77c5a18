"""Oracle of a month's assessment: the rules of docs/assessment.md by brute force, on the case after each event.

It shares with the program that it checks the case itself, the standard, and the table of figures: their kinds, units
and `per_case`. So a mistake in that table is found by the month of docs/assessment.md, and not here.
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
from domain.assessment.state import Exclusion
from domain.case.actions.follow_up import FollowedUp
from domain.case.case import Case
from domain.case.clocks import APPROVE, ClockStatus
from domain.case.decide import evolve
from domain.case.intake import THANKS_SERVICE
from domain.case.lifecycle import Event, State
from domain.case.progress import SATISFIED
from domain.catalogue.figures import CASES_FIGURE, FIGURES, EntryKind, Figure, FigureUnit, Subject
from readmodel.assessments.months import GivenValue

Whose = Mapping[Subject, str | None]
PROMISES = {
    "acknowledge": EntryKind.ACKNOWLEDGE,
    "arrive": EntryKind.ARRIVE,
    "resolve": EntryKind.RESOLVE,
    "reply": EntryKind.REPLY,
    "follow_up": EntryKind.FOLLOW_UP,
}
ONE_KIND = {
    "sign_for": EntryKind.SIGNED_FOR,
    "return": EntryKind.RETURNED,
    "reopen": EntryKind.REOPENED,
    "urge": EntryKind.URGED,
    "decide_extension": EntryKind.EXTENDED,
}
FIRST: dict[EntryKind, Subject | None] = {
    EntryKind.RECEIVED: Subject.DEPARTMENT,
    EntryKind.RETURNED: Subject.DEPARTMENT,
    EntryKind.SIGNED_FOR: Subject.CREW,
    **dict.fromkeys((EntryKind.REOPENED, EntryKind.URGED, EntryKind.EXTENDED)),
}
"""Kinds of which a case has one entry in a month, for each of these subjects; None: one altogether."""
ABOUT_WORK_BEFORE = {"return", "follow_up", "reopen"}
"""Actions on the work of those who had the case before them."""
HANDS_OVER = {"dispatch", "follow_up", "reopen"}
"""Actions by which a department receives the case, if they lead to `dispatched`."""
STAYS = {
    EntryKind.REGISTERED,
    EntryKind.RECEIVED,
    EntryKind.SIGNED_FOR,
    EntryKind.THANKS,
    EntryKind.MONEY,
    EntryKind.INSPECTED,
}
"""Kinds that an excluded case stays in."""


@dataclass(frozen=True)
class Counted:
    """Something that counts: of which case, when, for whom, in favour or not, and how much."""

    kind: EntryKind
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
        """Return those who have the case or this part of it: department and person are those whose work it is about."""
        case = self.after
        at_work = (self.before if self.event.action in ABOUT_WORK_BEFORE else None) or case
        holder = at_work.parts[part - 1] if part else at_work
        return {
            Subject.AGENT: case.owner,
            Subject.CREW: holder.assignee,
            Subject.DEPARTMENT: holder.department,
            Subject.SERVICE: case.intake.service_code,
            Subject.DISTRICT: case.intake.location.district,
        }

    def counted(self, kind: EntryKind, part: int | None = None, *, counts: bool = True) -> Counted:
        """Return what the event counts for those who have the case, or this part of it."""
        return Counted(kind, self.after.number, self.event.at, self.whose(part), counts)


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
    action, data = step.event.action, step.event.data
    if action == "register":
        yield step.counted(EntryKind.REGISTERED)
    if action == "involve" or (action in HANDS_OVER and step.after.state is State.DISPATCHED):
        of = step.after.parts[-1] if action == "involve" else step.after
        received = step.counted(EntryKind.RECEIVED)
        yield replace(received, whose={**received.whose, Subject.DEPARTMENT: of.department, Subject.CREW: of.assignee})
    if action in ONE_KIND and getattr(data, "approved", True):
        yield step.counted(ONE_KIND[action], getattr(data, "part", None))


def _promises(step: Step) -> Iterator[Counted]:
    """Yield the promises that are judged at the event, as their clocks tell."""
    before = {clock.serial: clock.status for clock in step.before.clocks} if step.before else {}
    told = step.event.action in ("reply", "answer")
    for clock in step.after.clocks:
        judged = clock.status is not before.get(clock.serial)
        if clock.name == "resolve" and clock.status is ClockStatus.MET:
            judged = told and clock.cycle == step.event.cycle
        if judged and clock.name != APPROVE and clock.status in (ClockStatus.MET, ClockStatus.MISSED):
            yield step.counted(PROMISES[clock.name], clock.part or None, counts=clock.status is ClockStatus.MET)


def _answers(step: Step) -> Iterator[Counted]:
    """Yield what the caller said at the end of the follow-up of a cycle."""
    if step.event.action != "follow_up" or step.after.state is State.PENDING_FOLLOW_UP:
        return
    if step.after.state is State.DISPATCHED:
        yield step.counted(EntryKind.REWORKED)
    said = step.event.data
    assert isinstance(said, FollowedUp)
    reached = said.outcome != "unreachable"
    yield step.counted(EntryKind.CONTACTED, counts=reached)
    if not reached:
        return
    short, content = said.contacted is None, said.outcome == "satisfied"
    if content or not short:
        yield step.counted(EntryKind.SOLVED, counts=content if short else bool(said.solved))
    satisfied = content if short else said.satisfaction in SATISFIED
    if not (satisfied and "contact_changed" in step.after.flags):
        yield step.counted(EntryKind.SATISFIED, counts=satisfied)


def _money(step: Step) -> Iterator[Counted]:
    """Yield amounts that were approved for good."""
    before = step.before.decisions if step.before else ()
    for decided in step.after.decisions[len(before) :]:
        if decided.approved and decided.amount is not None:
            yield replace(step.counted(EntryKind.MONEY), amount=Fraction(decided.amount))


def _thanks(events: Sequence[Event], month: Assessment) -> Iterator[Counted]:
    """Yield thanks, unless they are withdrawn or refused before the month is over."""
    first = next(steps(events))
    until = [event.to_state for event in events if event.at < month.until]
    thanks = first.after.intake.service_code == THANKS_SERVICE and month.since <= first.event.at < month.until
    if thanks and until[-1] not in (State.WITHDRAWN, State.REFUSED):
        found, person = first.counted(EntryKind.THANKS), first.after.intake.thanked
        yield replace(found, whose={**found.whose, Subject.AGENT: person, Subject.CREW: person})


RULES: tuple[Callable[[Step], Iterator[Counted]], ...] = (_work, _promises, _answers, _money)


def counted_in(cases: Iterable[Sequence[Event]], month: Assessment) -> list[Counted]:
    """Return everything that counts in a month, of the events of each case and of its inspections."""
    found = [
        Counted(
            EntryKind.INSPECTED,
            each.complaint,
            each.inspected_at,
            {Subject.AGENT: each.agent},
            amount=Fraction(each.points),
        )
        for each in month.inspections
    ]
    for events in cases:
        found += _thanks(events, month)
        there = set[tuple[EntryKind, str | None]]()
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
        self._of = defaultdict[tuple[Subject, str, EntryKind], list[Counted]](list)
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
        counted = {(by, subject) for by, subject, kind in self._of if kind is not EntryKind.THANKS}
        return counted | {(Subject(by), who) for by, who, _ in self._given}

    def behind(self, by: Subject, subject: str, kind: EntryKind) -> list[Counted]:
        """Return what counts behind a number."""
        return self._of.get((by, subject, kind), [])

    def is_left_out(self, each: Counted, figure: Figure) -> bool:
        """Return True if an exclusion or an accepted objection leaves it out of the figure."""
        excluded = each.number in self._excluded and each.kind not in STAYS
        return excluded or (figure.name, each.number) in self._objected

    def result(self, by: Subject, subject: str) -> Result:
        """Return the figures of a subject, and the score of those that have a weight."""
        figures = {
            figure.name: self._figure(figure, kind, by, subject) for figure in FIGURES if (kind := figure.kind_for(by))
        }
        for (of, who, name), given in self._given.items():
            if (of, who) == (by, subject):
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

    def _figure(self, figure: Figure, kind: EntryKind, by: Subject, subject: str) -> Figures:
        entries = self.behind(by, subject, kind)
        kept = [each for each in entries if not self.is_left_out(each, figure)]
        # Excluded cases stay in their number, which says how many of them are excluded.
        left = sum(each not in kept or (figure is CASES_FIGURE and each.number in self._excluded) for each in entries)
        if figure.per_case:
            return _share(len(kept), self._cases(by, subject), left)
        if figure.unit is FigureUnit.RATE:
            return _share(sum(each.counts for each in kept), len(kept), left)
        if figure.unit is FigureUnit.COUNT:
            return Figures(Fraction(len(kept)), len(kept), excluded=left)
        if not kept:
            return Figures(excluded=left)
        total = sum((each.amount or Fraction(0) for each in kept), Fraction(0))
        if figure.unit is FigureUnit.MONEY:
            return Figures(total, len(kept), excluded=left)
        return Figures(Fraction(_rounded(total / len(kept))), int(total), len(kept), left)

    def _cases(self, by: Subject, subject: str) -> int:
        """Return the cases that a share is of: those that count, and are not excluded."""
        found = self.behind(by, subject, CASES_FIGURE.kind_for(by) or EntryKind.REGISTERED)
        return sum(not self.is_left_out(each, CASES_FIGURE) and each.number not in self._excluded for each in found)


def _share(part: int, whole: int, left: int) -> Figures:
    """Return a rate, to four places, half up."""
    rate = Fraction(floor(Fraction(part * 10_000, whole) + Fraction(1, 2)), 10_000) if whole else None
    return Figures(rate, part, whole, left) if whole else Figures(excluded=left)


def _until(decided_at: datetime | None, as_of: datetime) -> bool:
    return decided_at is not None and decided_at <= as_of


def _value(figures: Mapping[str, Figures], name: str) -> Fraction | None:
    return figures[name].value if name in figures else None


def _rounded(value: Fraction) -> Decimal:
    """Return a value that is not below zero to two places, half up."""
    return Decimal(floor(value * 100 + Fraction(1, 2))).scaleb(-2)
