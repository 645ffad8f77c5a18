"""The migration that lets a message be about an incident keeps every message and delivery that was there."""

from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from readmodel.database import engine, writing
from readmodel.migrate import _config, migrate
from readmodel.projection import write
from readmodel.tables import deliveries, notifications
from tests.batches import call, published
from tests.build import MONDAY
from tests.readmodel.rows import rows

BEFORE, THIS = "0006", "0007"
OF_AN_INCIDENT = (
    "INSERT INTO notifications (key, number, seq, recipient, kind, text_zh, text_en, created_at, status, tries) "
    "VALUES ('a key', 'i26090700019', 1, 'dispatcher', 'incident_suspect', 'x', 'x', '2026-09-07 01:00:00', 'due', 0)"
)


def step(database: Engine, direction: Any, revision: str) -> None:
    """One or more migrations up or down."""
    with writing(database) as connection:
        config = _config()
        config.attributes["connection"] = connection
        direction(config, revision)


def fill(database: Engine) -> None:
    """Messages in every state, and deliveries of some of them, as an older release left them."""
    with writing(database) as connection:
        write(connection, [batch for place in range(3) for batch in published(call(place))])
    listed = [row["key"] for row in rows(database, notifications)]
    with writing(database) as connection:
        for place, key in enumerate(listed):
            changed = {"the_key": key, "status": ("due", "sent", "dead", "routed")[place % 4], "tries": place}
            connection.execute(
                text("UPDATE notifications SET status = :status, tries = :tries WHERE key = :the_key"), changed
            )
        made = [
            {"key": key, "channel": channel, "status": "sent", "tries": 1, "sent_at": MONDAY + timedelta(minutes=1)}
            for key in listed[::2]
            for channel in ("log", "hook")
        ]
        connection.execute(deliveries.insert(), made)


def tell_of_an_incident(database: Engine) -> None:
    with writing(database) as connection:
        connection.execute(text(OF_AN_INCIDENT))


def test_messages_and_deliveries_survive_it(database_url: str) -> None:
    migrate(database_url)  # makes the folder, too
    database = engine(database_url)
    step(database, command.downgrade, "base")
    step(database, command.upgrade, BEFORE)
    fill(database)
    before = rows(database, notifications), rows(database, deliveries)
    assert len(before[0]) > 10
    assert len(before[1]) > 10
    with pytest.raises(IntegrityError):
        tell_of_an_incident(database)

    step(database, command.upgrade, THIS)

    assert (rows(database, notifications), rows(database, deliveries)) == before
    tell_of_an_incident(database)
    with database.connect() as connection:
        shown = inspect(connection)
        assert {"incidents", "incident_events"} <= {*shown.get_table_names()}
        [key] = shown.get_foreign_keys("deliveries")
        assert (key["referred_table"], key["constrained_columns"]) == ("notifications", ["key"])
        found = {index["name"] for name in ("notifications", "deliveries") for index in shown.get_indexes(name)}
        assert found == {"ix_notifications_under_way", "ix_notifications_dead", "ix_deliveries_under_way"}
    migrate(database_url)
    database.dispose()


def test_its_way_back_leaves_the_messages(database_url: str) -> None:
    migrate(database_url)
    database = engine(database_url)
    step(database, command.downgrade, THIS)
    fill(database)
    before = rows(database, notifications), rows(database, deliveries)
    step(database, command.downgrade, BEFORE)
    with database.connect() as connection:
        assert not {"incidents", "incident_events"} & {*inspect(connection).get_table_names()}
    step(database, command.upgrade, "head")
    assert (rows(database, notifications), rows(database, deliveries)) == before
    database.dispose()
