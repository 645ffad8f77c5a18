"""Cases as SQL has recorded them: the whole case comes from its events, and whoever is over is known, on both kinds."""

from datetime import timedelta

from sqlalchemy import Engine

from domain.case.lifecycle import State
from readmodel.base.database import reading, writing
from readmodel.cases.queries import get_case, get_cases
from readmodel.projection import write
from readmodel.recovery import all_facts, cases_not_over, facts_of, recorded_case
from tests.support.batches import call, number, published
from tests.support.build import MONDAY, ROAD, days, hours
from tests.support.credits import OWED, RESOLVE

CLOSED, OPEN = published(call(1)), published(call(2), ("dispatch",))


def put(database: Engine) -> None:
    with writing(database) as connection:
        write(connection, [*CLOSED, *OPEN])


def test_a_case_folded_from_its_events_is_the_case_of_its_document(database: Engine, reader: Engine) -> None:
    put(database)
    with reading(reader) as connection:
        for place in (1, 2):
            recorded = recorded_case(connection, number(place))
            assert recorded
            assert recorded.case == get_case(connection, number(place))
            assert len(recorded.events) == recorded.case.version
        assert recorded_case(connection, number(3)) is None


def test_a_closed_case_is_not_over_until_nobody_can_reopen_it(database: Engine, reader: Engine) -> None:
    put(database)
    with reading(reader) as connection:
        case = get_case(connection, number(1))
        assert case
        assert case.reopen_ends_at
        assert list(cases_not_over(connection, MONDAY)) == [number(1), number(2)]
        assert list(cases_not_over(connection, case.reopen_ends_at + timedelta(seconds=1))) == [number(2)]


def test_sql_and_the_case_agree_in_every_state_if_it_is_over(database: Engine, reader: Engine) -> None:
    """With a credit that waits, a closed case is not over, however late it is."""
    owing = call(1, promises=(RESOLVE,), credits=(OWED,), currency="GBP")
    with writing(database) as connection:
        write(connection, published(owing, step=hours(5)))
        for place, state in enumerate(State, 2):
            write(connection, published(call(place), ROAD[state]))
    with reading(reader) as connection:
        found = get_cases(connection, [number(place) for place in range(1, len(State) + 2)])
        assert [case.state for case in found] == [State.CLOSED, *State]
        for at in (MONDAY + days(2), MONDAY + days(400)):
            assert list(cases_not_over(connection, at)) == [case.number for case in found if not case.is_over(at)]
    assert (found[0].is_over(at), found[0].is_active(at)) == (False, False)


def test_facts_are_those_of_the_row_and_its_events(database: Engine, reader: Engine) -> None:
    put(database)
    with reading(reader) as connection:
        found = dict(all_facts(connection, MONDAY + timedelta(days=365)))
        assert found[number(2)] == facts_of(connection, MONDAY + timedelta(days=365), number(2))
    closed, opened = found[number(1)], found[number(2)]
    assert (closed.state, closed.over, closed.events) == ("closed", True, CLOSED[-1].case.version)
    assert (opened.state, opened.over, opened.version) == ("dispatched", False, 2)
    assert (opened.department, opened.involved, opened.changed_at) == ("repair", (), OPEN[-1].changed_at)
