"""Every promise of a case equals an independent count of its own time, whatever happens to the case."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime

import pytest

from domain.case.case import Case
from domain.case.decide import evolve
from domain.case.lifecycle import Event
from domain.case.views import view_case
from tests.support.promise_ledger import PromiseLedger
from tests.support.promise_time import Row
from tests.support.promise_walks import STEPS, Step, Walk, shown

TOLERANCE = 1e-2


def clocks_of(case: Case, at: datetime) -> dict[tuple[int, int, str], list[Row]]:
    """Return the clocks of a case as the ledger gives its promises."""
    rows: dict[tuple[int, int, str], list[Row]] = {}
    for clock in case.clocks:
        row = Row(
            clock.calendar,
            clock.status.value,
            clock.budget_seconds,
            clock.elapsed(at, case.calendar),
            clock.due_at(case.calendar),
            clock.started_at,
        )
        rows.setdefault((clock.cycle, clock.part, clock.name), []).append(row)
    return rows


def differs(clock: Row, promise: Row) -> list[str]:
    """Return the fields in which a clock is not what was counted."""
    unlike = []
    for name in (field.name for field in fields(Row)):
        mine, counted = getattr(clock, name), getattr(promise, name)
        if isinstance(mine, datetime) and isinstance(counted, datetime):
            same = abs((mine - counted).total_seconds()) < TOLERANCE
        elif isinstance(mine, float) and isinstance(counted, float | int):
            same = abs(mine - counted) < TOLERANCE
        else:
            same = mine == counted
        if not same:
            unlike.append(f"{name}: {mine}, counted {counted}")
    return unlike


class Played:
    """A case and its ledger, step by step."""

    def __init__(self, walk: Walk) -> None:
        self.now = walk.start.at
        self.case, events = Case.register(walk.start)
        self.events: list[Event] = [*events]
        self.folded = Case.fold(events)
        self.ledger = PromiseLedger(events[0], walk.start.terms)

    def fault_of(self, step: Step) -> str | None:
        """Do the step; return what is wrong after it, None if nothing is."""
        self.now += step.after
        try:
            events = step.do(self.case, self.now)
            events += self.case.advance(self.now)
        except ValueError as error:
            return f"{error!r}"
        for event in events:
            self.ledger.take(event)
            evolve(self.folded, event)
        self.events += events
        self.ledger.advance(self.now)
        return self._unlike() or self._not_itself()

    def _unlike(self) -> str | None:
        clocks, promises = clocks_of(self.case, self.now), self.ledger.rows(self.now)
        for key in sorted({*clocks, *promises}):
            mine, counted = clocks.get(key, []), promises.get(key, [])
            if len(mine) != len(counted):
                return f"{key}: {len(mine)} clocks, counted {len(counted)}: {mine} {counted}"
            for one, other in zip(mine, counted, strict=True):
                if unlike := differs(one, other):
                    return f"{key}: {'; '.join(unlike)}"
        return None

    def _not_itself(self) -> str | None:
        case = self.case
        if self.folded != case:
            return "the fold of its events is another case"
        try:
            same = Case.model_validate_json(case.model_dump_json(exclude_unset=True)) == case
            view = view_case(case, self.now)
            same = same and type(view).model_validate_json(view.model_dump_json(exclude_unset=True)) == view
        except ValueError as error:
            return f"the case cannot be read: {error}"
        return None if same else "what is read is another case"


def fault_after(walk: Walk, steps: list[Step]) -> str | None:
    """Return the first fault that the steps lead to."""
    played = Played(walk)
    return next((fault for step in steps if (fault := played.fault_of(step))), None)


def shortened(walk: Walk, steps: list[Step]) -> list[Step]:
    """Return as few of the steps as possible that lead to a fault."""
    while shorter := next((fewer for fewer in _simpler(steps) if fault_after(walk, fewer)), None):
        steps = shorter
    return steps


def _simpler(steps: list[Step]) -> Iterator[list[Step]]:
    """Return the steps without each of them, also with its time added to the next; then each as a mere wait."""
    for place, step in enumerate(steps):
        before, rest = steps[:place], steps[place + 1 :]
        yield [*before, *rest]
        if rest:
            yield [*before, replace(rest[0], after=step.after + rest[0].after), *rest[1:]]
    for place, step in enumerate(steps):
        if step.what:
            yield [*steps[:place], replace(step, what=None), *steps[place + 1 :]]


def told(walk: Walk, steps: list[Step]) -> str:
    """Return the steps and the fault that they lead to, for people."""
    played, lines = Played(walk), [f"{walk.start.at:%m-%d %H:%M:%S} registered {shown(walk.start.terms)}"]
    for step in steps:
        fault = played.fault_of(step)
        lines.append(f"{played.now:%m-%d %H:%M:%S} {step} -> {played.case.state}")
        if fault:
            return "\n".join([*lines, fault])
    raise AssertionError("the steps lead to no fault")


def check(seed: int) -> None:
    """Walk; of a fault print the seed, and the fewest steps that lead to it."""
    walk, steps = Walk(seed), list[Step]()
    played = Played(walk)
    for _ in range(STEPS):
        steps.append(walk.next(played.case, played.now))
        if played.fault_of(steps[-1]):
            pytest.fail(f"seed {seed}\n{told(walk, shortened(walk, steps))}", pytrace=False)
    assert Case.fold(played.events) == played.case


@pytest.mark.parametrize("seed", range(30))
def test_every_promise_is_what_its_own_time_comes_to(seed: int) -> None:
    check(seed)


MORE = [*range(30, 100), *(pytest.param(seed, marks=pytest.mark.night) for seed in range(100, 330))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE)
def test_it_is_on_many_more_walks(seed: int) -> None:
    check(seed)
