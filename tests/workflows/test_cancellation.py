"""*Request Cancellation* in the Temporal UI leaves an entry in the timeline, and everything else as it was."""

import json

import pytest
from temporalio.client import WorkflowExecutionStatus

from domain.case.actions.arrive import Arrive
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.sign_for import SignFor
from tests.replay.incident_paths import OVER
from tests.support.causes import declare, linked, replied
from tests.support.hotline import Complaint, Hotline, until
from tests.workflows.test_cold import replays

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def running(complaint: Complaint) -> bool:
    return (await complaint.handle.describe()).status is WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize("reason", ["", "a slip\0 of the hand"])
async def test_a_requested_cancellation_changes_nothing_but_the_timeline(hotline: Hotline, reason: str) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    before = await complaint.view()
    await complaint.published(2)
    await complaint.handle.cancel(reason=reason)
    *_, entry = await complaint.published(3)
    expected = ("system", "cancellation_requested", "dispatched", "dispatched")
    assert (entry["actor"], entry["action"], entry["from_state"], entry["to_state"]) == expected
    after = await complaint.view()
    volatile = {"version": 3, "clocks": before.clocks}
    assert after.model_copy(update=volatile) == before.model_copy(update={"version": 3})
    assert [clock.due_at for clock in after.clocks] == [clock.due_at for clock in before.clocks]
    assert await running(complaint)


async def test_a_case_goes_on_after_a_requested_cancellation(hotline: Hotline) -> None:
    """Its timer rings, actions are taken, and a worker without memory replays it."""
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.published(2)
    await complaint.handle.cancel(reason="a slip")
    await complaint.published(3)
    await complaint.ahead(minutes=11)
    await until(complaint.view, lambda view: view.sla == "missed")
    for body in (SignFor(), Arrive()):
        await complaint.act(body)
    rows = await complaint.published((await complaint.view()).version)
    assert json.loads(rows[2]["data"]) == {"reason": "a slip"}
    assert [row["action"] for row in rows][-2:] == ["sign_for", "arrive"]
    await replays(complaint.handle)


async def test_a_cancellation_requested_at_once_loses_no_registration(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.handle.cancel()
    rows = await complaint.published(2)
    assert [row["action"] for row in rows] == ["register", "cancellation_requested"]


async def test_an_incident_goes_on_after_a_requested_cancellation(hotline: Hotline) -> None:
    cause = await declare(hotline, "torch")
    (complaint,) = await linked(hotline, cause, 1)
    await cause.handle.cancel(reason="a slip")
    *_, entry = await cause.published("declare", "cancellation_requested")
    assert (entry["from_state"], entry["to_state"]) == ("confirmed", "confirmed")
    await cause.act(OVER)
    await replied(complaint)
    await cause.handle.result()
    await replays(cause.handle)
