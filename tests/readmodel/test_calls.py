"""Calls in SQL: kept as they are reported, in any order, twice, and by two at once."""

from datetime import UTC, datetime, timedelta
from threading import Thread

from sqlalchemy import Engine

from domain.calls.call import Call, Timing
from readmodel.base.database import Imported, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.tables import calls
from tests.support.rows import rows

START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)
"""Noon in Zhongshan."""


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


ANSWERED = Call("1", START, later(12.5), later(100), queue="hotline", caller_phone="88238777", agent="chen")
ABANDONED = Call("2", later(900), None, later(960), queue="hotline")


def kept(database: Engine, *given: Call) -> Imported:
    with writing(database) as connection:
        return save_calls(connection, given, "0760")


def test_what_reports_add_up_stands_beside_the_call(database: Engine) -> None:
    assert kept(database, ANSWERED, ABANDONED) == Imported(added=2)
    one, other = rows(database, calls)
    assert (one["outcome"], one["wait_ms"], one["talk_ms"], one["phone_term"]) == (
        "answered",
        12500,
        87500,
        "076088238777",
    )
    assert (other["outcome"], other["wait_ms"], other["talk_ms"], other["phone_term"]) == (
        "abandoned",
        60000,
        None,
        None,
    )
    assert other["slot"] == one["slot"] + 1


def test_reports_of_one_call_come_in_any_order_and_again(database: Engine) -> None:
    begun = ANSWERED._replace(answered_at=None, ended_at=None, agent=None)
    channel = Call("1", later(-2), None, later(101), recording_url="https://pbx/1", timing=Timing.UNTIMED)
    assert kept(database, ANSWERED) == Imported(added=1)
    assert kept(database, channel, begun) == Imported(changed=1)
    after = rows(database, calls)
    assert kept(database, begun, ANSWERED, channel) == Imported(unchanged=1)
    assert kept(database, channel) == Imported(unchanged=1)
    assert rows(database, calls) == after
    assert (after[0]["ended_at"], after[0]["recording_url"]) == (later(100), "https://pbx/1")


def test_two_imports_at_once_lose_nothing(database: Engine) -> None:
    """Each of the two knows half of every call."""
    begun = [ANSWERED._replace(call_id=f"{each}", answered_at=None, ended_at=None, agent=None) for each in range(500)]
    ended = [call._replace(answered_at=later(12.5), ended_at=later(100), agent="chen") for call in begun]
    threads = [Thread(target=kept, args=(database, *half)) for half in (begun, reversed(ended))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["ended_at"] for row in rows(database, calls)} == {later(100)}
    assert kept(database, *begun, *ended) == Imported(unchanged=500)
