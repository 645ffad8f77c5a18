"""The durable host of one complaint.

The case decides; this workflow keeps it: updates change the case, the main coroutine alone reaches the outside: it
rings what is due, shows the case in the UI, publishes what happened, and sleeps until the next deadline.
"""

import asyncio
import math
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.projection import Projection
    from domain.batch import Batch
    from domain.case import Case
    from domain.commands import Command
    from domain.customer import KNOWN, Recognised
    from domain.errors import Refused
    from domain.events import Event
    from domain.intake import Actor
    from domain.reterm import SAME_TERMS, NewTerms
    from domain.settlement import SETTLED, Settled, Settlement, outcome
    from domain.views import CaseView, Outcome, view_case
    from workflows.incident_links import Link
    from workflows.messages import ComplaintStart, Done
    from workflows.patches import Patch
    from workflows.presentation import Shown, details, shown, updates
    from workflows.updates import with_updates


PUBLISH_TIMEOUT = timedelta(seconds=5)
"""One try at writing a batch. A worker that died with it is found out this late."""
PUBLISH_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
"""For ever: while SQL is down, the case goes on and its events wait."""


@workflow.defn(name="ComplaintWorkflow")
@with_updates
class ComplaintWorkflow:
    """One complaint, from the call to the end of its reopen window."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        self._outbox: list[Event] = []
        if isinstance(start.source, Case):
            self._case = start.source
        else:
            self._case, registered = Case.register(start.source)
            self._outbox.extend(registered)
        self._seen = dict(start.seen)
        self._published = self._case.version - len(self._outbox)
        self._publishing: workflow.ActivityHandle[None] | None = None
        self._lent = 0
        self._shown: Shown = shown(self._case)
        self._armed_for: datetime | None = None
        self._alarm: asyncio.Task[None] | None = None
        self._link = Link(self._case.number, start.told)
        self._changed = True

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the case until nothing can happen to it any more."""
        while not self._over():
            await workflow.wait_condition(self._has_news)
            self._outbox.extend(self._case.ring(workflow.now()))
            changed, self._changed = self._changed or bool(self._outbox), False
            self._outbox.extend(self._case.unlink(self._link.broken(), workflow.now()))
            self._link.follow(self._case.incident)
            if self._case.over(workflow.now()) or workflow.info().is_continue_as_new_suggested():
                self._lent = 0  # a run that ends leaves nothing to others
            known = self._published
            self._publish()
            if changed or self._published > known:
                self._show()
            self._arm()
            if self._may_carry_over() and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(ComplaintStart(source=self._case, seen=self._seen, told=self._link.told))
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.query(description="The case as it stands, without asking SQL. 工单现状")
    def case(self, actor: Actor | None = None) -> CaseView:
        """The live case, with what `actor` may do to it."""
        now = workflow.now()
        return view_case(self._case, now, self._case.available_actions(actor, now) if actor else ())

    @workflow.signal(description="A notification of this case did not get through; the case is flagged. 通知未送达")
    def undelivered(self, key: str) -> None:
        """Flag the case."""
        self._note(self._case.undelivered(key, workflow.now()))

    @workflow.update(description="What is known of the caller came too late for the intake. 补充识别")
    def recognise(self, known: Recognised) -> None:
        """Flag the case."""
        self._note(self._case.recognise(known, workflow.now()))

    @recognise.validator
    def check_recognise(self, known: Recognised) -> None:
        """A case that knows it says so, and keeps nothing in its history."""
        if not self._case.news_of(known, workflow.now()):
            raise ApplicationError("It is known already, or the case is over.", type=KNOWN, non_retryable=True)

    @workflow.update(description="The incident that the case is linked to is over: complete it and reply. 随事件办结")
    async def settle(self, settlement: Settlement) -> Settled:
        """Answer what came of it: `settled`, `kept` or `over`. Asked again, it answers the same.

        What is lent to the asker to write costs no activity; it stays in the outbox until something more happens.
        """
        events = self._case.settle(settlement, workflow.now())
        self._note(events)
        settled = Settled(outcome=outcome(self._case, settlement.incident))
        if not (settlement.lent and events and settled.outcome == SETTLED):
            return settled
        self._lent = self._case.version
        return settled.model_copy(update={"batch": self._batch()})

    @workflow.update(description="A new catalogue is in force: the case is held to its terms. 改用新服务目录")
    def reterm(self, new: NewTerms) -> None:
        """Move the case to these terms."""
        self._note(self._case.reterm(new, workflow.now()))

    @reterm.validator
    def check_reterm(self, new: NewTerms) -> None:
        """A case that nothing changes for says so, and keeps nothing in its history."""
        if not self._case.differs(new, workflow.now()):
            raise ApplicationError("Its terms are these already.", type=SAME_TERMS, non_retryable=True)

    def check(self, command: Command[Any]) -> None:
        """Validator of every update: refuse before anything is recorded. Not a handler itself."""
        if command.key in self._seen:
            return
        try:
            self._case.check(command, workflow.now())
        except Refused as refused:
            raise ApplicationError(
                refused.message,
                {"accepted": refused.accepted, "state": self._case.state, "version": self._case.version},
                type=f"{refused.kind}:{refused.code}",
                non_retryable=True,
            ) from refused

    def act(self, command: Command[Any]) -> Outcome:
        """Body of every update: change the case, leave the rest to the main coroutine."""
        now = workflow.now()
        done = self._seen.get(command.key)
        if done is None:
            self._note(self._case.apply(command, now))
            done = Done(action=command.body.action, digest=command.digest, version=self._case.version)
            if command.key:
                self._seen[command.key] = done
        available = self._case.available_actions(command.actor, now)
        case = view_case(self._case, now, available)
        return Outcome(action=done.action, digest=done.digest, version=done.version, case=case)

    @workflow.signal(description="What was lent could not be written: the case does it itself. 自行写入")
    def publish(self) -> None:
        """Publish what is in the outbox."""
        self._lent = 0
        self._changed = True

    def _note(self, events: tuple[Event, ...]) -> None:
        self._outbox.extend(events)
        self._changed = True

    def _has_news(self) -> bool:
        return self._changed or self._link.settled() or (self._publishing is not None and self._publishing.done())

    def _idle(self) -> bool:
        return not self._outbox and self._publishing is None and self._link.idle()

    def _may_carry_over(self) -> bool:
        """Nothing is under way; no handler can come in between, as nothing is awaited before the new run."""
        return self._idle() and workflow.all_handlers_finished()

    def _over(self) -> bool:
        return self._idle() and self._case.over(workflow.now())

    def _publish(self) -> None:
        """One batch under way at a time, so that SQL sees the case's versions in order."""
        if self._publishing and self._publishing.done():
            self._publishing.result()
            self._publishing = None
        lent = bool(self._outbox) and self._outbox[-1].seq == self._lent
        if self._publishing or not self._outbox or lent or self._tells_first():
            return
        batch = self._batch()
        self._publishing = workflow.start_activity_method(
            Projection.publish,
            batch,
            start_to_close_timeout=PUBLISH_TIMEOUT,
            retry_policy=PUBLISH_RETRY,
            summary=f"{batch.events[-1].action} → v{self._case.version}",
        )
        self._published = self._case.version
        self._outbox.clear()

    def _batch(self) -> Batch:
        """What the outbox holds, and the case as it stands."""
        case = self._case
        return Batch(
            number=case.number,
            since=self._published,
            sla=case.sla,
            overdue=case.overdue,
            next_due_at=case.next_due(),
            priority=case.terms.priority if case.retermed else None,
            progress=case,
            events=tuple(self._outbox),
        )

    def _tells_first(self) -> bool:
        """Whether an incident is being told: then its answer and SQL's are no two tasks in a row that ask for nothing.

        A worker that has forgotten the case takes the second of such two for one with the update after it, and for
        another when it replays: what the update asks for would come in another order.
        """
        return not self._link.idle() and workflow.patched(Patch.TELL_FIRST)

    def _show(self) -> None:
        """Search attributes cost a billable action each time: only what changed, once a task."""
        now = shown(self._case)
        if changed := updates(now, self._shown):
            workflow.upsert_search_attributes(changed)
            self._shown = now
        workflow.set_current_details(details(self._case, workflow.now()))

    def _arm(self) -> None:
        """Keep one timer at or before the next deadline. An early one rings nothing, and costs less than a new one."""
        deadline = self._case.next_deadline()
        if deadline is None or (self._armed_for and self._armed_for <= deadline):
            return
        if self._alarm:
            self._alarm.cancel()
        self._armed_for = deadline
        self._alarm = asyncio.create_task(self._wake_at(deadline))

    async def _wake_at(self, deadline: datetime) -> None:
        left = (deadline - workflow.now()).total_seconds()
        # Whole milliseconds, rounded up: the server's timers know no finer ones, and an early one would be for nothing.
        summary = f"{self._case.state} → {deadline:%m-%d %H:%M:%S}Z"
        await workflow.sleep(math.ceil(max(left, 0) * 1000) / 1000, summary=summary)
        self._armed_for = None
        self._changed = True
