"""Id of the installation, which both stores carry: no program takes the store of another installation for its own.

SQL has it in a row, Temporal in the memo of a workflow. Programs and commands compare the two before they change
anything. A store without an id is adopted by `hotline migrate`, `hotline temporal-setup`, both of which `hotline up`
runs, and by a rebuild.
"""

import asyncio
import logging
import secrets
from typing import NamedTuple

from sqlalchemy import inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError

from activities.run_status import unless_gone
from domain.shared.operator_errors import OperatorError
from hotline.keys import renew
from hotline.lost_keys import make_missing_keys
from hotline.settings import Settings
from hotline.temporal.connection import connect, known_address
from readmodel.database import ReadConnection, exists, opened, reading, writing
from readmodel.migrate import require_tables
from readmodel.statements import insert_missing
from readmodel.tables import installation
from workflows.clients.singletons import claim, installation_of

ID_BYTES = 8
ANSWER_SECONDS = 2.0
"""Longest wait for the answer of Temporal."""
AGAIN_SECONDS = 10.0
"""Pause before stores are compared again of which one did not answer."""
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
        """Return True if both answer."""
        return self.sql.answers and self.temporal.answers

    def refuse_foreign(self) -> None:
        """Raise ForeignStoreError if the stores have two ids."""
        if self.sql.id and self.temporal.id and self.sql.id != self.temporal.id:
            raise ForeignStoreError(f"{self.sql}, and {self.temporal}. Nothing was changed. {_CHOOSE}")

    def require_one_id(self) -> None:
        """Raise ForeignStoreError if the stores have two ids, or if both answer and one has none."""
        self.refuse_foreign()
        if self.answer and not (self.sql.id and self.temporal.id):
            adopt = "`hotline migrate` and `hotline temporal-setup` give both stores one id, if both are yours."
            raise ForeignStoreError(f"{self.sql}, and {self.temporal}. Nothing was changed. {adopt} {_CHOOSE}")


async def look(client: Client, settings: Settings) -> Stores:
    """Return both stores as they are; nothing is made or changed."""
    return Stores(*await asyncio.gather(asyncio.to_thread(_sql, settings.database_url), _temporal(client)))


async def connect_to_own(settings: Settings) -> Client:
    """Connect to Temporal if it is not of another installation than SQL, and the keys are not lost.

    Raises OperatorError, and as `connect`.
    """
    client = await connect(settings)
    (await look(client, settings)).refuse_foreign()
    await make_missing_keys(client, settings)
    await asyncio.to_thread(renew, settings)
    return client


async def require_own(client: Client, settings: Settings, program: str) -> None:
    """Raise OperatorError if a program must not start: a store is not its own, has other tables, or keys are lost."""
    stores = await look(client, settings)
    stores.require_one_id()
    if stores.sql.answers:
        await asyncio.to_thread(require_tables, settings.database_url)
    if stores.answer:
        await _have_keys(client, settings, program)
    else:
        await make_missing_keys(client, settings)


def refuse_foreign(settings: Settings, wait_seconds: float = 0.0) -> None:
    """Raise ForeignStoreError if Temporal, whose address is known, answers within the time and is of another id."""

    async def compare() -> None:
        try:
            async with asyncio.timeout(wait_seconds + ANSWER_SECONDS):
                client = await connect(settings, wait_seconds=wait_seconds)
        except (RuntimeError, TimeoutError):
            return
        (await look(client, settings)).refuse_foreign()

    if known_address(settings):
        asyncio.run(compare())


async def adopt(client: Client, settings: Settings) -> str | None:
    """Give both stores the same id if both answer, and return it; None if one does not.

    Temporal decides between two that adopt at once. Raises OperatorError, RPCError and SQLAlchemyError.
    """
    stores = await look(client, settings)
    stores.refuse_foreign()
    if not stores.answer:
        return None
    if stores.temporal.id is None and await make_missing_keys(client, settings):
        await unless_gone(claim(client, settings.task_queue, stores.sql.id or secrets.token_hex(ID_BYTES)))
    if (found := await installation_of(client)) and not stores.sql.id:
        await asyncio.to_thread(_keep, settings.database_url, found)
    (await look(client, settings)).refuse_foreign()
    return found


async def are_of_one_installation(client: Client, settings: Settings) -> bool:
    """Return True if both stores have the same id, False if one does not answer or has none.

    Raises ForeignStoreError.
    """
    stores = await look(client, settings)
    stores.refuse_foreign()
    return bool(stores.sql.id and stores.temporal.id)


async def until_compared(client: Client, settings: Settings, program: str) -> None:
    """Return when both stores answer and have one id, and there are keys.

    Raises ForeignStoreError, and KeysError if the keys are lost.
    """
    # There is no event for a store that begins to answer.
    while not (  # noqa: ASYNC110
        await are_of_one_installation(client, settings) and await _have_keys(client, settings, program)
    ):
        await asyncio.sleep(AGAIN_SECONDS)


async def _have_keys(client: Client, settings: Settings, program: str) -> bool:
    """Return as `make_missing_keys`; SQL is told the keys also if they are lost, so that others say what is missing."""
    try:
        return await make_missing_keys(client, settings)
    finally:
        await asyncio.to_thread(renew, settings, program)


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
    """Return the id; None if the read model has none, or no tables yet."""
    has_table = inspect(connection).has_table(installation.name)
    return connection.scalar(select(installation.c.id)) if has_table else None


def _keep(url: str, value: str) -> None:
    """Store the id if the read model has tables and no id."""
    with opened(url) as database, writing(database) as connection:
        if inspect(connection).has_table(installation.name):
            insert_missing(connection, installation, [{"place": 1, "id": value}])


async def _temporal(client: Client) -> Store:
    name = f"Temporal at {client.service_client.config.target_host}, namespace {client.namespace},"
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return Store(name, answers=True, id=await installation_of(client))
    except (RPCError, RuntimeError, TimeoutError):
        return Store(name)
