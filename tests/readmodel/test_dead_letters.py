"""Dead letters are listed page by page, and sent again once, on the channels that have not taken them."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine

from readmodel import deliveries as post
from readmodel import mailbox
from readmodel.database import WriteConnection, reading, writing
from readmodel.dead_letters import dead_letters, resend, resend_all
from readmodel.mailbox import Failure, Report
from readmodel.paging import BadCursorError
from readmodel.projection import write
from readmodel.tables import deliveries, notifications
from tests.support.batches import call, published
from tests.support.build import MONDAY
from tests.support.rows import rows


def owe(connection: WriteConnection, count: int) -> list[str]:
    """So many messages to the dispatcher; answers their keys."""
    batches = [published(call(place), ())[0] for place in range(count)]
    write(connection, batches)
    return [f"{batch.number}-1-dispatcher" for batch in batches]


def kill(connection: WriteConnection, keys: list[str], at: datetime = MONDAY) -> None:
    """Have the log channel give them up."""
    mailbox.exchange(connection, Report(), at, limit=100)
    dead = tuple(Failure(key, "no such number", None) for key in keys)
    mailbox.exchange(connection, Report(failed=dead), at, limit=0)


def test_the_list_goes_page_by_page_the_last_to_die_first(database: Engine) -> None:
    with writing(database) as connection:
        keys = owe(connection, 5)
        mailbox.exchange(connection, Report(), MONDAY, limit=100)
        for minute, key in enumerate(keys[:4]):
            dead = Report(failed=(Failure(key, "no such number", None),))
            # Two of one instant: the key parts them.
            mailbox.exchange(connection, dead, MONDAY + timedelta(minutes=minute // 2), limit=0)
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
    assert page.items[0].error == "no such number"


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMl0", "WyJhIiwiYiJd", "WzFlOTk5LCJhIl0"])
def test_a_cursor_that_no_page_gave_out_is_refused(database: Engine, cursor: str) -> None:
    with reading(database) as connection, pytest.raises(BadCursorError):
        dead_letters(connection, cursor)


def test_only_dead_letters_are_sent_again(database: Engine) -> None:
    with writing(database) as connection:
        [dead, alive] = owe(connection, 2)
        kill(connection, [dead])
        done = resend(connection, [dead, alive, "nobody"], MONDAY)
        assert done == ((dead,), (alive,), ("nobody",))
        assert resend(connection, [dead], MONDAY) == ((), (dead,), ())
        [again] = mailbox.exchange(connection, Report(), MONDAY, limit=100)
    assert (again.key, again.tries) == (dead, 1)
    with reading(database) as connection:
        assert dead_letters(connection).items == ()


def test_all_of_them_are_sent_again(database: Engine) -> None:
    with writing(database) as connection:
        kill(connection, owe(connection, 3))
        assert resend_all(connection, MONDAY) == 3
        assert resend_all(connection, MONDAY) == 0


def test_a_channel_that_has_taken_its_copy_is_not_given_it_again(database: Engine) -> None:
    def route(*_: object) -> list[str]:
        return ["mail", "sms"]

    def quiet(*_: object) -> None:
        return None

    def take(channel: str, report: Report, limit: int = 0) -> list[str]:
        give = partial(post.exchange, connection, channel, quiet)
        return [parcel.key for parcel in give(report, MONDAY, limit)]

    with writing(database) as connection:
        [key] = owe(connection, 1)
        assert post.spread(connection, route, MONDAY, 10) == 1
        assert take("mail", Report(), 1) == take("sms", Report(), 1) == [key]
        take("mail", Report(failed=(Failure(key, "box full", None),)))
        take("sms", Report(sent=(key,)))
    [row] = rows(database, notifications)
    assert (row["status"], row["last_error"], row["dead_at"]) == ("dead", "mail: box full", MONDAY)
    with writing(database) as connection:
        assert resend(connection, [key], MONDAY).due == (key,)
        post.spread(connection, route, MONDAY, 10)
        assert take("sms", Report(), 1) == []
        assert take("mail", Report(), 1) == [key]
        take("mail", Report(sent=(key,)))
    assert {row["status"] for row in [*rows(database, notifications), *rows(database, deliveries)]} == {"sent"}
