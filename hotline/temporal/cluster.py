"""Preparation of a Temporal cluster: namespace, retention and search attributes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import TypeVar

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice import v1 as temporal
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.run_status import if_found, none_on
from domain.shared.errors import OperatorError
from workflows.kit.search_attributes import COLUMNS, REGISTRY

# A cluster's front ends learn of a new namespace or attribute by refreshing a cache.
SHOWN_WITHIN_SECONDS = 60.0
PAUSE_SECONDS = 0.2
_REMOVE = "`temporal operator search-attribute remove --name NAME`"
T = TypeVar("T")

# Each call may be made twice, so each is retried: a server closes every connection after some minutes, and a request
# that was just about to go through it is cancelled.


async def prepare(client: Client, retention: timedelta, *, shorten: bool = False) -> str:
    """Add the client's namespace and every search attribute of the registry, set the retention; say what was done.

    `shorten`: also shorten a longer retention, which deletes histories; otherwise it stays. Raises OperatorError if an
    attribute exists with another type, or the cluster refuses.
    """
    try:
        namespace = "added" if await _add_namespace(client, retention) else "was there"
        kept = await _set_retention(client, retention, shorten=shorten)
        added, moved = await _add_attributes(client)
        attributes = ", ".join(added) or "none, all were there"
        attributes += f"; moved, what is listed of earlier changes may be wrong: {', '.join(moved)}" if moved else ""
    except RPCError as error:
        raise OperatorError(f"Temporal refuses to be set up: {error.message}") from error
    address = client.service_client.config.target_host
    return f"{address}: namespace {client.namespace} {namespace}, {kept}; search attributes added: {attributes}"


async def _add_namespace(client: Client, retention: timedelta) -> bool:
    """Wait until the cluster shows it. Returns False if it exists already."""
    described = temporal.DescribeNamespaceRequest(namespace=client.namespace)

    async def described_or_none() -> object | None:
        return await if_found(client.workflow_service.describe_namespace(described, retry=True))

    if await described_or_none() is not None:
        return False
    request = temporal.RegisterNamespaceRequest(
        namespace=client.namespace, description="Complaint hotline of a water company"
    )
    request.workflow_execution_retention_period.FromTimedelta(retention)
    await none_on(RPCStatusCode.ALREADY_EXISTS, client.workflow_service.register_namespace(request, retry=True))
    await _wait_until_shown(described_or_none, f"the namespace {client.namespace}")
    return True


async def retention_of(client: Client) -> timedelta:
    """Time for which the namespace keeps the history of an ended workflow. Raises RPCError."""
    described = temporal.DescribeNamespaceRequest(namespace=client.namespace)
    found = await client.workflow_service.describe_namespace(described, retry=True)
    return found.config.workflow_execution_retention_ttl.ToTimedelta()


async def _set_retention(client: Client, wanted: timedelta, *, shorten: bool) -> str:
    """Raise the retention to the wanted one, or shorten it if that is permitted; return what is kept for how long."""
    before = await retention_of(client)
    if before == wanted or (before > wanted and not shorten):
        return f"keeps ended histories for {before.days} days"
    request = temporal.UpdateNamespaceRequest(namespace=client.namespace)
    request.config.workflow_execution_retention_ttl.FromTimedelta(wanted)
    await client.workflow_service.update_namespace(request, retry=True)

    async def changed() -> bool | None:
        return True if await retention_of(client) == wanted else None

    await _wait_until_shown(changed, f"the retention of {wanted.days} days")
    return f"keeps ended histories for {wanted.days} days (before: {before / timedelta(days=1):g})"


async def _add_attributes(client: Client) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Wait until the cluster takes them; return them, and those that had the column of another one."""
    wanted = {key.name: int(key.indexed_value_type) for key in REGISTRY}
    request = ListSearchAttributesRequest(namespace=client.namespace)

    async def missing() -> tuple[str, ...] | None:
        # A namespace that was just made is not known to this part of the cluster yet.
        listed = await if_found(client.operator_service.list_search_attributes(request, retry=True))
        return None if listed is None else _missing(listed.custom_attributes, wanted)

    async def usable() -> object | None:
        # The front end that starts workflows learns of them seconds after the one that lists them.
        naming_all = " AND ".join(f"{name} IS NULL" for name in wanted)
        return await none_on(RPCStatusCode.INVALID_ARGUMENT, client.count_workflows(naming_all))

    if added := await _wait_until_shown(missing, f"the namespace {client.namespace}"):
        adding = AddSearchAttributesRequest(namespace=client.namespace)
        for name in added:
            adding.search_attributes[name] = IndexedValueType.ValueType(wanted[name])
        try:
            added_now = client.operator_service.add_search_attributes(adding, retry=True)
            await none_on(RPCStatusCode.ALREADY_EXISTS, added_now)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT:  # as where all columns of a type are taken
                raise
            listed = await client.operator_service.list_search_attributes(request, retry=True)
            if not (others := sorted(listed.custom_attributes.keys() - wanted.keys())):
                raise
            remedy = f"Remove others: {', '.join(others)} ({_REMOVE}), or use another namespace."
            raise OperatorError(f"Temporal adds no search attribute: {error.message} {remedy}") from error
    moved = tuple(name for name in await _restore_columns(client) if name not in added)
    # Somebody else may have added them a moment ago.
    await _wait_until_shown(usable, f"the search attributes {', '.join(wanted)}")
    return added, moved


async def _restore_columns(client: Client) -> Iterable[str]:
    """Keep each search attribute in its own column of Temporal's SQL; Elasticsearch has none. Return those moved.

    Temporal gives an attribute that is added any free column, so one that somebody has removed would be lost for all
    workflows that have it.
    """
    described = temporal.DescribeNamespaceRequest(namespace=client.namespace)
    found = await client.workflow_service.describe_namespace(described, retry=True)
    names = found.config.custom_search_attribute_aliases
    theirs = {column for column, name in names.items() if name not in COLUMNS.values()}
    wanted = {column: name for column, name in COLUMNS.items() if column not in theirs and names.get(column) != name}
    left = dict.fromkeys((column for column, name in names.items() if name in wanted.values()), "")
    # A column that has a name takes no other one.
    for change in (left | dict.fromkeys(wanted, ""), wanted) if names and wanted else ():
        request = temporal.UpdateNamespaceRequest(namespace=client.namespace)
        request.config.custom_search_attribute_aliases.update(change)
        await client.workflow_service.update_namespace(request, retry=True)
    return wanted.values() if names else ()


def _missing(found: Mapping[str, int], wanted: Mapping[str, int]) -> tuple[str, ...]:
    clashes = [
        f"{name} has type {_type_name(found[name])} and should have {_type_name(kind)}"
        for name, kind in wanted.items()
        if found.get(name, kind) != kind
    ]
    if clashes:
        remedy = f"Remove them ({_REMOVE}), or use another namespace."
        raise OperatorError(f"search attributes exist with another type: {'; '.join(clashes)}. {remedy}")
    return tuple(name for name in wanted if name not in found)


def _type_name(kind: int) -> str:
    return IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").lower()


async def _wait_until_shown(find: Callable[[], Awaitable[T | None]], awaited: str) -> T:
    """Try until the result is not None. Raises OperatorError after `SHOWN_WITHIN_SECONDS`."""
    give_up_at = time.monotonic() + SHOWN_WITHIN_SECONDS
    while (found := await find()) is None:
        if time.monotonic() > give_up_at:
            raise OperatorError(f"Temporal does not show {awaited} after {SHOWN_WITHIN_SECONDS:g} s")
        await asyncio.sleep(PAUSE_SECONDS)
    return found
