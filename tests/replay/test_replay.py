"""Recorded histories replay with today's workflows; none is missing, and a changed workflow is caught."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

import worker
from domain.batch import Batch
from domain.events import Event
from domain.incident_batch import IncidentBatch
from domain.incident_table import ABSORB, FINISH, INCIDENT_TABLE, STAY, SUSPECT
from domain.lifecycle import CREDIT, CRITICISE, ESCALATE, NOTICE, RECOGNISE, RETERM, ROWS, UNDELIVERED
from tests.replay.incident_paths import INCIDENT_PATHS
from tests.replay.paths import PATHS
from workflow_runner import runner
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow
from workflows.messages import ComplaintStart, IncidentStart

HISTORIES = Path(__file__).parent / "histories"
FILES = sorted(HISTORIES.glob("*.json"))


def load(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(f"complaint-{path.stem}", path.read_text(encoding="utf-8"))


def workflow_of(path: Path) -> str:
    started = load(path).events[0].workflow_execution_started_event_attributes
    return str(started.workflow_type.name)


def replayer(*workflows: type[Any], sandbox: bool = True) -> Replayer:
    return Replayer(
        workflows=workflows or worker.WORKFLOWS,
        workflow_runner=runner(sandbox=True) if sandbox else UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
    )


async def published(path: Path) -> list[Event]:
    """The events that a complaint's projections carry."""
    batches = [batch for event in load(path).events for batch in await _inputs(event, "publish", Batch)]
    return [event for batch in batches for event in batch.events]


async def _inputs(event: HistoryEvent, name: str, kind: type[Any]) -> list[Any]:
    """What this event schedules an activity of this name with; none where it is another event."""
    scheduled = event.activity_task_scheduled_event_attributes
    if scheduled.activity_type.name != name:
        return []
    return await pydantic_data_converter.decode(scheduled.input.payloads, [kind])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_history_replays(path: Path) -> None:
    result = await replayer().replay_workflow(load(path), raise_on_replay_failure=True)
    assert result.replay_failure is None


def test_every_path_has_a_history_and_every_history_a_path() -> None:
    for name, paths in (("ComplaintWorkflow", PATHS), ("IncidentWorkflow", INCIDENT_PATHS)):
        assert {path.stem for path in FILES if workflow_of(path) == name} == set(paths)


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
    wanted = {(row.action.value, target.value) for row in ROWS for target in row.targets}
    by_itself = {ESCALATE, NOTICE, CRITICISE, UNDELIVERED, RECOGNISE, RETERM, CREDIT}
    stateless = {row.action.value for row in ROWS if not row.targets} | by_itself
    assert wanted - seen == set()
    assert stateless - {action for action, _ in seen} == set()


async def test_the_histories_of_incidents_cover_their_table() -> None:
    seen: set[str] = set()
    rounds: set[str] = set()
    for path in FILES:
        for event in load(path).events:
            batches = await _inputs(event, "publish_incident", IncidentBatch)
            seen |= {each.action for batch in batches for each in batch.events}
            rounds.add(event.activity_task_scheduled_event_attributes.activity_type.name)
    assert seen == {*INCIDENT_TABLE, SUSPECT, ABSORB, STAY, FINISH}
    assert {"gather_cases", "inform_callers", "settle_cases", "hand_cases_on"} <= rounds


@workflow.defn(name="ComplaintWorkflow")
class Forgetful(ComplaintWorkflow):
    """Sets no timers."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:
        await super().run(start)

    def _arm(self) -> None:
        return


@workflow.defn(name="ComplaintWorkflow")
class Silent(ComplaintWorkflow):
    """Publishes nothing."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:
        await super().run(start)

    def _publish(self) -> None:
        self._outbox.clear()


@workflow.defn(name="ComplaintWorkflow")
class Hidden(ComplaintWorkflow):
    """Shows no search attributes."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:
        await super().run(start)

    def _show(self) -> None:
        return


@pytest.mark.parametrize("changed", [Forgetful, Silent, Hidden])
async def test_a_changed_workflow_is_caught(changed: type[ComplaintWorkflow]) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed, sandbox=False).replay_workflow(load(HISTORIES / "straight.json"))


@workflow.defn(name="IncidentWorkflow")
class Blind(IncidentWorkflow):
    """Looks for cases once only."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: IncidentStart) -> None:
        await super().run(start)

    def _look_again(self) -> None:
        self._second_look = False


@workflow.defn(name="IncidentWorkflow")
class Dumb(IncidentWorkflow):
    """Publishes nothing."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: IncidentStart) -> None:
        await super().run(start)

    def _publish(self) -> None:
        self._outbox.clear()


@workflow.defn(name="IncidentWorkflow")
class Idle(IncidentWorkflow):
    """Calls on no case."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: IncidentStart) -> None:
        await super().run(start)

    def _begin(self) -> None:
        return


@pytest.mark.parametrize("changed", [Blind, Dumb, Idle])
async def test_a_changed_workflow_of_incidents_is_caught(changed: type[IncidentWorkflow]) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed, sandbox=False).replay_workflow(load(HISTORIES / "incident_resolved.json"))


async def test_a_history_that_was_tampered_with_is_caught() -> None:
    """The check would be worth nothing if it passed whatever a history says."""
    path = HISTORIES / "straight.json"
    tampered = json.loads(path.read_text(encoding="utf-8"))
    scheduled = [event for event in tampered["events"] if "activityTaskScheduledEventAttributes" in event]
    scheduled[1]["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "another"
    history = WorkflowHistory.from_json("complaint-straight", tampered)
    with pytest.raises(workflow.NondeterminismError):
        await replayer().replay_workflow(history)
