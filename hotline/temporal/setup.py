"""Setup of a Temporal cluster for the service: namespace and search attributes. It may be repeated."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from workflows.presentation.search_attributes import REGISTRY

DEFAULT_RETENTION = timedelta(days=30)
# A cluster's front ends learn of a new namespace or attribute by refreshing a cache.
SEEN_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.2


class SetupError(Exception):
    """The cluster cannot be set up; the text gives the reason."""


@dataclass(frozen=True)
class Prepared:
    """Namespace and search attributes that setup added to the cluster; none if the cluster had them."""

    namespace_added: bool
    attributes_added: tuple[str, ...]


async def prepare(client: Client, retention: timedelta = DEFAULT_RETENTION) -> Prepared:
    """Add the client's namespace and every search attribute of the registry; what exists stays as it is.

    Args:
        client: connected to the namespace that the service will use.
        retention: how long a new namespace keeps the history of a workflow that has ended.

    Raises:
        SetupError: an attribute exists with another type, or the cluster refuses.
    """
    try:
        namespace_added = await _have_namespace(client, retention)
        attributes_added = await _have_attributes(client, REGISTRY)
    except RPCError as error:
        raise SetupError(f"Temporal refuses to be set up: {error.message}") from error
    return Prepared(namespace_added, attributes_added)


async def _have_namespace(client: Client, retention: timedelta) -> bool:
    if await _namespace_exists(client):
        return False
    period = Duration()
    period.FromTimedelta(retention)
    request = RegisterNamespaceRequest(
        namespace=client.namespace,
        description="Complaint hotline of a water company",
        workflow_execution_retention_period=period,
    )
    await _unless_it_exists(client.workflow_service.register_namespace(request))
    give_up_at = time.monotonic() + SEEN_WITHIN_SECONDS
    while not await _namespace_exists(client):
        await _pause(give_up_at, f"the namespace {client.namespace}")
    return True


async def _namespace_exists(client: Client) -> bool:
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


async def _have_attributes(client: Client, registry: Sequence[SearchAttributeKey[Any]]) -> tuple[str, ...]:
    wanted = {key.name: int(key.indexed_value_type) for key in registry}
    missing = _missing(await _attributes(client), wanted)
    if missing:
        request = AddSearchAttributesRequest(namespace=client.namespace)
        for name in missing:
            request.search_attributes[name] = IndexedValueType.ValueType(wanted[name])
        await _unless_it_exists(client.operator_service.add_search_attributes(request))
    give_up_at = time.monotonic() + SEEN_WITHIN_SECONDS
    while unseen := _missing(await _attributes(client), wanted):
        await _pause(give_up_at, f"the search attributes {', '.join(unseen)}")
    return missing


async def _attributes(client: Client) -> Mapping[str, int]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    give_up_at = time.monotonic() + SEEN_WITHIN_SECONDS
    while True:
        try:
            return dict((await client.operator_service.list_search_attributes(request)).custom_attributes)
        except RPCError as error:
            # A namespace that was just made is not known to this part of the cluster yet.
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
        await _pause(give_up_at, f"the namespace {client.namespace}")


def _missing(found: Mapping[str, int], wanted: Mapping[str, int]) -> tuple[str, ...]:
    clashes = [
        f"{name} has type {_type_name(found[name])} and should have {_type_name(kind)}"
        for name, kind in wanted.items()
        if found.get(name, kind) != kind
    ]
    if clashes:
        raise SetupError(f"search attributes exist with another type: {'; '.join(clashes)}. Use another namespace.")
    return tuple(name for name in wanted if name not in found)


def _type_name(kind: int) -> str:
    return IndexedValueType.Name(IndexedValueType.ValueType(kind)).removeprefix("INDEXED_VALUE_TYPE_").lower()


async def _unless_it_exists(call: Awaitable[object]) -> None:
    try:
        await call
    except RPCError as error:
        # Another process was faster, which is as good.
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


async def _pause(give_up_at: float, awaited: str) -> None:
    if time.monotonic() > give_up_at:
        raise SetupError(f"Temporal took the order but does not show {awaited} after {SEEN_WITHIN_SECONDS:g} s")
    await asyncio.sleep(LOOK_EVERY_SECONDS)
