"""The workflow of one complaint. The case decides; the workflow makes it durable."""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.cases import Projection
    from activities.incidents import CaseSignal, IncidentMessages
    from activities.names import CATALOGUE_CHANGE, RECOGNISE, SETTLE, UNDELIVERED
    from domain.case.actions.link_incident import Settled, Settlement, outcome
    from domain.case.actions.register import Registration
    from domain.case.automatic import internal_updates
    from domain.case.case import Case
    from domain.case.lifecycle import Event
    from domain.case.state import BatchAnswer, ProjectionBatch
    from domain.case.views import CaseView, Outcome, view_case
    from domain.kit.event import Command
    from domain.shared.actors import Actor
    from workflows.complaint.details import details, latest, lines
    from workflows.complaint.messages import ComplaintStart, search_attributes
    from workflows.kit.entity import PUBLISH_TIMEOUT, RETRY, DeadlineTimer, Done, EntityWorkflow, is_long
    from workflows.kit.search_attributes import Values
    from workflows.kit.words import WorkerNames

LINKED, UNLINKED = "linked", "unlinked"
_SIGNALLING = "signalling"


@workflow.defn(name="ComplaintWorkflow")
class ComplaintWorkflow(EntityWorkflow):
    """One complaint, from the call to the end of its reopen window.

    The case tells its incident that it belongs to it, by a local activity. That is in the history of the case once the
    incident has it in its own. The incident keeps the number, so it knows its cases with SQL down as well.
    """

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        if isinstance(start.source, Registration):
            self._case, registered = Case.register(start.source)
        else:
            self._case, registered = start.source, ()
        self._recent: tuple[str | Event, ...] = start.recent
        self._changes = dict(start.changes)
        self._ends = False
        self._timer = DeadlineTimer(self._wake)
        self._linked_incident = start.linked_incident
        """Incident that has the signal of the link, or is being signalled."""
        self._ended_incident: str | None = ""
        """Incident that had ended when it was signalled; empty for none."""
        super().__init__(self._case, registered, start)
        self._outbox[:0] = start.outbox

    @workflow.run
    async def run(self, start: ComplaintStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the case until nothing can happen to it any more."""
        while not (self._idle() and self._case.is_over(workflow.now())):
            await self._wait_for_work()
            if due := self._case.advance(workflow.now()):
                self._note(*due)
            # What a task asks Temporal for, in this order: docs/decisions/0004 says why it matters.
            self._show()
            self._timer.set(self._case.next_deadline(), self._case.state)
            self._signal_incident()
            self._publish_events()
            self._continue_as_new_if_suggested()
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _may_continue(self) -> bool:
        return not self._tasks

    def _signal_incident(self) -> None:
        """Begin to signal a changed incident, unless it had ended when it was signalled."""
        incident = self._case.incident
        if incident != self._ended_incident:
            self._ended_incident = ""
        if _SIGNALLING not in self._tasks and incident not in (self._linked_incident, self._ended_incident):
            left, self._linked_incident = self._linked_incident, incident
            self._begin(_SIGNALLING, self._signal_both(left, incident))

    async def _signal_both(self, left: str | None, joined: str | None) -> None:
        """Signal both incidents; leave one that has ended."""
        if left:
            await self._signal(left, UNLINKED)
        if joined and not await self._signal(joined, LINKED):
            self._linked_incident, self._ended_incident = None, joined
            self._note(*self._case.unlink(joined, workflow.now()))

    async def _signal(self, incident: str, signal: str) -> bool:
        """Return False if the incident has ended."""
        return await workflow.execute_local_activity_method(
            IncidentMessages.signal,
            CaseSignal(incident=incident, signal=signal, number=self._case.number),
            start_to_close_timeout=PUBLISH_TIMEOUT,
            retry_policy=RETRY,
            summary=f"{signal} {incident}",
        )

    def _publish_events(self) -> None:
        """Publish after the incident knows. Before it ends, a run also publishes what senders were to write."""
        ends = self._case.is_over(workflow.now()) or is_long()
        if ends and not self._ends:
            self._ends = True
            self._sender_version = 0
        if _SIGNALLING not in self._tasks:
            self._publish(Projection.publish, self._batch)

    @workflow.query(description="The case as it stands, without asking SQL. 工单现状")
    def case(self, actor: Actor | None = None) -> CaseView:
        now = workflow.now()
        return view_case(self._case, now, self._case.available_actions(actor, now) if actor else ())

    @workflow.update(name=UNDELIVERED, description="内部 Internal: A notification was not delivered. 通知未送达")
    def undelivered(self, notification: internal_updates.Undelivered) -> BatchAnswer:
        self._note(*self._case.undelivered(notification, workflow.now()))
        return BatchAnswer()

    @undelivered.validator
    def check_undelivered(self, notification: internal_updates.Undelivered) -> None:
        """Refuse what changes nothing, so that the history stays as it is. Raises ApplicationError."""
        if not internal_updates.is_unknown_failure(self._case, notification):
            raise ApplicationError("It is known already.", type=internal_updates.KNOWN, non_retryable=True)

    @workflow.update(name=RECOGNISE, description="内部 Internal: The caller was recognised after the intake. 补充识别")
    def recognise(self, known: internal_updates.Recognised) -> BatchAnswer:
        self._note(*self._case.recognise(known, workflow.now()))
        return BatchAnswer(batch=self._batch_for_sender())

    @recognise.validator
    def check_recognise(self, known: internal_updates.Recognised) -> None:
        """Refuse what the case knows already, so that its history stays as it is. Raises ApplicationError."""
        if not internal_updates.recognises_more(self._case, known, workflow.now()):
            raise ApplicationError(
                "It is known already, or the case is over.", type=internal_updates.KNOWN, non_retryable=True
            )

    @workflow.update(name=SETTLE, description="内部 Internal: The incident of the case has ended. 随事件办结")
    def settle(self, settlement: Settlement) -> Settled:
        """`settled`, `kept` or `over`, and the batch for the incident to write."""
        self._acknowledge(settlement.acknowledged)
        self._note(*self._case.settle(settlement, workflow.now()))
        return Settled(outcome=outcome(self._case, settlement.incident), batch=self._batch_for_sender())

    @settle.validator
    def check_settle(self, settlement: Settlement) -> None:
        """Refuse to go on from a version that the case does not have. Raises ApplicationError."""
        self._check_acknowledged(settlement.acknowledged)

    @workflow.update(name=CATALOGUE_CHANGE, description="内部 Internal: A new catalogue is in force. 改用新服务目录")
    def catalogue_change(self, new: internal_updates.NewTerms) -> BatchAnswer:
        self._acknowledge(new.acknowledged)
        now = workflow.now()
        self._note(*self._case.change_catalogue(new, now))
        self._remember(_update_id(), Done(action=CATALOGUE_CHANGE, digest="", version=self._case.version, done_at=now))
        return BatchAnswer(batch=self._batch_for_sender())

    @catalogue_change.validator
    def check_catalogue_change(self, new: internal_updates.NewTerms) -> None:
        """Refuse terms that the case has already, so that its history stays as it is. Raises ApplicationError."""
        self._check_acknowledged(new.acknowledged)
        # Whoever sends a copy to a later run must not undo a later change.
        if _update_id() in self._seen or not internal_updates.is_change(self._case, new, workflow.now()):
            raise ApplicationError("Its terms are these already.", type=internal_updates.SAME_TERMS, non_retryable=True)

    @workflow.signal(description="内部 Internal: SQL lacks something of this case: the case writes it itself. 自行写入")
    def publish(self, _: object = None) -> None:
        """Publish the outbox, including what the sender of an update was to write."""
        self._sender_version = 0
        self._wake()

    def _record(self, *events: Event) -> None:  # type: ignore[override]  # an entity has events of its own kind
        super()._record(*events)
        self._changes[self._case.version] = self._changed_at
        self._recent = latest((*self._recent, *events))

    def _batch(self) -> ProjectionBatch:
        since = self._outbox[0].seq - 1
        self._changes = {version: at for version, at in self._changes.items() if version >= since}
        return ProjectionBatch.of(self._case, self._outbox, self._changed_at, self._changes.get(since))

    def _batch_for_sender(self) -> ProjectionBatch | None:
        """None if SQL is known to have everything."""
        if not self._outbox:
            return None
        self._sender_version = self._case.version
        return self._batch()

    def _search_attributes(self) -> Values:
        return search_attributes(self._case, self._changed_at)

    def details(self, names: WorkerNames) -> str:
        return details(self._case, workflow.now(), self._recent, names)

    def _answer(self, done: Done, command: Command[Any]) -> Outcome:
        batch = None if command.acknowledged is None else self._batch_for_sender()
        return Outcome(**done.model_dump(), batch=batch) if batch else self._outcome(done, command.actor)

    def _outcome(self, done: Done, actor: Actor | None) -> Outcome:
        return Outcome(**done.model_dump(), case=self.case(actor))

    def _carried_over(self) -> ComplaintStart:
        return ComplaintStart(
            source=self._case,
            seen=self._seen,
            sender_version=self._sender_version,
            changed_at=self._changed_at,
            rebuilt_at=self.rebuilt_at,
            outbox=tuple(self._outbox),
            changes=self._changes,
            recent=tuple(lines(self._recent, self._case)),
            linked_incident=self._linked_incident,
        )


def _update_id() -> str:
    update = workflow.current_update_info()
    return update.id if update else ""
