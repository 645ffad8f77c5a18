"""Another catalogue reaches a running complaint: its clocks follow, once, and nothing is kept where nothing changes."""

import json
from datetime import timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.case.actions.dispatch import Dispatch
from domain.case.automatic.internal_updates import SAME_TERMS, NewTerms
from domain.catalogue.terms import Edition
from tests.support.copies import copied, send_to_next_run
from tests.support.hotline import Complaint, Hotline, until
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit import search_attributes as keys

pytestmark = pytest.mark.asyncio(loop_scope="session")

EDITION = Edition(digest="0123456789ab", name="Slow", name_zh="放宽")


async def relaxed(hotline: Hotline, complaint: Complaint, factor: int = 2) -> NewTerms:
    """Every promise so many times as long, and another priority."""
    terms = hotline.catalogue.terms("no_water", "west", (await complaint.view()).registered_at)
    promises = tuple(
        each.model_copy(update={"budget_seconds": factor * each.budget_seconds}) for each in terms.promises
    )
    return NewTerms(terms=terms.model_copy(update={"promises": promises, "priority": "P3"}), edition=EDITION)


async def refused(complaint: Complaint, new: NewTerms) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await complaint.tell(ComplaintWorkflow.catalogue_change, new)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.type


@pytest.mark.slow
async def test_due_times_move_and_escalations_follow_the_new_ones(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    await complaint.tell(ComplaintWorkflow.catalogue_change, await relaxed(hotline, complaint))
    view = await complaint.ahead(minutes=9)
    rows = await complaint.published(view.version)
    assert [row["action"] for row in rows] == ["register", "dispatch", "catalogue_change"]
    view = await complaint.ahead(minutes=2)
    rows = await complaint.published(view.version)
    [acknowledge] = [entry for entry in json.loads(rows[2]["data"])["moved"] if entry["clock"] == "acknowledge"]
    assert acknowledge["why"] == ["budget"]
    assert [json.loads(row["data"])["percent"] for row in rows[3:]] == [50]
    clock = next(each for each in view.clocks if each.name == "acknowledge")
    assert clock.started_at is not None
    assert clock.due_at == clock.started_at + timedelta(minutes=20)


async def test_the_priority_follows_in_sql_and_in_the_ui(hotline: Hotline) -> None:
    complaint = await hotline.start()
    await complaint.tell(ComplaintWorkflow.catalogue_change, await relaxed(hotline, complaint))
    view = await complaint.view()
    await complaint.published(view.version)
    assert view.catalogue_change is not None
    assert view.catalogue_change.catalogue == EDITION
    assert [row["priority"] for row in await complaint.rows("cases")] == ["P3"]

    async def shown() -> str | None:
        return (await complaint.handle.describe()).typed_search_attributes.get(keys.PRIORITY)

    assert await until(shown, lambda priority: priority == "P3") == "P3"


async def test_the_same_terms_again_leave_nothing_in_the_history(hotline: Hotline) -> None:
    complaint = await hotline.start()
    new = await relaxed(hotline, complaint)
    await complaint.tell(ComplaintWorkflow.catalogue_change, new)
    await complaint.published(2)
    assert await refused(complaint, new) == SAME_TERMS
    history = await complaint.handle.fetch_history()
    accepted = [
        event for event in history.events if event.HasField("workflow_execution_update_accepted_event_attributes")
    ]
    assert len(accepted) == 1
    assert (await complaint.view()).version == 2


async def test_a_copy_of_an_earlier_change_does_not_undo_a_later_one(hotline: Hotline) -> None:
    complaint = await hotline.start()
    for factor in (2, 3):
        await complaint.tell(ComplaintWorkflow.catalogue_change, await relaxed(hotline, complaint, factor))
    [first, _] = await copied(hotline.client, complaint.handle.id)
    await send_to_next_run(hotline.client, complaint.handle.id, first)
    assert (await complaint.view()).version == 3
