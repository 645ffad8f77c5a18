"""The list of call-backs in SQL: who is on it, in whatever order calls are reported, and two people at once."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine

from domain.calls.call import CALL_BACK_AGE, Call, CallBack, CallBackState, Timing
from domain.shared.errors import Refused
from readmodel.base.database import reading, writing
from readmodel.calls.call_backs import CallBackEntry, list_call_backs, update_call_back
from readmodel.calls.calls import save_calls
from readmodel.calls.tables import call_backs, calls
from tests.support.rows import clear, rows

NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def missed(call_id: str, begins: float = 0, phone: str | None = "88238777") -> Call:
    return Call(call_id, minutes(begins), None, minutes(begins + 1), caller_phone=phone)


def answered(call_id: str, begins: float, phone: str = "0760 88238777") -> Call:
    return Call(call_id, minutes(begins), minutes(begins), minutes(begins + 1), caller_phone=phone)


def kept(database: Engine, *given: Call, at: datetime = NOON) -> None:
    with writing(database) as connection:
        save_calls(connection, given, "0760", at)


def listed(database: Engine, state: CallBackState | None = None, at: datetime = NOON) -> list[CallBackEntry]:
    with reading(database) as connection:
        return [*list_call_backs(connection, state, at, None, 50).items]


def found(database: Engine, state: CallBackState | None = None, at: datetime = NOON) -> list[tuple[str, int]]:
    return [(entry.call_id, entry.calls) for entry in listed(database, state, at)]


def test_each_telephone_is_listed_once_whoever_waits_longest_first(database: Engine) -> None:
    kept(database, missed("3", 2), missed("2", 1, "13800138000"), missed("1"), missed("4", 0, None))
    short = missed("5", 0, "110")
    kept(database, short._replace(ended_at=short.started_at + timedelta(seconds=4)))
    kept(database, missed("6", 9, "120")._replace(asked_at=minutes(9)))
    assert found(database) == [("1", 2), ("2", 1), ("6", 1)]
    first = listed(database)[0]
    assert (first.since, first.caller_phone, first.call_back) == (minutes(1), "88238777", CallBack())


def test_pages_follow_each_other(database: Engine) -> None:
    kept(database, *(missed(f"{place}", place // 2, f"1380013800{place}") for place in range(5)))
    seen, cursor = list[str](), None
    while not seen or cursor:
        with reading(database) as connection:
            page = list_call_backs(connection, None, NOON, cursor, 2)
        seen, cursor = [*seen, *(entry.call_id for entry in page.items)], page.next_cursor
    assert seen == ["0", "1", "2", "3", "4"]


ORDERS = [*permutations([missed("1"), missed("2", 2), answered("3", 5)])]


@pytest.mark.parametrize("together", [True, False])
def test_whoever_calls_again_and_is_answered_is_not_called_back(database: Engine, *, together: bool) -> None:
    for order in ORDERS:
        for given in [order] if together else [(call,) for call in order]:
            kept(database, *given)
        assert found(database) == []
        (done,) = listed(database, CallBackState.DONE)
        assert (done.calls, done.call_back.result, done.call_back.ended_at) == (2, "called_again", minutes(5))
        clear(database)


def test_an_answer_before_the_call_ends_nothing(database: Engine) -> None:
    kept(database, answered("1", -5), missed("2"), answered("3", 5, "13800138000"))
    assert found(database) == [("2", 1)]


def test_a_caller_who_talks_to_an_agent_is_not_rung_meanwhile(database: Engine) -> None:
    kept(database, missed("1"), answered("2", 3)._replace(ended_at=None))
    assert found(database) == []


def test_better_times_take_a_call_off_the_list_though_they_end_it_earlier(database: Engine) -> None:
    kept(database, missed("1")._replace(timing=Timing.CHANNEL))
    assert found(database) == [("1", 1)]
    kept(database, missed("1")._replace(answered_at=minutes(0.1), ended_at=minutes(0.9)))
    assert found(database) == []


def test_a_call_that_was_answered_after_all_leaves_the_list(database: Engine) -> None:
    channel = missed("1")._replace(timing=Timing.CHANNEL)
    kept(database, channel)
    assert found(database) == [("1", 1)]
    kept(database, channel._replace(answered_at=minutes(0.5), timing=Timing.QUEUE))
    assert rows(database, call_backs) == []


def test_a_call_waits_since_it_ended_in_the_last_of_its_queues(database: Engine) -> None:
    kept(database, missed("1"))
    entered, gone = (missed("1", 3)._replace(ended_at=ended_at) for ended_at in (None, minutes(5)))
    kept(database, entered)
    assert found(database) == []
    kept(database, missed("1"), entered, gone)
    assert [entry.since for entry in listed(database)] == [minutes(5)]
    clear(database)
    kept(database, missed("1"))
    kept(database, entered, gone)
    assert [entry.since for entry in listed(database)] == [minutes(5)]


def test_a_call_back_goes_to_the_telephone_that_a_later_report_names(database: Engine) -> None:
    kept(database, missed("1"))
    kept(database, missed("1", phone="13800138000"))
    kept(database, missed("2", 2, "138 0013 8000"))
    assert found(database) == [("1", 2)]
    kept(database, answered("3", 5, "13800138000"))
    assert found(database) == []


@pytest.mark.slow
def test_reports_of_calls_lead_to_one_list_in_any_order(database: Engine) -> None:
    """A call goes on after its end, and after another call of the caller was answered."""
    reports = (missed("1"), answered("2", 5), missed("1", 7)._replace(ended_at=minutes(9)), missed("3", 3))
    lists = set()
    for order in permutations(reports):
        for report in order:
            kept(database, report)
        entries = [*listed(database), *listed(database, CallBackState.DONE)]
        lists.add(tuple((each.call_id, each.since, each.calls, each.call_back) for each in entries))
        clear(database)
    (only,) = lists
    assert [(call_id, since, calls) for call_id, since, calls, _ in only] == [
        ("1", minutes(9), 1),
        ("3", minutes(4), 1),
    ]


def test_a_corrected_telephone_has_no_part_in_what_was_done_for_the_other(database: Engine) -> None:
    with_other = missed("1", phone="13800138000")
    kept(database, missed("1"), answered("2", 5))
    assert [each.call_back.result for each in listed(database, CallBackState.DONE)] == ["called_again"]
    kept(database, with_other)
    assert found(database) == [("1", 1)]
    clear(database)
    kept(database, missed("1"))
    with writing(database) as connection:
        update_call_back(connection, "1", lambda before: before.tried("li", minutes(2), reached=False))
    kept(database, with_other)
    assert [each.call_back.tries for each in listed(database)] == [0]
    clear(database)
    kept(database, missed("1"), missed("3", phone="13800138000"))
    with writing(database) as connection:
        update_call_back(connection, "3", lambda before: before.tried("li", minutes(2), reached=True))
    kept(database, with_other)
    assert found(database) == []


def test_nobody_is_called_back_for_an_old_call(database: Engine) -> None:
    kept(database, missed("1"), at=minutes(1) + CALL_BACK_AGE + timedelta(seconds=1))
    assert found(database) == []
    kept(database, missed("2"), at=minutes(1) + CALL_BACK_AGE)
    assert found(database) == [("2", 1)]


def test_a_call_that_is_reported_after_the_call_back_is_not_on_the_list(database: Engine) -> None:
    kept(database, missed("1"))
    with writing(database) as connection:
        update_call_back(connection, "1", lambda before: before.tried("chen", minutes(10), reached=True))
    kept(database, missed("2", 5), missed("3", 20))
    assert found(database) == [("3", 1)]
    assert found(database, CallBackState.DONE) == [("1", 1)]
    assert {row["call_id"] for row in rows(database, calls)} == {"1", "2", "3"}


def test_calls_of_one_telephone_are_worked_off_together(database: Engine) -> None:
    kept(database, missed("1"), missed("2", 1))
    with writing(database) as connection:
        entry = update_call_back(connection, "2", lambda before: before.take("chen", minutes(3)))
    assert entry
    assert (entry.call_id, entry.calls, entry.call_back.person) == ("1", 2, "chen")
    # A call that comes, or comes late, meanwhile belongs to it.
    kept(database, missed("3", 4), missed("0", -1))
    assert found(database, CallBackState.TAKEN, minutes(5)) == [("0", 4)]
    assert found(database, CallBackState.WAITING, minutes(5)) == []
    assert found(database, CallBackState.WAITING, minutes(33)) == [("0", 4)]
    with writing(database) as connection:
        update_call_back(connection, "3", lambda before: before.tried("chen", minutes(6), reached=True))
    assert (found(database), found(database, CallBackState.DONE)) == ([], [("0", 4)])
    with writing(database) as connection:
        assert update_call_back(connection, "unknown", lambda before: before) is None


def test_of_two_people_at_once_one_takes_it(database: Engine) -> None:
    kept(database, missed("1"), missed("2", 1))
    together, outcomes = Barrier(2), dict[str, str]()

    def take(person: str, call_id: str) -> None:
        together.wait()
        try:
            with writing(database) as connection:
                update_call_back(connection, call_id, lambda before: before.take(person, NOON))
            outcomes[person] = "taken"
        except Refused as refused:
            outcomes[person] = refused.code

    threads = [Thread(target=take, args=each) for each in (("chen", "1"), ("li", "2"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes.values()) == ["call_back_taken", "taken"]
    (entry,) = listed(database)
    assert outcomes[entry.call_back.person or ""] == "taken"
