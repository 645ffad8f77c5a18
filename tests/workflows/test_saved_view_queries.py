"""Queries of the saved views, asked of the real server with each of its two query converters."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from api.temporal_ui.pages import VIEWS, View, of_today, personal
from domain.calendar.work_calendar import USUAL_ZONE
from tests.support.hotline import until
from tests.support.temporal import temporal_server
from workflows.kit.search_attributes import REGISTRY

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

NOW = datetime.now(UTC)
ME = "O'Brien (陈) OR Owner = chen"
"""An id that would end the text in a query if it were not quoted."""
ALL = [*VIEWS, *of_today(NOW, USUAL_ZONE), *personal(ME, "repair")]
KEYS = {key.name: key for key in REGISTRY}
Shown = dict[str, Any]

LATE, LATER = NOW - timedelta(hours=1), NOW + timedelta(days=2)
WAITING = {"State": "dispatched", "Incident": "i26080347119"}
OPEN: Shown = {"State": "in_progress"}
ENDED = ("closed", "withdrawn")
CASES: dict[str, tuple[list[Shown], list[Shown]]] = {
    "Breached now": ([OPEN | {"Sla": "missed"}], [OPEN | {"Sla": "at_risk"}, {"State": "closed", "Sla": "missed"}]),
    "Incidents": ([{"type": "IncidentWorkflow"}], [OPEN]),
    "Waiting for an incident": (
        [WAITING, WAITING | {"Flags": ["urged"]}],
        [
            {"State": "dispatched"},
            WAITING | {"State": "pending_reply"},
            WAITING | {"Involved": ["billing"]},
            WAITING | {"Flags": ["urged", "reworked"]},
            WAITING | {"Flags": ["reopened"]},
        ],
    ),
    "At risk": ([OPEN | {"Sla": "at_risk"}], [OPEN | {"Sla": "on_time"}]),
    "Emergencies": ([OPEN | {"Priority": "P1"}], [OPEN | {"Priority": "P2"}, {"State": "withdrawn", "Priority": "P1"}]),
    "To be dispatched": ([{"State": "registered"}, {"State": "pending_redispatch"}], [{"State": "dispatched"}]),
    "Several departments": ([OPEN | {"Involved": ["billing", "metering"]}], [OPEN]),
    "Thanks": ([{"State": "closed", "Service": "thanks"}], [OPEN | {"Service": "leak"}]),
    "Assessments": ([{"type": "AssessmentWorkflow"}], [OPEN]),
    "Reports": ([{"type": "ReportWorkflow"}], [OPEN]),
    "Catalogue rollouts": ([{"type": "CatalogueRolloutWorkflow"}], [OPEN]),
    "Due today": ([OPEN | {"NextDueAt": LATE}], [OPEN | {"NextDueAt": LATER}, OPEN]),
    "Follow-ups due today": (
        [{"State": "pending_follow_up", "NextDueAt": LATE}],
        [{"State": "pending_follow_up", "NextDueAt": LATER}, OPEN | {"NextDueAt": LATE}],
    ),
    "My cases": ([OPEN | {"Owner": ME}], [OPEN | {"Owner": "chen"}, {"State": "closed", "Owner": ME}]),
    "My department": (
        [OPEN | {"Department": "repair"}, {"State": "pending_reply", "Involved": ["billing", "repair"]}],
        [{"State": "pending_reply", "Department": "repair"}, OPEN | {"Department": "billing", "Involved": ["network"]}],
    ),
    **{
        name: ([{"State": state}], [OPEN])
        for name, state in (
            ("Not signed for", "dispatched"),
            ("Waiting for the caller", "suspended"),
            ("Awaiting approval", "awaiting_approval"),
            ("To be replied to", "pending_reply"),
            ("Follow-ups", "pending_follow_up"),
        )
    },
    **{
        name: ([OPEN | {"Flags": ["urged", flag]}], [OPEN, OPEN | {"Flags": ["urged"]}])
        for name, flag in (
            ("Credits to approve", "credit_waits"),
            ("Hardship", "hardship"),
            ("Repeat callers", "repeat_caller"),
            ("Possible duplicates", "possible_duplicate"),
            ("Reworked", "reworked"),
            ("Supervised", "supervised"),
            ("Extended", "extended"),
            ("Notices and criticism", "noticed"),
            ("Not delivered", "undelivered"),
        )
    },
}
"""Workflows that each view must list, and such that it must not: their search attributes, and type if it is no case."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["true", "false"], ids=["unified", "separate"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of a server whose unified query converter is on, and of one where it is off."""
    chosen = f"system.visibilityEnableUnifiedQueryConverter={request.param}"
    async with await temporal_server(chosen) as environment:
        yield environment.client


async def started(client: Client, shown: Shown) -> str:
    """Start a workflow with these search attributes and return its id; nobody works on it."""
    name = f"complaint-{uuid.uuid4().hex}"
    pairs = [SearchAttributePair(KEYS[key], value) for key, value in shown.items() if key != "type"]
    await client.start_workflow(
        shown.get("type", "ComplaintWorkflow"),
        id=name,
        task_queue="nobody",
        search_attributes=TypedSearchAttributes(pairs),
    )
    return name


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)
async def test_a_view_lists_what_fits_and_nothing_else_with_either_converter(client: Client, view: View) -> None:
    fitting, others = [[await started(client, shown) for shown in each] for each in CASES[view.name]]
    made = {*fitting, *others}
    either = " OR ".join(f'WorkflowId = "{name}"' for name in made)

    async def found(query: str) -> set[str]:
        return {each.id async for each in client.list_workflows(query)} & made

    await until(lambda: found(either), lambda names: names == made)
    assert await found(view.query) == {*fitting}
    assert (await client.count_workflows(f"({view.query}) AND ({either})")).count == len(fitting)
