"""Signing keys that are lost: no program makes new ones by itself while a store holds cases signed with them."""

import asyncio

from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from hotline.settings import Settings
from hotline.signing_keys import SigningKeyFile, SigningKeysError
from readmodel.case_queries import has_cases
from readmodel.database import exists, opened, reading
from readmodel.tables import cases
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow

_CASES = f'WorkflowType IN ("{ComplaintWorkflow.__name__}", "{IncidentWorkflow.__name__}")'
_REMEDY = (
    "Put back the file of the last backup. Without one, `hotline signing rotate` makes a new key: what older cases"
    " publish by themselves then waits."
)


def require_keys(settings: Settings) -> bool:
    """Return True if there is a signing key or SQL holds no case, False if there is none and SQL does not answer.

    Raises SigningKeysError if a file of keys cannot be read, or if that of signing keys is gone and SQL has cases.
    """
    SigningKeyFile(settings.link_keys_file).list()
    if SigningKeyFile(settings.signing_keys_file).list():
        return True
    if found := _sql_has_cases(settings.database_url):
        raise _lost(settings, "the read model")
    return found is not None


async def require_signing_keys(client: Client, settings: Settings) -> bool:
    """Make the first signing key if neither store holds cases; return True if there is a key. Raises SigningKeysError.

    None is made while a store does not answer: the API starts without it, and signs nothing.
    """
    if (file := SigningKeyFile(settings.signing_keys_file)).list():
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
    file.newest()
    return True


def _lost(settings: Settings, store: str) -> SigningKeysError:
    file = settings.signing_keys_file
    return SigningKeysError(f"{file} is gone, and {store} holds cases that were signed with its keys. {_REMEDY}")


def _sql_has_cases(url: str) -> bool | None:
    """Return None if SQL does not answer."""
    if not exists(url):
        return False
    try:
        with opened(url, read_only=True) as database, reading(database) as connection:
            return inspect(connection).has_table(cases.name) and has_cases(connection)
    except SQLAlchemyError:
        return None
