"""Keys that each process of the service has, by their ids, and when each key sealed last. No secret is in SQL."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from readmodel.database import ReadConnection, WriteConnection
from readmodel.statements import upsert
from readmodel.tables import process_keys, sealing_keys

LIVE = timedelta(minutes=1)
"""Time after which a process that did not state its keys again counts no more."""


def keys_by_process(connection: ReadConnection, at: datetime) -> dict[str, frozenset[str]]:
    """Return the ids of the keys of each process that has stated them within LIVE."""
    found = connection.execute(select(process_keys).where(process_keys.c.renewed_at > at - LIVE))
    return {row.process: frozenset(row.ids.split()) for row in found}


def state(connection: WriteConnection, process: str, ids: Collection[str], at: datetime) -> None:
    """Write which keys a process has; those that count no more are forgotten."""
    connection.execute(delete(process_keys).where(process_keys.c.renewed_at <= at - LIVE))
    upsert(connection, process_keys, [{"process": process, "ids": " ".join(ids), "renewed_at": at}])


def state_sealing(connection: WriteConnection, key_id: str, at: datetime) -> None:
    """Write that a key seals."""
    upsert(connection, sealing_keys, [{"id": key_id, "last_at": at}])


def last_sealed(connection: ReadConnection) -> dict[str, datetime]:
    """Return when each key sealed last, to LIVE."""
    return {row.id: row.last_at for row in connection.execute(select(sealing_keys))}
