"""Keys that are lost: no program makes new ones by itself while a store holds cases that were sealed with them."""

import asyncio

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from hotline.keys import KeysError, ring_of
from hotline.settings import Settings
from readmodel.case_queries import has_cases
from readmodel.database import exists, opened, reading
from readmodel.tables import cases
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow

_CASES = f'WorkflowType IN ("{ComplaintWorkflow.__name__}", "{IncidentWorkflow.__name__}")'


def require_keys(settings: Settings) -> bool:
    """Return True if there is a key or SQL holds no case, False if there is none and SQL does not answer.

    Raises KeysError if the ring cannot be read, or if it is gone and SQL has cases.
    """
    if ring_of(settings).list():
        return True
    if found := _sql_has_cases(settings.database_url):
        raise _lost(settings, "the read model")
    return found is not None


async def make_missing_keys(client: Client, settings: Settings) -> bool:
    """Make the first key if neither store holds cases; return True if there is a key. Raises KeysError.

    None is made while a store does not answer: the API starts without it, and seals nothing.
    """
    if (ring := ring_of(settings)).list():
        return True
    if not await asyncio.to_thread(require_keys, settings):
        return False
    try:
        found = (await client.count_workflows(_CASES)).count
    except (RPCError, RuntimeError) as error:
        if not isinstance(error, RPCError) or error.status is not RPCStatusCode.NOT_FOUND:
            return False
        found = 0  # no namespace yet
    if found:
        raise _lost(settings, "Temporal")
    ring.rotate()
    return True


def _lost(settings: Settings, store: str) -> KeysError:
    return KeysError(
        f"{settings.keys_file} is gone, and {store} holds cases that were sealed with its keys. Put back the file of"
        " the last backup. Without one, `hotline keys rotate` makes a new key, and `hotline rebuild workflows` brings"
        " open cases back from SQL."
    )


def _sql_has_cases(url: str) -> bool | None:
    """Return None if SQL does not answer."""
    if not exists(url):
        return False
    try:
        with opened(url, read_only=True) as database, reading(database) as connection:
            return inspect(connection).has_table(cases.name) and has_cases(connection)
    except SQLAlchemyError:
        return None
