"""Long lives, on a server that suggests a new run after a few events: how a run ends, and with what the next begins.

Activities of the watch, the courier and the reconciler last less than a second here.
"""

import itertools
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowHistory

from domain.assessment.actions import DecideObjection
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.withdraw import Withdraw
from domain.incident.actions import DispatchIncident, Inform
from tests.replay.assessment_paths import MANAGER, OBJECTION, SUPERVISOR
from tests.replay.incident_paths import OVER, ended, told
from tests.support.bulk import order_handover, put_in_force
from tests.support.causes import declare, linked
from tests.support.hotline import Hotline, until
from tests.support.months import RunningMonth
from workflows.bulk import RolloutStart
from workflows.clients.bulk import cancel_rollout, rollout_id, start_handover, start_rollout
from workflows.clients.start import Request
from workflows.clients.upkeep import COURIER, RECONCILER, SURGE_WATCH

DYNAMIC_CONFIG = "limit.historyCount.suggestContinueAsNew=25"
FIGURES_OBJECTED_TO = ("cases", "thanks", "signed_in_time", "replied_in_time")
_months = itertools.count(3)
SETTINGS: dict[str, Any] = {"watch_seconds": 0.2, "reconcile_seconds": 0.2}
LongPlay = Callable[[Hotline], Awaitable[WorkflowHandle[Any, Any]]]
"""Answers the first run."""


def with_short_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.poller.RUN_TIME", timedelta(seconds=0.5))


def of_run(play: LongPlay, place: int) -> Callable[[Hotline], Awaitable[WorkflowHistory]]:
    """The history of the run of this place, 0 for the first."""

    async def recorded(hotline: Hotline) -> WorkflowHistory:
        history = await (await play(hotline)).fetch_history()
        for _ in range(place):
            next_run = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            handle = hotline.client.get_workflow_handle(history.workflow_id, run_id=next_run)
            history = await handle.fetch_history()
        return history

    return recorded


async def this_run(hotline: Hotline, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """The run that there is now."""
    return hotline.client.get_workflow_handle(handle.id, run_id=(await handle.describe()).run_id)


async def case(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """Its key is known in the next run, and its promises and its timer go on."""
    complaint = await hotline.start()
    first = await this_run(hotline, complaint.handle)
    await complaint.act(Dispatch(department="repair"), key="first", digest="d")
    for version in itertools.count(3):
        await complaint.published(version - 1)
        if (await complaint.handle.describe()).run_id != first.run_id:
            break
        await complaint.act(Comment(note=f"第{version}次"))
    again = await complaint.act(Dispatch(department="repair"), key="first", digest="d")
    assert again.version == 2
    outcome = await complaint.act(Withdraw(reason="用户自行解决"))
    await complaint.published(outcome.version)
    await complaint.ahead(hours=73)
    await complaint.closed()
    return first


async def incident(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """Its cases, and the second search that is still to come, are carried over."""
    cause = await declare(hotline, "dachong")
    first = await this_run(hotline, cause.handle)
    await cause.act(DispatchIncident(department="repair"))
    await linked(hotline, cause, 2)
    for turn in itertools.count(1):
        await cause.act(Inform(message=f"第{turn}次"))
        await told(hotline, cause, 2 * turn)
        if (await cause.handle.describe()).run_id != first.run_id:
            break
    await cause.act(OVER)
    await ended(cause)
    return first


def a_round(hotline: Hotline, factor: int, page: int, settle_seconds: float = 3600) -> RolloutStart:
    """Of a catalogue whose promises take so many times as long."""
    catalogue = hotline.catalogue.model_copy(update={"time_scale": 1 / factor, "name": "Slower", "name_zh": "放慢"})
    return put_in_force(hotline, catalogue, page=page, settle_seconds=settle_seconds)


async def catalogue(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """Page after page, each of one case; the next run goes on at the last number."""
    for complaint in [await hotline.start() for _ in range(5)]:
        await complaint.published(1)
    start = a_round(hotline, 2, page=1)
    first = await this_run(hotline, await start_rollout(hotline.client, hotline.settings.task_queue, start))
    running = hotline.client.get_workflow_handle(rollout_id(start.edition))
    runs = {first.run_id}
    while len(runs) < 3:
        runs.add((await until(running.describe, lambda seen: seen.run_id not in runs)).run_id)
    return first


async def catalogue_cancelled(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """Ended for another catalogue, while registrations settle."""
    await (await hotline.start()).published(1)
    start = a_round(hotline, 3, page=500)
    running = await start_rollout(hotline.client, hotline.settings.task_queue, start)
    first = await this_run(hotline, running)
    await until(first.fetch_history, _sleeps)
    assert await cancel_rollout(hotline.client, hotline.settings.task_queue, start.edition)
    return first


def _sleeps(history: WorkflowHistory) -> bool:
    return any(event.HasField("timer_started_event_attributes") for event in history.events)


async def catalogue_in_its_second_look(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """All that were registered within the minute before the round are listed twice; answers the last run."""
    for complaint in [await hotline.start() for _ in range(8)]:
        await complaint.published(1)
    start = a_round(hotline, 4, page=1, settle_seconds=0)
    running = await start_rollout(hotline.client, hotline.settings.task_queue, start)
    await running.result()
    return await this_run(hotline, running)


async def handover(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """Page after page, each of one case; the next run goes on at the last number."""
    for complaint in [await hotline.start() for _ in range(6)]:
        await complaint.published(1)
    start, request = await order_handover(hotline, uuid.uuid4().hex, page=1), Request(key="")
    running = await start_handover(hotline.client, hotline.settings.task_queue, start, request)
    first = await this_run(hotline, running)
    assert (await running.result()).handed_over >= 6
    return first


async def assessment(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    """Objections, and the times in which they are to be decided, are carried over."""
    await (await hotline.start()).published(1)
    month = await RunningMonth.begin(hotline, f"2025-{next(_months):02}", sample_per_agent=0)
    first = await this_run(hotline, month.handle)
    await month.reaches("publish")
    for place, name in enumerate(FIGURES_OBJECTED_TO, start=1):
        await month.act(OBJECTION.model_copy(update={"figure": name}), SUPERVISOR)
        await month.act(DecideObjection(objection=place, accepted=False, reason="不属实"), MANAGER)
        await month.reaches("decide_objection")
    assert (await month.handle.describe()).run_id != first.run_id
    await month.ahead(days=16)
    await month.handle.result()
    return first


async def courier(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    return await _one_run(hotline, await COURIER.start(hotline.client, hotline.settings.task_queue))


async def reconciler(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    return await _one_run(hotline, await RECONCILER.start(hotline.client, hotline.settings.task_queue))


async def watch(hotline: Hotline) -> WorkflowHandle[Any, Any]:
    return await _one_run(hotline, await SURGE_WATCH.start(hotline.client, hotline.settings.task_queue))


async def _one_run(hotline: Hotline, handle: WorkflowHandle[Any, Any]) -> WorkflowHandle[Any, Any]:
    """Until the next run of the workflow."""
    first = await this_run(hotline, handle)
    await until(handle.describe, lambda seen: seen.run_id != first.run_id)
    return first


LONG = {
    "assessment_before_its_next_run": of_run(assessment, 0),
    "assessment_in_its_next_run": of_run(assessment, 1),
    "case_before_its_next_run": of_run(case, 0),
    "case_in_its_next_run": of_run(case, 1),
    "incident_before_its_next_run": of_run(incident, 0),
    "incident_in_its_next_run": of_run(incident, 1),
    "catalogue_before_its_next_run": of_run(catalogue, 0),
    "catalogue_in_its_next_run": of_run(catalogue, 1),
    "catalogue_cancelled": of_run(catalogue_cancelled, 0),
    "catalogue_in_its_second_look": of_run(catalogue_in_its_second_look, 0),
    "handover_before_its_next_run": of_run(handover, 0),
    "handover_in_its_next_run": of_run(handover, 1),
    "courier_before_its_next_run": of_run(courier, 0),
    "reconciler_before_its_next_run": of_run(reconciler, 0),
    "watch_before_its_next_run": of_run(watch, 0),
}
