"""Id of the installation, which both stores carry: no program takes the store of another installation for its own.

SQL has the id in a row, Temporal in the memo of a workflow. Programs and commands compare the two before they change
anything. A store without an id is adopted by `hotline migrate`, `hotline temporal-setup`, both of which `hotline up`
runs, and by a rebuild. If neither has one, the installation is new, and gets its first key; afterwards no program makes
a key by itself.
"""

import asyncio
import logging
import secrets
from itertools import count
from typing import NamedTuple

from sqlalchemy import inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from activities.run_status import if_found
from domain.shared.errors import OperatorError
from hotline.keys import KeysError, renew, ring_of
from hotline.settings import Settings
from hotline.temporal.connection import connect, known_address
from readmodel.base.database import ReadConnection, exists, insert_missing, lock, opened, reading, writing
from readmodel.cases.queries import has_cases
from readmodel.migrate import require_tables
from readmodel.processes import installation, last_sealed
from workflows.clients.upkeep import claim, installation_of

ID_BYTES = 8
ANSWER_SECONDS = 2.0
"""Longest wait for the answer of Temporal."""
AGAIN_SECONDS = 10.0
"""Pause before stores are compared again of which one did not answer."""
ID_LOCK = 7_238_877_701
"""Number of PostgreSQL's advisory lock for id and first key; any that nothing else uses."""
_CHOOSE = (
    "Set TEMPORAL_ADDRESS or HOTLINE_TEMPORAL_PORT, and HOTLINE_DATABASE_URL or HOTLINE_DATA_DIR, to those of one"
    " installation."
)

logger = logging.getLogger(__name__)


class ForeignStoreError(OperatorError):
    """Error of two stores that are not of one installation; the text names both ids and the remedy."""


class Store(NamedTuple):
    """Store in words, whether it answers, and the id that it has; None if it has none or does not answer."""

    name: str
    answers: bool = False
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {f'belongs to installation {self.id}' if self.id else 'has no id of an installation'}"


class Stores(NamedTuple):
    """Both stores of a process, as they were a moment ago."""

    sql: Store
    temporal: Store

    @property
    def answer(self) -> bool:
        return self.sql.answers and self.temporal.answers

    @property
    def are_of_one_installation(self) -> bool:
        """Return False if one does not answer or has none, True if both have the same id."""
        return self.sql.id is not None and self.sql.id == self.temporal.id

    def require_ids(self) -> None:
        """Raise ForeignStoreError if both answer and one has no id."""
        if self.answer and not (self.sql.id and self.temporal.id):
            adopt = "`hotline migrate` and `hotline temporal-setup` give both stores one id, if both are yours."
            raise ForeignStoreError(f"{self.sql}, and {self.temporal}. Nothing was changed. {adopt} {_CHOOSE}")


async def compare_stores(client: Client, settings: Settings) -> Stores:
    """Make and change nothing. Raises ForeignStoreError if they have two ids."""
    sql, temporal = await asyncio.gather(asyncio.to_thread(_sql, settings.database_url), _temporal(client))
    if sql.id and temporal.id and sql.id != temporal.id:
        raise ForeignStoreError(f"{sql}, and {temporal}. Nothing was changed. {_CHOOSE}")
    return Stores(sql, temporal)


async def connect_to_own(settings: Settings) -> Client:
    """Connect to Temporal for a command. Raises as `connect` and `require_own`."""
    client = await connect(settings)
    await require_own(client, settings)
    return client


async def require_own(client: Client, settings: Settings, program: str = "") -> None:
    """Raise OperatorError if Temporal and SQL are of two installations, or if keys are lost.

    A program that runs on does not start either if a store that answers has no id or other tables. Its keys are told
    to SQL also if they are lost, so that others say what is missing.
    """
    stores = await compare_stores(client, settings)
    if program:
        stores.require_ids()
        if stores.sql.answers:
            await asyncio.to_thread(require_tables, settings.database_url)
    await asyncio.to_thread(_renew, settings, program)
    require_keys(settings, *stores)


def require_keys(settings: Settings, *stores: Store) -> None:
    """Raise KeysError if the ring cannot be read, or if it is gone and a store, by default SQL, has an id."""
    known = next((each for each in stores or (_sql(settings.database_url),) if each.id), None)
    if not ring_of(settings).list() and known:
        raise KeysError(
            f"{settings.keys_file} is gone, and {known}. Copy the file of another machine, or put back that of the last"
            " backup. Without any, `hotline keys rotate` makes a new key, and `hotline rebuild workflows` brings open"
            " cases back from SQL."
        )


def _renew(settings: Settings, program: str) -> None:
    """Learn which keys others have, and state those of a program, in SQL; one that is silent knows nothing."""
    if exists(settings.database_url):
        try:
            # A command only reads, and so waits for no lock.
            with opened(settings.database_url, read_only=not program) as database, writing(database) as connection:
                renew(connection, ring_of(settings), program)
        except SQLAlchemyError as error:
            logger.warning("keys can be neither stated nor compared: %s of SQL", type(error).__name__)


def refuse_foreign(settings: Settings, wait_seconds: float = 0.0) -> None:
    """Raise ForeignStoreError if Temporal, whose address is known, answers within the time and is of another id."""

    async def compare() -> None:
        try:
            async with asyncio.timeout(wait_seconds + ANSWER_SECONDS):
                client = await connect(settings, wait_seconds=wait_seconds)
        except (RuntimeError, TimeoutError):
            return
        await compare_stores(client, settings)

    if known_address(settings):
        asyncio.run(compare())


async def adopt(client: Client, settings: Settings) -> str | None:
    """Give both stores one id; None if one is silent or has no tables. Raises OperatorError, RPCError, DBAPIError."""
    stores = await compare_stores(client, settings)
    if not stores.answer or (found := await asyncio.to_thread(_ensure_id, settings, stores.temporal.id)) is None:
        return None
    await if_found(claim(client, settings.task_queue, found))
    return (await compare_stores(client, settings)).temporal.id


async def until_compared(client: Client, settings: Settings) -> None:
    """Return when both stores answer and have one id. Raises ForeignStoreError, and KeysError if the keys are lost."""
    for tries in count():
        stores = await compare_stores(client, settings)
        if stores.are_of_one_installation:
            require_keys(settings, *stores)
            return
        if not tries:
            logger.warning("what runs for ever waits until both stores answer and have one id")
        # There is no event for a store that begins to answer.
        await asyncio.sleep(AGAIN_SECONDS)


def _sql(url: str) -> Store:
    name = f"the read model {make_url(url).render_as_string()}"
    if not exists(url):
        return Store(name)
    try:
        with opened(url, read_only=True) as database, reading(database) as connection:
            return Store(name, answers=True, id=_id_in(connection))
    except SQLAlchemyError:
        return Store(name)


def _id_in(connection: ReadConnection) -> str | None:
    """None if the read model has none, or no tables yet."""
    has_table = inspect(connection).has_table(installation.name)
    return connection.scalar(select(installation.c.id)) if has_table else None


def _ensure_id(settings: Settings, of_temporal: str | None) -> str | None:
    """Id of SQL, which takes that of Temporal or a new one if it had none; None if it has no tables yet.

    A new installation gets its first key.
    """
    with opened(settings.database_url) as database, writing(database) as connection:
        if not inspect(connection).has_table(installation.name):
            return None
        # Of two processes at once, the second finds id and key of the first.
        lock(connection, ID_LOCK)
        if known := _id_in(connection) or of_temporal:
            insert_missing(connection, installation, [{"place": 1, "id": known}])
            return known
        ring, made = ring_of(settings), secrets.token_hex(ID_BYTES)
        if not (ring.list() or has_cases(connection) or last_sealed(connection)):
            ring.rotate()
        insert_missing(connection, installation, [{"place": 1, "id": made}])
        return made


async def _temporal(client: Client) -> Store:
    name = f"Temporal at {client.service_client.config.target_host}, namespace {client.namespace},"
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return Store(name, answers=True, id=await installation_of(client))
    except (RPCError, RuntimeError, TimeoutError, ValueError):  # ValueError: it has something else than an id
        return Store(name)
