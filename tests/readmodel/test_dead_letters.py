"""Dead letters are listed page by page, and sent again once, on the channels that have not taken them."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from readmodel.base.database import WriteConnection, reading, writing
from readmodel.base.paging import BadCursorError
from readmodel.notifications import (
    Delivery,
    Failure,
    Results,
    dead_letters,
    deliveries,
    notifications,
    record,
    resend,
    resend_all,
    route,
    take,
)
from readmodel.projection import write
from tests.support.batches import call, published
from tests.support.build import MONDAY
from tests.support.rows import rows


def notify(connection: WriteConnection, count: int) -> list[str]:
    """Write so many notifications of the dispatcher; return their keys."""
    batches = [published(call(place), ())[0] for place in range(count)]
    write(connection, batches)
    return [f"{batch.number}-1-dispatcher" for batch in batches]


def taken(connection: WriteConnection, *channels: str) -> list[Delivery]:
    """Route what is due to the channels, and have each take its deliveries."""
    route(connection, lambda *_: channels, MONDAY, limit=100)
    return [each for channel in channels for each in take(connection, channel, lambda *_: None, MONDAY, limit=100)]


def kill(connection: WriteConnection, keys: list[str], at: datetime = MONDAY, channel: str = "log") -> None:
    """Have the channel give up deliveries that it took."""
    record(connection, channel, Results(failed=tuple(Failure(key, "no such number", None) for key in keys)), at)


def test_the_list_goes_page_by_page_the_last_to_die_first(database: Engine) -> None:
    with writing(database) as connection:
        keys = notify(connection, 5)
        taken(connection, "log")
        for minute, key in enumerate(keys[:4]):
            # Two at one instant are in the order of their keys.
            kill(connection, [key], MONDAY + timedelta(minutes=minute // 2))
    seen: list[str] = []
    cursor: str | None = None
    with reading(database) as connection:
        while True:
            page = dead_letters(connection, cursor, limit=1)
            seen += [letter.key for letter in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert seen == keys[3::-1]
    assert page.items[0].error == "log: no such number"


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJhIiwiYiJd", "WzFlOTk5LCJhIl0"])
def test_a_cursor_that_no_page_gave_out_is_refused(database: Engine, cursor: str) -> None:
    with reading(database) as connection, pytest.raises(BadCursorError):
        dead_letters(connection, cursor)


def test_only_dead_letters_are_sent_again(database: Engine) -> None:
    with writing(database) as connection:
        [dead, alive] = notify(connection, 2)
        taken(connection, "log")
        kill(connection, [dead])
        done = resend(connection, [dead, alive, "nobody"], MONDAY)
        assert done == ((dead,), (alive,), ("nobody",))
        assert resend(connection, [dead], MONDAY) == ((), (dead,), ())
        [again] = taken(connection, "log")
    assert (again.key, again.tries) == (dead, 1)
    with reading(database) as connection:
        assert dead_letters(connection).items == ()


def test_all_of_them_are_sent_again(database: Engine) -> None:
    with writing(database) as connection:
        keys = notify(connection, 3)
        taken(connection, "log")
        kill(connection, keys)
        assert resend_all(connection, MONDAY) == 3
        assert resend_all(connection, MONDAY) == 0


def test_a_channel_that_has_sent_it_is_not_given_it_again(database: Engine) -> None:
    channels = ("mail", "sms")
    with writing(database) as connection:
        [key] = notify(connection, 1)
        assert [delivery.key for delivery in taken(connection, *channels)] == [key, key]
        kill(connection, [key], channel="mail")
        record(connection, "sms", Results(sent=(key,)), MONDAY)
    [row] = rows(database, notifications)
    assert (row["status"], row["last_error"], row["dead_at"]) == ("dead", "mail: no such number", MONDAY)
    with writing(database) as connection:
        assert resend(connection, [key], MONDAY).due == (key,)
        assert len(taken(connection, *channels)) == 1
        record(connection, "mail", Results(sent=(key,)), MONDAY)
    assert {row["status"] for row in [*rows(database, notifications), *rows(database, deliveries)]} == {"sent"}


def test_one_that_is_sent_again_stays_due_though_another_channel_gives_up_meanwhile(database: Engine) -> None:
    channels = ("mail", "sms")
    with writing(database) as connection:
        [key] = notify(connection, 1)
        taken(connection, *channels)
        kill(connection, [key], channel="mail")
        assert resend(connection, [key], MONDAY).due == (key,)
        kill(connection, [key], channel="sms")
        assert dead_letters(connection).items == ()
        assert [delivery.key for delivery in taken(connection, *channels)] == [key, key]
