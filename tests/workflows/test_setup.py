"""Preparation of a namespace: its retention is raised, and shortened only if the operator says so."""

from datetime import timedelta

import pytest
from temporalio.client import Client

from hotline.temporal.setup import prepare, retention_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

MONTH, QUARTER = timedelta(days=30), timedelta(days=90)


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
