"""Preparation of a namespace: its retention is raised, and shortened only if the operator says so."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType

from hotline.temporal.cluster import prepare, retention_of
from tests.support.temporal import temporal_server
from workflows.kit.search_attributes import REGISTRY, typed

pytestmark = pytest.mark.asyncio(loop_scope="session")

MONTH, QUARTER = timedelta(days=30), timedelta(days=90)
SAMPLES = {
    SearchAttributeIndexedValueType.KEYWORD: "x",
    SearchAttributeIndexedValueType.KEYWORD_LIST: ["x"],
    SearchAttributeIndexedValueType.DATETIME: datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("name", ["retention-new", "retention-old"])
async def test_retention_is_raised_and_shortened_only_on_purpose(temporal: Client, name: str) -> None:
    client = Client(temporal.service_client, namespace=name)
    if name == "retention-old":
        await prepare(client, timedelta(days=1))
        assert "keeps ended histories for 30 days (before: 1)" in await prepare(client, MONTH)
    else:
        assert f"namespace {name} added, keeps ended histories for 30 days;" in await prepare(client, MONTH)
    assert await retention_of(client) == MONTH

    await prepare(client, QUARTER)
    assert "keeps ended histories for 90 days;" in await prepare(client, MONTH)
    assert await retention_of(client) == QUARTER

    await prepare(client, MONTH, shorten=True)
    assert await retention_of(client) == MONTH


@pytest.mark.slow
async def test_the_front_end_takes_every_search_attribute_once_it_is_prepared() -> None:
    """With the settings of `hotline up`; the service prepares it, and so may an operator at the same time."""
    async with await temporal_server("system.forceSearchAttributesCacheRefreshOnRead=false") as server:
        client = Client(server.client.service_client, namespace="attributes-new")
        await asyncio.gather(*(prepare(client, MONTH) for _ in range(2)))
        # Whoever rebuilds workflows starts thousands at once.
        attributes = typed({key: SAMPLES[key.indexed_value_type] for key in REGISTRY})
        await client.start_workflow("AnyWorkflow", id="any", task_queue="none", search_attributes=attributes)
