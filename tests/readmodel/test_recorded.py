"""Cases as SQL has recorded them: the whole case comes from its events, and whoever is over is known, on both kinds."""

from datetime import timedelta

from sqlalchemy import Engine

from readmodel.case_queries import get_case
from readmodel.database import reading, writing
from readmodel.facts import all_facts, facts_of
from readmodel.projection import write
from readmodel.recorded import cases_not_over, recorded_case
from tests.support.batches import call, number, published
from tests.support.build import MONDAY

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


def test_facts_are_those_of_the_row_and_its_events(database: Engine, reader: Engine) -> None:
    put(database)
    with reading(reader) as connection:
        found = dict(all_facts(connection, MONDAY + timedelta(days=365)))
        assert found[number(2)] == facts_of(connection, MONDAY + timedelta(days=365), number(2))
    closed, opened = found[number(1)], found[number(2)]
    assert (closed.state, closed.over, closed.events) == ("closed", True, CLOSED[-1].case.version)
    assert (opened.state, opened.over, opened.version) == ("dispatched", False, 2)
    assert (opened.department, opened.involved, opened.changed_at) == ("repair", (), OPEN[-1].changed_at)
