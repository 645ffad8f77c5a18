"""The workflow of one complaint. The case decides; the workflow makes it durable."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.projection import Projection
    from domain.case.automatic.catalogue_change import SAME_TERMS, NewTerms, is_change
    from domain.case.automatic.recognise import KNOWN, Recognised, is_news
    from domain.case.automatic.settle import Settled, Settlement, outcome
    from domain.case.batch import ProjectionBatch
    from domain.case.case import Case
    from domain.case.events import Event
    from domain.case.incident_link import SETTLED
    from domain.case.views import CaseView, Outcome, view_case
    from domain.shared.actors import Actor
    from workflows.deadline_timer import DeadlineTimer
    from workflows.entity import EntityWorkflow
    from workflows.incident_link import IncidentLink
    from workflows.messages import ComplaintStart, Done
    from workflows.presentation.complaint import details, search_attributes
    from workflows.presentation.search_attributes import Values
    from workflows.start_checks import checked
    from workflows.updates import COMPLAINT_UPDATES, with_updates

_SIGNALS = "signals"
"""The task that tells incidents."""


@workflow.defn(name="ComplaintWorkflow")
@with_updates(COMPLAINT_UPDATES)
class ComplaintWorkflow(EntityWorkflow):
    """One complaint, from the call to the end of its reopen window."""

    @workflow.init
    def __init__(self, start: ComplaintStart) -> None:
        registered: tuple[Event, ...] = ()
        if isinstance(start.source, Case):
            self._case = start.source
        else:
            self._case, registered = Case.register(start.source)
        self._version_incident_writes = 0
        self._timer = DeadlineTimer(self._wake)
        self._link = IncidentLink(self._case.number, start.linked_incident)
        super().__init__(self._case, registered, start.seen)

    @workflow.run
    @checked
    async def run(self, start: ComplaintStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the case until nothing can happen to it any more."""
        while not self._over():
            await self._wait_for_work()
            self._note_automatic_events()
            # What a task asks Temporal for, in this order: docs/decisions/0004 says why it matters.
            self._show()
            self._timer.set(self._case.next_deadline(), self._case.state)
            self._signal_incident()
            self._publish_events()
            self._continue_as_new_if_suggested()
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _over(self) -> bool:
        return self._idle() and self._case.is_over(workflow.now())

    def _note_automatic_events(self) -> None:
        """Note what fell due, and leave an incident that has ended."""
        now = workflow.now()
        if events := (*self._case.ring(now), *self._case.unlink(self._link.take_broken(), now)):
            self._note(*events)

    def _signal_incident(self) -> None:
        if _SIGNALS not in self._tasks and (signals := self._link.signals_to(self._case.incident)):
            self._begin(_SIGNALS, signals)

    def _publish_events(self) -> None:
        """Publish after the incident knows; what the incident writes itself, only if the run ends."""
        if self._case.is_over(workflow.now()) or workflow.info().is_continue_as_new_suggested():
            self._version_incident_writes = 0
        if _SIGNALS not in self._tasks and self._version_incident_writes != self._case.version:
            self._publish(Projection.publish, self._batch)

    @workflow.query(description="The case as it stands, without asking SQL. 工单现状")
    def case(self, actor: Actor | None = None) -> CaseView:
        """Return the live case, with the actions that `actor` may take."""
        now = workflow.now()
        return view_case(self._case, now, self._case.available_actions(actor, now) if actor else ())

    @workflow.signal(description="A notification of this case did not get through; the case is flagged. 通知未送达")
    def undelivered(self, key: str) -> None:
        """Flag the case."""
        self._note(*self._case.undelivered(key, workflow.now()))

    @workflow.update(description="What is known of the caller came too late for the intake. 补充识别")
    def recognise(self, known: Recognised) -> None:
        """Flag the case."""
        self._note(*self._case.recognise(known, workflow.now()))

    @recognise.validator
    def check_recognise(self, known: Recognised) -> None:
        """Refuse what the case knows already, so that its history stays as it is. Raises ApplicationError."""
        if not is_news(self._case, known, workflow.now()):
            raise ApplicationError("It is known already, or the case is over.", type=KNOWN, non_retryable=True)

    @workflow.update(description="The incident that the case is linked to is over: complete it and reply. 随事件办结")
    async def settle(self, settlement: Settlement) -> Settled:
        """Return the outcome: `settled`, `kept` or `over`; the same if asked again.

        The incident writes the batch of a settled case, which so needs no activity of its own. The events stay in the
        outbox until something more happens.
        """
        events = self._case.settle(settlement, workflow.now())
        self._note(*events)
        settled = Settled(outcome=outcome(self._case, settlement.incident))
        if not (events and settled.outcome == SETTLED):
            return settled
        self._version_incident_writes = self._case.version
        return settled.model_copy(update={"batch": self._batch()})

    @workflow.update(description="A new catalogue is in force: the case is held to its terms. 改用新服务目录")
    def catalogue_change(self, new: NewTerms) -> None:
        """Change the terms of the case."""
        self._note(*self._case.change_catalogue(new, workflow.now()))

    @catalogue_change.validator
    def check_catalogue_change(self, new: NewTerms) -> None:
        """Refuse terms that the case has already, so that its history stays as it is. Raises ApplicationError."""
        if not is_change(self._case, new, workflow.now()):
            raise ApplicationError("Its terms are these already.", type=SAME_TERMS, non_retryable=True)

    @workflow.signal(description="The incident could not write the settlement: the case does it itself. 自行写入")
    def publish(self) -> None:
        """Publish the outbox, including what the incident was to write."""
        self._version_incident_writes = 0
        self._wake()

    def _batch(self) -> ProjectionBatch:
        case = self._case
        return ProjectionBatch(
            number=case.number,
            since_version=self._outbox[0].seq - 1,
            sla=case.sla,
            overdue=case.overdue,
            next_due_at=case.next_due(),
            priority=case.terms.priority if case.catalogue_change else None,
            case=case.model_copy(),
            events=tuple(self._outbox),
        )

    def _search_attributes(self) -> Values:
        return search_attributes(self._case)

    def _details(self) -> str:
        return details(self._case, workflow.now())

    def _outcome(self, done: Done, actor: Actor) -> Outcome:
        return Outcome(**done.model_dump(), case=self.case(actor))

    def _carried_over(self) -> ComplaintStart:
        return ComplaintStart(source=self._case, seen=self._seen, linked_incident=self._link.told)
