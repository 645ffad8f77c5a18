"""Keys that are lost: no program makes new ones by itself while a store holds cases that were sealed with them."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from hotline.keys import KeysError, ring_of
from hotline.settings import Settings
from readmodel.case_queries import has_cases
from readmodel.database import ReadConnection, exists, lock, opened, writing
from readmodel.process_keys import keys_by_process, last_sealed, state_sealing
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow

_CASES = f'WorkflowType IN ("{ComplaintWorkflow.__name__}", "{IncidentWorkflow.__name__}")'

LOCK = 7_238_877_701
"""Number of PostgreSQL's advisory lock for the first key; any that nothing else uses."""


def require_keys(settings: Settings, *, make: bool = False) -> None:
    """Raise KeysError if the ring cannot be read, or if it is gone and SQL knows keys or cases.

    `make` makes a missing key if SQL answers and knows none, and tells SQL of it.
    """
    if (ring := ring_of(settings)).list() or not exists(settings.database_url):
        return
    # SQL that is silent, or has no tables yet, knows nothing.
    with suppress(SQLAlchemyError), opened(settings.database_url) as database, writing(database) as connection:
        # Of two machines at once, the second finds the key of the first.
        lock(connection, LOCK)
        if not ring.list():
            _refuse_lost(settings, connection)
            if make:
                made = ring.rotate()
                state_sealing(connection, made.id, made.created_at)


async def make_missing_keys(client: Client, settings: Settings) -> bool:
    """Make the first key if neither store knows keys or cases; return True if there is a key. Raises KeysError.

    None is made while a store does not answer: the API starts without it, and seals nothing.
    """
    if (ring := ring_of(settings)).list():
        return True
    answers, found = True, 0
    try:
        found = (await client.count_workflows(_CASES)).count
    except (RPCError, RuntimeError) as error:
        # It may have no namespace yet.
        answers = isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND
    if found:
        raise _lost(settings, "Temporal holds cases that were sealed with its keys")
    await asyncio.to_thread(require_keys, settings, make=answers)
    return bool(ring.list())


def _refuse_lost(settings: Settings, connection: ReadConnection) -> None:
    """Raise KeysError if SQL names keys, or holds cases."""
    live = keys_by_process(connection, datetime.now(UTC)).values()
    if named := sorted(frozenset(last_sealed(connection)).union(*live)):
        raise _lost(settings, f"SQL names the keys {', '.join(named)}")
    if has_cases(connection):
        raise _lost(settings, "the read model holds cases that were sealed with its keys")


def _lost(settings: Settings, why: str) -> KeysError:
    return KeysError(
        f"{settings.keys_file} is gone, and {why}. Copy the file of another machine, or put back that of the last"
        " backup. Without any, `hotline keys rotate` makes a new key, and `hotline rebuild workflows` brings open cases"
        " back from SQL."
    )
