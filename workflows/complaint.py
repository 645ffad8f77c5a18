"""The durable host of one complaint.

The case decides; this workflow keeps it: updates change the case, the main coroutine alone reaches the outside: it
rings what is due, shows the case in the UI, publishes what happened, and sleeps until the next deadline.
"""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.case.actions import ACTION_OF
    from domain.case.automatic.catalogue_change import SAME_TERMS, NewTerms, is_change
    from domain.case.automatic.recognise import is_news
    from domain.case.automatic.settle import Settled, Settlement, outcome
    from domain.case.case import Case
    from domain.case.command import Command
    from domain.case.events import Event
    from domain.case.incident_link import SETTLED
    from domain.case.views import CaseView, Outcome, view_case
    from domain.customers.customer import KNOWN, Recognised
    from domain.shared.actors import Actor
    from domain.shared.errors import Refused
    from workflows.alarm import Alarm
    from workflows.cancellation import wait_or_note
    from workflows.incident_links import Link
    from workflows.messages import ComplaintStart, Done
    from workflows.outbox import Outbox
    from workflows.presentation.complaint import Shown, details, shown, updates
    from workflows.updates import with_updates


@workflow.defn(name="ComplaintWorkflow")
@with_updates
class ComplaintWorkflow:
    """One complaint, from the call to the end of its reopen window."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        registered: tuple[Event, ...] = ()
        if isinstance(start.source, Case):
            self._case = start.source
        else:
            self._case, registered = Case.register(start.source)
        self._outbox = Outbox(self._case.version - len(registered))
        self._outbox.add(registered)
        self._seen = dict(start.seen)
        self._shown: Shown = shown(self._case)
        self._alarm = Alarm(self._look)
        self._link = Link(self._case.number, start.linked_incident)
        self._changed = True

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the case until nothing can happen to it any more."""
        while not self._over():
            await wait_or_note(self._has_news, self._note_cancellation)
            known = self._case.version
            self._outbox.add(self._case.ring(workflow.now()))
            changed, self._changed = self._changed or bool(self._outbox), False
            self._outbox.add(self._case.unlink(self._link.broken(), workflow.now()))
            if self._case.is_over(workflow.now()) or workflow.info().is_continue_as_new_suggested():
                self._outbox.take_back()  # a run that ends leaves nothing to others
            self._ask(changed=changed or self._case.version > known)
            if self._may_carry_over() and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._carried_over())
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _ask(self, *, changed: bool) -> None:
        """What one task asks Temporal for, in this order: docs/decisions/0004 says why it matters."""
        if changed:
            self._show()
        self._alarm.arm(self._case.next_deadline(), self._case.state)
        self._link.follow(self._case.incident)
        self._outbox.publish(self._case, self._link.idle)

    @workflow.query(description="The case as it stands, without asking SQL. 工单现状")
    def case(self, actor: Actor | None = None) -> CaseView:
        """The live case, with what `actor` may do to it."""
        now = workflow.now()
        return view_case(self._case, now, self._case.available_actions(actor, now) if actor else ())

    @workflow.query(description="The outcome of the request with this key, if it was carried out. 按键查询")
    def done(self, key: str, actor: Actor) -> Outcome | None:
        """Return what an action with this key did, with the case as it stands; None if there was none."""
        done = self._seen.get(key)
        return self._outcome(done, actor) if done else None

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
        if not is_news(self._case, known, workflow.now()):
            raise ApplicationError("It is known already, or the case is over.", type=KNOWN, non_retryable=True)

    @workflow.update(description="The incident that the case is linked to is over: complete it and reply. 随事件办结")
    async def settle(self, settlement: Settlement) -> Settled:
        """Answer what came of it: `settled`, `kept` or `over`. Asked again, it answers the same.

        What is lent to the asker to write costs no activity; it stays in the outbox until something more happens.
        """
        events = self._case.settle(settlement, workflow.now())
        self._note(events)
        settled = Settled(outcome=outcome(self._case, settlement.incident))
        if not (events and settled.outcome == SETTLED):
            return settled
        return settled.model_copy(update={"batch": self._outbox.lend(self._case)})

    @workflow.update(description="A new catalogue is in force: the case is held to its terms. 改用新服务目录")
    def catalogue_change(self, new: NewTerms) -> None:
        """Move the case to these terms."""
        self._note(self._case.change_catalogue(new, workflow.now()))

    @catalogue_change.validator
    def check_catalogue_change(self, new: NewTerms) -> None:
        """A case that nothing changes for says so, and keeps nothing in its history."""
        if not is_change(self._case, new, workflow.now()):
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
            done = Done(action=ACTION_OF[type(command.body)].name, digest=command.digest, version=self._case.version)
            if command.key:
                self._seen[command.key] = done
        return self._outcome(done, command.actor)

    def _outcome(self, done: Done, actor: Actor) -> Outcome:
        now = workflow.now()
        case = view_case(self._case, now, self._case.available_actions(actor, now))
        return Outcome(**done.model_dump(), case=case)

    @workflow.signal(description="What was lent could not be written: the case does it itself. 自行写入")
    def publish(self) -> None:
        """Publish what is in the outbox."""
        self._outbox.take_back()
        self._look()

    def _note_cancellation(self, reason: str) -> None:
        self._note(self._case.note_cancellation(reason, workflow.now()))

    def _note(self, events: tuple[Event, ...]) -> None:
        self._outbox.add(events)
        self._look()

    def _look(self) -> None:
        self._changed = True

    def _has_news(self) -> bool:
        return self._changed or self._link.settled() or self._outbox.news()

    def _idle(self) -> bool:
        return self._outbox.idle() and self._link.idle()

    def _may_carry_over(self) -> bool:
        """Nothing is under way; no handler can come in between, as nothing is awaited before the new run."""
        return self._idle() and workflow.all_handlers_finished()

    def _carried_over(self) -> ComplaintStart:
        return ComplaintStart(source=self._case, seen=self._seen, linked_incident=self._link.told)

    def _over(self) -> bool:
        return self._idle() and self._case.is_over(workflow.now())

    def _show(self) -> None:
        """Search attributes cost a billable action each time: only what changed, once a task."""
        now = shown(self._case)
        if changed := updates(now, self._shown):
            workflow.upsert_search_attributes(changed)
            self._shown = now
        workflow.set_current_details(details(self._case, workflow.now()))
