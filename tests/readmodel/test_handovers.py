"""Handovers in SQL: under way or ended, and the cases that were given since one was ordered."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

from sqlalchemy import Engine

from activities.bulk import BulkActivities, CasesOfHandover
from activities.cases import Answers
from domain.case.actions.hand_over import HandOver
from domain.case.bulk import Handover
from domain.shared.actors import Actor, Role
from readmodel.base.database import reading, writing
from readmodel.people.workload import CLOCK_MARGIN, begin_handover, end_handover, given_by
from readmodel.projection import write
from tests.support.batches import STEP, call, number, published
from tests.support.build import MONDAY, SUPERVISOR

GIVEN_AT = MONDAY + STEP
NUMBERS = [number(place) for place in range(1, 5)]


def order(name: str) -> Handover:
    return Handover(id=name[0] * 32, previous_owner="wang", owner="li", reason="-", actor=SUPERVISOR)


def test_a_case_that_was_given_since_the_order_is_known_also_if_given_back(database: Engine) -> None:
    """Not one that was given to somebody else, and none for a handover that has ended or was never ordered."""
    ordered_at = {"before": GIVEN_AT + CLOCK_MARGIN, "after": GIVEN_AT + CLOCK_MARGIN + timedelta(seconds=1)}
    given, back, other = (HandOver(owner=owner, note="-") for owner in ("li", "wang", "wu"))
    with writing(database) as connection:
        for place, actions in enumerate([(given,), (given, back), (other,), ()], start=1):
            write(connection, published(call(place), actions))
        for name, at in (ordered_at | {"ended": MONDAY}).items():
            begin_handover(connection, order(name), at)
        end_handover(connection, order("ended").id, GIVEN_AT)
    with reading(database) as connection:
        found = {name: given_by(connection, order(name), NUMBERS) for name in (*ordered_at, "ended", "did not begin")}
    assert found == {"before": {number(1), number(2)}, "after": set(), "ended": None, "did not begin": None}


def test_a_case_given_shortly_before_the_order_was_given_by_another_one(database: Engine) -> None:
    """Unless clocks differ: then it has the reason and the person of this order, and no earlier one has ended since."""
    ordered_at = GIVEN_AT + CLOCK_MARGIN / 2
    given = {place: HandOver(owner="li", note=note) for place, note in enumerate(("-", "leave", None), start=1)}
    with writing(database) as connection:
        for place, body in given.items():
            write(connection, published(call(place), (body,)))
        begin_handover(connection, order("due"), ordered_at)
    with reading(database) as connection:
        assert given_by(connection, order("due"), NUMBERS) == {number(1)}
        by_another = order("due").model_copy(update={"actor": Actor(id="tan", role=Role.SUPERVISOR)})
        assert given_by(connection, by_another, NUMBERS) == set()
    with writing(database) as connection:
        begin_handover(connection, order("earlier"), MONDAY)
        end_handover(connection, order("earlier").id, GIVEN_AT + STEP / 60)
    with reading(database) as connection:
        assert given_by(connection, order("due"), NUMBERS) == set()


async def test_a_case_that_was_given_back_stays_with_its_owner(database: Engine) -> None:
    """Also if its workflow has forgotten by then that it was asked."""
    with writing(database) as connection:
        write(connection, published(call(1), [HandOver(owner=owner, note="-") for owner in ("li", "wang")]))
        begin_handover(connection, order("due"), GIVEN_AT)

    async def ask_all(numbers: Sequence[str], ask: Callable[[str], Awaitable[Any]], _: object) -> Answers:
        return Answers(Counter(), {number: (await ask(number)).reason for number in numbers})

    nothing: Any = None
    handovers = BulkActivities(nothing, database, Mock(ask_all=ask_all), nothing)
    page = CasesOfHandover(handover=order("due"), numbers=[number(1)])
    assert (await handovers.hand_over_cases(page)).refused == {number(1): "It belongs to wang now."}
