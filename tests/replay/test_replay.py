"""Recorded histories replay with today's workflows, and none is missing."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import worker
from domain.assessment.assessment import ASSESSMENT_KINDS, AssessmentBatch
from domain.case.actions import ACTIONS
from domain.case.actions.link_incident import KEPT, SETTLED
from domain.case.lifecycle import Event
from domain.case.state import ProjectionBatch
from domain.incident.incident import INCIDENT_KINDS, IncidentBatch
from hotline.recovery.histories import returned
from hotline.recovery.payloads import Origin
from hotline.temporal.converter import runner
from tests.replay.record import RECORDS
from tests.support.build import data_of
from tests.support.histories import NAMESPACE, opened, sealed
from tests.support.sealing import DATA_CONVERTER, SEALING
from workflows.complaint.workflow import LINKED, UNLINKED

HISTORIES = Path(__file__).parent / "histories"
FILES = sorted(HISTORIES.glob("*.json"))


@cache
def load(path: Path) -> WorkflowHistory:
    """The recorded history of this file, which no test changes."""
    return history_of(json.loads(path.read_text(encoding="utf-8")))


def history_of(recorded: dict[str, Any]) -> WorkflowHistory:
    """The recorded history, under the id of its workflow."""
    started = recorded["events"][0]["workflowExecutionStartedEventAttributes"]
    return sealed(WorkflowHistory.from_json(started["workflowId"], recorded))


def workflow_of(path: Path) -> str:
    started = load(path).events[0].workflow_execution_started_event_attributes
    return str(started.workflow_type.name)


def replayer(*workflows: type[Any], sandbox: bool = True) -> Replayer:
    return Replayer(
        workflows=workflows or worker.WORKFLOWS,
        workflow_runner=runner(sandbox=sandbox),
        namespace=NAMESPACE,
        **SEALING,
    )


async def published(path: Path) -> list[Event]:
    """The events that a complaint's batches carry: those that updates return, and those that it publishes."""
    if workflow_of(path) != "ComplaintWorkflow":
        return []
    batches = [
        batch
        for event in load(path).events
        for batch in (
            *await returned(Origin(DATA_CONVERTER, NAMESPACE, load(path).workflow_id), event),
            *await _inputs(path, event, "publish", ProjectionBatch),
        )
    ]
    return [event for batch in batches for event in batch.events]


async def _inputs(path: Path, event: HistoryEvent, name: str, kind: type[Any]) -> list[Any]:
    """Return the inputs with which this event schedules an activity of this name; empty if it is another event."""
    scheduled = event.activity_task_scheduled_event_attributes
    if scheduled.activity_type.name != name:
        return []
    place = Origin(DATA_CONVERTER, NAMESPACE, load(path).workflow_id)
    return await place.of(workflow_of(path), name).decode(scheduled.input.payloads, [kind])


ONE_RUN = {"PeriodEndWorkflow", "ReportWorkflow", "InstallationWorkflow"}
"""Workflows that end with their first run, or never."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_history_replays(path: Path) -> None:
    result = await replayer().replay_workflow(load(path), raise_on_replay_failure=True)
    assert result.replay_failure is None


def test_every_path_has_a_history_and_every_history_a_path() -> None:
    assert {path.stem for path in FILES} == set(RECORDS)


def test_every_workflow_of_the_worker_has_a_history() -> None:
    by_type = defaultdict(list)
    for path in FILES:
        by_type[workflow_of(path)].append(path.stem)
    names = {workflow._Definition.must_from_class(each).name for each in worker.WORKFLOWS}
    assert set(by_type) == names


async def test_the_histories_cover_the_whole_table() -> None:
    """Every offered row, from every source that a path can reach it from, to every target."""
    seen: set[tuple[str, str]] = set()
    for path in FILES:
        seen |= {(event.action, event.to_state.value) for event in await published(path)}
    wanted = {(row.name, target.value) for row in ACTIONS for target in row.targets}
    by_itself = {
        "escalate",
        "notice",
        "criticise",
        "undelivered",
        "recognise",
        "cancellation_requested",
        "catalogue_change",
        "credit",
    }
    stateless = {row.name for row in ACTIONS if not row.targets} | by_itself
    assert wanted - seen == set()
    assert stateless - {action for action, _ in seen} == set()


async def test_the_histories_of_assessments_cover_their_kinds() -> None:
    seen: set[str] = set()
    for path in FILES:
        for event in load(path).events:
            batches = await _inputs(path, event, "publish_assessment", AssessmentBatch)
            seen |= {each.action for batch in batches for each in batch.events}
    assert seen == {*ASSESSMENT_KINDS}


async def test_the_histories_of_incidents_cover_their_table() -> None:
    seen: set[str] = set()
    activities: set[str] = set()
    for path in FILES:
        for event in load(path).events:
            batches = await _inputs(path, event, "publish_incident", IncidentBatch)
            seen |= {each.action for batch in batches for each in batch.events}
            activities.add(event.activity_task_scheduled_event_attributes.activity_type.name)
    assert seen == {*INCIDENT_KINDS}
    assert {"gather_cases", "inform_callers", "settle_cases", "relink_cases"} <= activities


def test_cases_tell_of_every_change_of_their_incident() -> None:
    """They join one, leave one, and meet one that has ended."""
    signals, answers = set[str](), set[bytes]()
    for path in FILES:
        for event in opened(load(path)).events:
            signals.add(event.workflow_execution_signaled_event_attributes.signal_name)
            results = event.marker_recorded_event_attributes.details.get("result")
            answers |= {each.data for each in results.payloads} if results else set()
    assert {LINKED, UNLINKED} <= signals
    assert answers == {b"true", b"false"}


async def test_the_histories_have_every_answer_to_a_settlement() -> None:
    asked = {data_of(event).get("settled") for path in FILES for event in await published(path)}
    assert {SETTLED, KEPT} <= asked


def test_the_end_of_a_run_and_the_beginning_of_the_next_have_a_history() -> None:
    """Of each workflow that may be long; the watch, the courier and the reconciler begin each run alike."""
    ended, begun = set(), set()
    for path in FILES:
        first, last = load(path).events[0], load(path).events[-1]
        if last.HasField("workflow_execution_continued_as_new_event_attributes"):
            ended.add(workflow_of(path))
        if first.workflow_execution_started_event_attributes.continued_execution_run_id:
            begun.add(workflow_of(path))
    assert ended == {workflow._Definition.must_from_class(each).name for each in worker.WORKFLOWS} - ONE_RUN
    assert begun == ended - {"SurgeWatchWorkflow", "CourierWorkflow", "ReconcilerWorkflow"}
