"""A workflow that was changed does not replay what is recorded: a check that cannot fail would be worth nothing."""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from temporalio import workflow

from tests.replay.test_replay import HISTORIES, history_of, load, replayer
from workflows.bulk import CatalogueRolloutWorkflow, RolloutStart
from workflows.complaint.messages import ComplaintStart
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import IncidentStart
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit.entity import DeadlineTimer
from workflows.kit.search_attributes import Values
from workflows.singletons import CourierWorkflow, SurgeWatchWorkflow


class NeverSet(DeadlineTimer):
    def set(self, deadline: datetime | None, state: str) -> None:
        """Set no timer."""


@workflow.defn(name="ComplaintWorkflow")
class Forgetful(ComplaintWorkflow):
    """Sets no timers."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        super().__init__(start)
        self._timer = NeverSet(self._wake)

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:
        await super().run(start)


@workflow.defn(name="ComplaintWorkflow")
class Silent(ComplaintWorkflow):
    """Publishes nothing."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:
        await super().run(start)

    def _publish_events(self) -> None:
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

    def _search_attributes(self) -> Values:
        return {}


@workflow.defn(name="ComplaintWorkflow")
class Reordered(ComplaintWorkflow):
    """Asks for what it has always asked for, but publishes before it sets its timer."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:
        await super().run(start)

    def _show(self) -> None:
        super()._show()
        self._publish_events()


@pytest.mark.parametrize("path", ["straight", "asked_in_order"])
@pytest.mark.parametrize("changed", [Forgetful, Silent, Hidden])
async def test_a_changed_workflow_is_caught(changed: type[ComplaintWorkflow], path: str) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed, sandbox=False).replay_workflow(load(HISTORIES / f"{path}.json"))


async def test_another_order_is_caught() -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(Reordered, sandbox=False).replay_workflow(load(HISTORIES / "asked_in_order.json"))


@workflow.defn(name="IncidentWorkflow")
class Blind(IncidentWorkflow):
    """Looks for cases once only."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: IncidentStart) -> None:
        await super().run(start)

    def _plan_second_search(self) -> None:
        self._second_search_due = False


@workflow.defn(name="IncidentWorkflow")
class Dumb(IncidentWorkflow):
    """Publishes nothing."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: IncidentStart) -> None:
        await super().run(start)

    def _publish(self, *_: Any) -> None:
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

    def _act_on_cases(self) -> None:
        return


@pytest.mark.parametrize("changed", [Blind, Dumb, Idle])
async def test_a_changed_workflow_of_incidents_is_caught(changed: type[IncidentWorkflow]) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed, sandbox=False).replay_workflow(load(HISTORIES / "incident_resolved.json"))


@workflow.defn(name="SurgeWatchWorkflow")
class Dozing(SurgeWatchWorkflow):
    """Sleeps before its runs."""

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(1)
        await super().run()


@workflow.defn(name="CourierWorkflow")
class Retiring(CourierWorkflow):
    """Begins no second run."""

    @workflow.run
    async def run(self) -> None:
        with suppress(workflow.ContinueAsNewError):
            await super().run()


@workflow.defn(name="CatalogueRolloutWorkflow")
class Hasty(CatalogueRolloutWorkflow):
    """Calls on nobody."""

    @workflow.run
    async def run(self, start: RolloutStart) -> dict[str, int]:
        return await super().run(start)

    async def _pass(self, since: datetime | None = None) -> None:
        pass


@pytest.mark.parametrize(
    ("changed", "history"),
    [
        (Dozing, "watch_before_its_next_run"),
        (Retiring, "courier_before_its_next_run"),
        (Hasty, "catalogue"),
        (Hasty, "catalogue_in_its_next_run"),
        (Hasty, "catalogue_cancelled"),
    ],
)
async def test_a_changed_workflow_that_runs_for_ever_is_caught(changed: type[Any], history: str) -> None:
    with pytest.raises(workflow.NondeterminismError):
        await replayer(changed, sandbox=False).replay_workflow(load(HISTORIES / f"{history}.json"))


async def test_a_history_that_was_tampered_with_is_caught() -> None:
    """The check would be worth nothing if it passed whatever a history says."""
    path = HISTORIES / "straight.json"
    tampered = json.loads(path.read_text(encoding="utf-8"))
    scheduled = [event for event in tampered["events"] if "activityTaskScheduledEventAttributes" in event]
    scheduled[0]["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "another"
    with pytest.raises(workflow.NondeterminismError):
        await replayer().replay_workflow(history_of(tampered))
