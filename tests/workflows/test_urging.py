"""Notices of urging and criticism in a real workflow whose time is skipped: on time, and of late cases alone."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.commands import Arrive, Complete, Dispatch, FollowUp, Reply, Resume, SignFor, Suspend
from domain.terms import Terms
from tests.hotline import Complaint, Hotline

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = (Dispatch(department="repair"), SignFor(), Arrive(), Complete(result="好了"), Reply(message="已修好"))
TO_CREW = STEPS[:2]


async def brought_to(complaint: Complaint, steps: tuple[Any, ...]) -> Complaint:
    """Each step when the one before is published, so that every case publishes as often."""
    for body in steps:
        outcome = await complaint.act(body)
        await complaint.published(outcome.version)
    return complaint


async def due(complaint: Complaint) -> datetime:
    """When the case is to be settled."""
    (clock,) = [clock for clock in (await complaint.view()).clocks if clock.name == "resolve"]
    assert clock.due_at
    return clock.due_at


async def papers(complaint: Complaint) -> list[tuple[str, datetime]]:
    """The documents in SQL, each with the instant at which it fell due."""
    rows = await complaint.published((await complaint.view()).version)
    issued = [row for row in rows if row["action"] in ("notice", "criticise")]
    return [(row["action"], datetime.fromisoformat(json.loads(row["data"])["fell_at"])) for row in issued]


async def test_both_come_by_themselves_and_their_recipients_are_told(house: Hotline) -> None:
    complaint = await brought_to(await house.start(), TO_CREW)
    noticed = await due(complaint) + timedelta(days=1)
    await complaint.ahead(days=2, seconds=2)
    assert await papers(complaint) == [("notice", noticed)]
    calendar = house.catalogue.terms("no_water", "west", noticed).calendar
    criticised = calendar.add(noticed, 5 * calendar.day_seconds)
    await complaint.ahead(seconds=(criticised - noticed).total_seconds() + 2)
    assert await papers(complaint) == [("notice", noticed), ("criticise", criticised)]
    told = Counter(row["kind"] for row in await complaint.rows("notifications"))
    assert (told["notice"], told["criticise"]) == (3, 5)
    assert {"noticed", "criticised"} <= {*(await complaint.view()).flags}


async def test_the_notice_waits_as_long_as_the_case_does(house: Hotline) -> None:
    complaint = await brought_to(await house.start(), TO_CREW)
    noticed = await due(complaint) + timedelta(days=1)
    await complaint.ahead(hours=30)
    asleep = await complaint.now()
    await complaint.act(Suspend(reason="等用户"))
    await complaint.ahead(days=10)
    assert await papers(complaint) == []
    await complaint.act(Resume(note="用户来电"))
    slept = await complaint.now() - asleep
    await complaint.ahead(hours=19)
    ((kind, fell_at),) = await papers(complaint)
    assert kind == "notice"
    assert abs(fell_at - noticed - slept) < timedelta(minutes=1)


async def test_a_case_in_time_costs_no_more_than_one_without_these_rules(house: Hotline) -> None:
    counted = []
    for rules in (True, False):
        registration = house.registration()
        old = registration.terms.process.model_copy(update={"urging": None})
        terms = registration.terms if rules else registration.terms.model_copy(update={"process": old})
        complaint = await brought_to(await house.start(terms=Terms.model_validate(terms)), STEPS)
        await complaint.act(FollowUp(outcome="satisfied"))
        await complaint.ahead(hours=73)
        await complaint.closed()
        history = await complaint.handle.fetch_history()
        kinds = Counter(event.event_type for event in history.events)
        # Workflow tasks come and go with the machine's pace; what they ask for does not.
        asked = {event.event_type for event in history.events if event.WhichOneof("attributes") not in _PACE}
        counted.append({kind: kinds[kind] for kind in asked})
    assert counted[0] == counted[1]


_PACE = {
    "workflow_task_scheduled_event_attributes",
    "workflow_task_started_event_attributes",
    "workflow_task_completed_event_attributes",
    "workflow_task_failed_event_attributes",
    "workflow_task_timed_out_event_attributes",
}
