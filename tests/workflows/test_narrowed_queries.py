"""Narrowed queries, asked of the real server with each of its two query converters: they find no more than they may."""

import random
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from api.edge.problems import ProblemError
from api.temporal_ui.reading import narrowed
from tests.support.hotline import until
from tests.support.temporal import temporal_server
from tests.support.visibility import FRAGMENTS
from workflows.kit.search_attributes import REGISTRY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

KEYS = {key.name: key for key in REGISTRY}
CONDITION = 'Department = "repair" OR Involved = "repair"'
SHOWN: list[tuple[bool, dict[str, Any]]] = [
    (True, {"Department": "repair", "State": "open"}),
    (True, {"Department": "metering", "Involved": ["repair", "billing"], "Owner": "x"}),
    (True, {"Involved": ["repair"], "State": "x"}),
    (False, {"Department": "metering", "State": "open", "Owner": "x"}),
    (False, {"Department": "metering", "Involved": ["billing"], "State": "x"}),
    (False, {"Owner": 'a"b'}),
    (False, {}),
]
"""Workflows with their search attributes, and True if the condition is about them."""
ASKED = 400
"""Random queries that the server is asked."""
COMPARISONS = (
    'Department = "metering"',
    'Department != "repair"',
    "Department IS NULL",
    'Involved = "billing"',
    "Involved IS NOT NULL",
    'Involved NOT IN ("repair", "x")',
    "State = 'open'",
    'State != "open"',
    'State IN ("open", "x")',
    'Owner = "a\\"b"',
    "Owner = 'a\"b'",
    "Owner = 'a\\\\' OR Owner = 'x'",
    'WorkflowId STARTS_WITH "complaint-"',
    'ExecutionStatus = "Running"',
    "HistoryLength IS NULL",
    'TemporalNamespaceDivision = "x" OR TemporalNamespaceDivision IS NULL',
    '`State` BETWEEN "a" AND "z"',
)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["true", "false"], ids=["unified", "separate"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of a server whose unified query converter is on, and of one where it is off; both have the workflows."""
    async with await temporal_server(f"system.visibilityEnableUnifiedQueryConverter={request.param}") as environment:
        for seen, shown in SHOWN:
            pairs = [SearchAttributePair(KEYS[key], value) for key, value in shown.items()]
            await environment.client.start_workflow(
                "ComplaintWorkflow",
                id=f"complaint-{'seen' if seen else 'other'}-{uuid.uuid4().hex}",
                task_queue="nobody",
                search_attributes=TypedSearchAttributes(pairs),
            )
        await until(lambda: environment.client.count_workflows(""), lambda found: found.count == len(SHOWN))
        yield environment.client


async def found(client: Client, query: str) -> frozenset[str] | None:
    """Return the ids of what a query finds; None if the server does not take it."""
    try:
        return frozenset([each.id async for each in client.list_workflows(query)])
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            raise
        return None


def ours(names: frozenset[str] | None) -> frozenset[str]:
    return frozenset(name for name in names or () if name.startswith("complaint-seen-"))


def joined(chance: random.Random, depth: int = 3) -> str:
    """Return a random query of comparisons."""
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(COMPARISONS)
    inner = f"{joined(chance, depth - 1)} {chance.choice(['AND', 'OR', 'or'])} {joined(chance, depth - 1)}"
    return chance.choice([inner, f"({inner})", f"NOT ({inner})"])


def mixed(chance: random.Random) -> str:
    """Return a query of comparisons with pieces put in, cut out, or doubled somewhere."""
    query = joined(chance, 2)
    for _ in range(chance.randint(1, 3)):
        at, end = sorted(chance.randint(0, len(query)) for _ in range(2))
        query = chance.choice(
            [
                query[:at] + chance.choice(FRAGMENTS) + query[at:],
                query[:at] + query[end:],
                query[:at] + query[at:end] * 2,
            ]
        )
    return query


async def test_the_condition_alone_finds_what_it_should(client: Client) -> None:
    every, narrow = await found(client, ""), await found(client, narrowed("", CONDITION))
    assert len(every or ()) == len(SHOWN)
    assert narrow == ours(every)
    assert len(narrow) == sum(seen for seen, _ in SHOWN)


async def test_a_narrowed_query_finds_what_both_find(client: Client) -> None:
    chance = random.Random(1)  # noqa: S311 - the same queries each time
    several = 0
    for _ in range(ASKED):
        query = joined(chance)
        plain, narrow = await found(client, query), await found(client, narrowed(query, CONDITION))
        assert narrow == (None if plain is None else ours(plain)), query
        several += bool(narrow) and plain != narrow
    assert several > ASKED / 10


async def test_whatever_is_sent_finds_nothing_beyond_the_condition(client: Client) -> None:
    chance = random.Random(2)  # noqa: S311 - as above
    taken = 0
    for _ in range(10 * ASKED):
        query = mixed(chance)
        try:
            narrow = await found(client, narrowed(query, CONDITION))
        except ProblemError:
            continue
        taken += narrow is not None
        assert narrow is None or narrow == ours(narrow), query
    assert taken > ASKED / 4


async def test_counts_are_narrowed_too_by_status_as_well(client: Client) -> None:
    mine = sum(seen for seen, _ in SHOWN)
    for query in ("", 'ExecutionStatus = "Running"'):
        grouped = await client.count_workflows(narrowed(f"{query} GROUP BY ExecutionStatus", CONDITION, counted=True))
        assert [(group.group_values, group.count) for group in grouped.groups] == [(["Running"], mine)]
        assert (await client.count_workflows(narrowed(query, CONDITION))).count == mine
