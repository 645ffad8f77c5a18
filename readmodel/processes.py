"""Processes of the service: the installation, the ids of the keys of each, and the courier that sends."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Column, ColumnElement, DateTime, Integer, Table, Text, delete, func, literal, select, update

from readmodel.base.database import ReadConnection, WriteConnection, insert_missing, upsert_one
from readmodel.base.schema import CODE, UtcDateTime, code, metadata

installation = Table(
    "installation",
    metadata,
    Column("place", Integer, primary_key=True, comment="1, so that there is one row."),
    Column("id", CODE, nullable=False),
)
"""Id of the installation, which Temporal has as well."""

process_keys = Table(
    "process_keys",
    metadata,
    Column("process", code(300), primary_key=True, comment="Program, machine and process id."),
    Column("ids", Text, nullable=False, comment="Of its keys, with spaces between them."),
    Column("renewed_at", UtcDateTime, nullable=False),
)
"""Keys that the processes of the service have, which each states again and again."""

sealing_keys = Table(
    "sealing_keys",
    metadata,
    Column("id", CODE, primary_key=True),
    Column("last_at", UtcDateTime, nullable=False),
)
"""Keys that have sealed anything, and when last."""

courier = Table(
    "courier",
    metadata,
    Column("place", Integer, primary_key=True, comment="1, so that there is one row."),
    Column("holder", CODE, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Claim of the courier that sends, until an instant: of two at once, the second waits."""

LIVE = timedelta(minutes=1)
"""Time after which a process that did not state its keys again counts no more."""


def process_name(program: str, host: str, process: object) -> str:
    """Beginning of the name of a process; what tells apart those of one id follows."""
    return f"{program} on {host}, process {process}, run "


def keys_by_process(connection: ReadConnection, at: datetime) -> dict[str, frozenset[str]]:
    """Ids of the keys of each process that has stated them within LIVE."""
    since = _by_database(connection, at - LIVE)
    found = connection.execute(select(process_keys).where(process_keys.c.renewed_at > since))
    return {row.process: frozenset(row.ids.split()) for row in found}


def state(connection: WriteConnection, process: str, ids: Collection[str], at: datetime) -> None:
    """Write which keys a process has; those that count no more are forgotten."""
    connection.execute(delete(process_keys).where(process_keys.c.renewed_at <= _by_database(connection, at - LIVE)))
    values = {"process": process, "ids": " ".join(ids), "renewed_at": _by_database(connection, at)}
    upsert_one(connection, process_keys, values)


def state_sealing(connection: WriteConnection, key_id: str, at: datetime) -> None:
    upsert_one(connection, sealing_keys, {"id": key_id, "last_at": _by_database(connection, at)})


def last_sealed(connection: ReadConnection) -> dict[str, datetime]:
    return {row.id: row.last_at for row in connection.execute(select(sealing_keys))}


def claim(connection: WriteConnection, holder: str, at: datetime, until: datetime) -> bool:
    """Return True if this courier has the claim until then; False while another one has it."""
    insert_missing(connection, courier, [{"place": 1, "holder": holder, "until": at}])
    is_free = (courier.c.holder == holder) | (courier.c.until <= at)
    return connection.execute(update(courier).where(is_free).values(holder=holder, until=until)).rowcount == 1


def _by_database(connection: ReadConnection, at: datetime) -> ColumnElement[datetime]:
    """Database's clock at this instant of the process, as SQL: clocks of machines differ; SQLite has but one."""
    if connection.dialect.name == "sqlite":
        return literal(at, UtcDateTime)
    return func.clock_timestamp(type_=DateTime(timezone=True)) + (at - datetime.now(UTC))
