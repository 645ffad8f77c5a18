"""The workflow of one month's assessment (月度考核): computed, inspected, published for objections, final.

Its figures are computed by an activity, which writes them to SQL under a new number; they are shown once the event that
names the number is published. So nobody ever sees half of a computation.
"""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.assessments import AssessmentActivities
    from domain.assessment.actions import DecideObjection, Inspect
    from domain.assessment.assessment import Assessment, AssessmentBatch, Computing, DrawingSample
    from domain.assessment.state import AssessmentEvent, AssessmentState
    from domain.kit.event import Command
    from domain.shared.actors import Actor
    from workflows.assessment.messages import AssessmentOutcome, AssessmentStart, details, search_attributes
    from workflows.kit.entity import DeadlineTimer, Done, PublishingWorkflow
    from workflows.kit.search_attributes import Values
    from workflows.kit.words import WorkerNames

_WORK = "work on the figures"


@workflow.defn(name="AssessmentWorkflow")
class AssessmentWorkflow(PublishingWorkflow):
    """Assessment of one month, until it is final."""

    LONGEST = timedelta(minutes=10)

    @workflow.init
    def __init__(self, start: AssessmentStart) -> None:
        opened: tuple[AssessmentEvent, ...] = ()
        if isinstance(start.source, Assessment):
            self._month = start.source
        else:
            self._month, first = Assessment.open(start.source)
            opened = (first,)
        self._stale = start.stale
        self._names = start.names
        self._timer = DeadlineTimer(self._wake)
        super().__init__(self._month, opened, start)

    @workflow.run
    async def run(self, start: AssessmentStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the assessment until it is final."""
        while not (self._month.over and self._idle()):
            await self._wait_for_work()
            if reminders := self._month.remind(workflow.now()):
                self._note(*reminders)
            # What a task asks Temporal for, in this order: docs/decisions/0004 says why it matters.
            self._show()
            self._continue_as_new_if_suggested()
            self._timer.set(self._month.next_deadline(workflow.now()), self._month.state)
            if _WORK not in self._tasks and (step := self._next_step()):
                self._begin(_WORK, step)
            self._publish(AssessmentActivities.publish, self._batch)
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _next_step(self) -> Coroutine[Any, Any, None] | None:
        """None while people act; the figures need nothing then."""
        month = self._month
        if month.must_draw:
            return self._draw()
        is_stale = self._stale and month.state is AssessmentState.OBJECTIONS
        if month.computed is None or is_stale or month.next_step(workflow.now()):
            return self._compute()
        return None

    async def _compute(self) -> None:
        """Compute the figures as of now; publish them or make them final, unless something changed meanwhile."""
        month, as_of = self._month, workflow.now()
        step, self._stale = month.next_step(as_of), False
        computing = Computing(assessment=month.model_copy(), as_of=as_of, serial=month.version)
        computed = await self._execute(AssessmentActivities.compute, computing, f"computes {month.number} 计算指标")
        self._note(month.note_computation(computed, None if self._stale else step, workflow.now()))

    async def _draw(self) -> None:
        month = self._month
        drawing = DrawingSample(
            month=month.number,
            computation=month.serial,
            seed=month.seed,
            per_agent=month.standard.sample_per_agent,
        )
        drawn = await self._execute(AssessmentActivities.draw_sample, drawing, "draws cases to inspect 质检抽样")
        self._note(month.draw(drawn.sample, workflow.now()))

    def act(self, action: str, command: Command[Any]) -> BaseModel:
        """Handle an update of the table; what changes figures has them computed anew."""
        answer = super().act(action, command)
        self._stale |= isinstance(command.body, Inspect) or (
            isinstance(command.body, DecideObjection) and command.body.accepted
        )
        return answer

    @workflow.signal(description="内部 Internal: An exclusion was decided on. 剔除已裁决")
    def recompute(self) -> None:
        """Have the figures computed anew. Anybody may have sent the signal: the same rows give the same figures."""
        self._stale = True
        self._wake()

    def _batch(self) -> AssessmentBatch:
        return AssessmentBatch(assessment=self._month.model_copy(), events=tuple(self._outbox))

    def _search_attributes(self) -> Values:
        return search_attributes(self._month)

    def details(self, names: WorkerNames) -> str:  # noqa: ARG002 - it has what it shows
        return details(self._month, self._names)

    def _outcome(self, done: Done, actor: Actor | None) -> AssessmentOutcome:
        return AssessmentOutcome(
            **done.model_dump(),
            assessment=self._month,
            available_actions=self._month.available_actions(actor) if actor else (),
        )

    def _carried_over(self) -> AssessmentStart:
        return AssessmentStart(
            source=self._month,
            stale=self._stale,
            names=self._names,
            seen=self._seen,
            changed_at=self._changed_at,
        )
