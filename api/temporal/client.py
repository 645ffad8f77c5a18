"""Updates and queries of the workflows of cases, incidents, months and handovers."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar, cast
from weakref import WeakValueDictionary

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from activities.names import assessment_id, complaint_id, incident_id
from activities.run_status import is_lost, is_over
from activities.sealing.envelope import Envelope
from api.edge.limits import Limit
from api.edge.problems import ProblemError, declare
from api.temporal import errors
from api.temporal.server import ClockCheck
from domain.case.actions.register import Registration
from domain.case.automatic.internal_updates import KNOWN, Recognised
from domain.case.bulk import Handover, HandoverProgress
from domain.case.case import Case
from domain.case.lifecycle import Event
from domain.case.state import ProjectionBatch
from domain.case.views import CaseView, Outcome
from domain.incident.incident import Incident
from domain.incident.state import LINKABLE, Opening
from domain.kit.event import Command
from domain.shared.actors import Actor, Role
from domain.shared.errors import NO_INCIDENT, OPEN_INCIDENT
from domain.shared.numbers import days_around, local_day, time_to_settle
from workflows.assessment.messages import AssessmentOutcome
from workflows.assessment.workflow import AssessmentWorkflow
from workflows.bulk import HandoverStart, HandoverWorkflow
from workflows.clients.bulk import handover_workflow_id, start_handover
from workflows.clients.complaints import start_complaint, started_as
from workflows.clients.incidents import Started, find_incident, start_incident
from workflows.clients.start import Request, find_started
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.messages import IncidentOutcome
from workflows.kit.words import CatalogueNames

OutcomeT = TypeVar("OutcomeT")
T = TypeVar("T")


@dataclass
class EntityClient(Generic[OutcomeT]):
    """Client of the workflows of one kind of entity, which `noun` names.

    Every call ends within its time, with an answer or a ProblemError.

    Attributes:
        timeout: longest wait for an update, in seconds.
        limit: limit of the actions on one entity. Refused ones do not count: they could lock out others.
        acknowledged: returns the version that SQL is known to have, if this process writes what an update returns.
    """

    noun: ClassVar[str]
    workflow_id: "ClassVar[staticmethod[[str], str]]"
    outcome: ClassVar[Any]

    client: Client
    task_queue: str
    timeout: float
    clock_check: ClockCheck
    limit: Limit
    acknowledged: Callable[[str], int | None] = lambda _: None
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    @property
    def query_timeout(self) -> float:
        """Longest wait for the answer to a query, in seconds."""
        return min(errors.QUERY_SECONDS, self.timeout)

    async def act(
        self, number: str, action: str, command: Command[Any], refused: ProblemError | None = None
    ) -> OutcomeT | None:
        """Send a command, and return its outcome; None if no workflow takes it (any more). Raises ProblemError.

        `refused` is what a check in front of the workflow has found. It is raised unless the workflow knows the
        command's key: what was carried out is answered again, whatever has changed since. Asking leaves nothing in the
        history.
        """
        found: OutcomeT | None = None
        problem = refused
        # Without a key, a later run of the workflow would do a copy of the update again.
        sent = command if command.key else command.model_copy(update={"key": uuid.uuid4().hex})
        if not refused:
            try:
                found = await self._update(number, action, sent)
            except errors.UntrustedAnswerError as error:  # Temporal keeps that answer for good
                problem = error
        if found is None and (command.key or isinstance(problem, errors.UntrustedAnswerError)):
            try:
                found = await self._query(number, "done", [sent.key, sent.actor], self.outcome, "The action")
            except ProblemError:
                if not isinstance(problem, errors.UntrustedAnswerError):
                    raise
        if found is None and problem:
            raise problem
        return found

    async def is_lost(self, number: str) -> bool:
        """Ask only of an entity that is not over. Raises ProblemError."""
        found = await self._described(number)
        return is_lost(found.status if found else None)

    @property
    def namespace(self) -> str:
        return self.client.namespace

    @property
    def envelope(self) -> Envelope:
        return cast("Envelope", self.client.data_converter.payload_codec)

    async def present_run(self, number: str) -> str | None:
        """Id of the latest run of an entity; None if Temporal has none. Raises ProblemError."""
        found = await self._described(number)
        return found.run_id if found else None

    async def _described(self, number: str) -> WorkflowExecutionDescription | None:
        async with errors.answering(self.query_timeout, "The workflow"):
            return await errors.answer_or_none(self._handle(number).describe())

    async def count(self, query: str) -> int:
        """Count the workflows that a query finds, of whatever type. Raises ProblemError."""
        async with errors.answering(self.query_timeout, "The count"):
            return (await self.client.count_workflows(query)).count

    def _handle(self, number: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(self.workflow_id(number))

    async def _update(self, number: str, action: str, command: Command[Any]) -> OutcomeT | None:
        await self.clock_check.require()
        # One at a time for each entity: Temporal has room for ten. Its client waits where other processes act as well.
        async with errors.answering(self.timeout, "The action"), self._locks.setdefault(number, asyncio.Lock()):
            subject = f"{self.noun} {number}"
            if command.actor.role is Role.CALLER:  # who must not use up what the staff may do
                subject = f"caller of {subject}"
            self.limit.check(subject)
            # Known only now: the write of those who acted before may have ended meanwhile.
            update = self._handle(number).execute_update(
                action,
                command.model_copy(update={"acknowledged": self.acknowledged(number)}),
                id=command.key,
                result_type=self.outcome,
            )
            try:
                outcome: OutcomeT | None = await errors.answer_or_none(update)
            except WorkflowUpdateFailedError as error:
                raise errors.refused_update(error) from None
            self.limit.count(subject)
            return outcome

    async def _query(self, number: str, query: str, arguments: Sequence[Any], answer: type[T], what: str) -> T | None:
        """None if there is no such workflow, or its start failed. Raises ProblemError."""
        handle = self._handle(number)
        async with errors.answering(self.query_timeout, what):
            try:
                return await errors.answer_or_none(handle.query(query, args=arguments, result_type=answer))
            except WorkflowQueryFailedError:
                if (await handle.describe()).status is not WorkflowExecutionStatus.FAILED:
                    raise
                return None


class ComplaintClient(EntityClient[Outcome]):
    """Client of the workflows of complaints."""

    noun = "case"
    workflow_id = staticmethod(complaint_id)
    outcome = Outcome

    async def start(self, registration: Registration, case: Case, request: Request, seconds: float) -> bool:
        """Make the registration durable, within so many seconds. Returns False if its number is taken."""
        await self.clock_check.require()
        within = min(self.timeout, seconds)
        async with errors.answering(within, "The registration"):
            if within <= 0:
                raise TimeoutError
            wait = timedelta(seconds=within)
            return await start_complaint(self.client, self.task_queue, registration, case, request, wait)

    async def registered_by(self, request: Request, numbers: Iterable[str]) -> str | None:
        """First of a day's candidates that this request registered; None if there is none."""
        async with errors.answering(self.timeout, "The registration"):
            return await find_started(self.client, request, numbers, complaint_id)

    async def started_as(self, number: str) -> tuple[Case, tuple[Event, ...]]:
        """Case as it was registered, with its first event, from the history: this needs no worker."""
        async with errors.answering(self.timeout, "The case"):
            if (found := await errors.answer_or_none(started_as(self.client, number))) is None:
                raise RuntimeError(f"Temporal has deleted case {number}")
            return found

    async def recognise(self, number: str, known: Recognised, key: str) -> ProjectionBatch | None:
        """Tell a case what is known of its caller; return the batch to write, None if it is nothing new to the case.

        Of several with this key, the case hears the first. Raises ProblemError.
        """
        update = self._handle(number).execute_update(ComplaintWorkflow.recognise, known, id=key)
        async with errors.answering(self.timeout, "The caller"):
            try:
                returned = await errors.answer_or_none(update)
            except WorkflowUpdateFailedError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.type == KNOWN:
                    return None
                raise errors.other_release("the worker does not take what is known of the caller") from None
        return returned.batch if returned else None

    async def case(self, number: str, actor: Actor) -> CaseView | None:
        """Live case as `actor` sees it; None if there is none. Raises ProblemError."""
        return await self._query(number, "case", [actor], CaseView, "The case")


UNKNOWN_INCIDENT = declare("unknown-incident", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown incident")
INCIDENT_CLOSED = declare("incident-closed", HTTPStatus.CONFLICT, "Incident closed")


class IncidentClient(EntityClient[IncidentOutcome]):
    """Client of the workflows of incidents."""

    noun = "incident"
    workflow_id = staticmethod(incident_id)
    outcome = IncidentOutcome

    async def start(self, opening: Opening, request: Request | None, names: CatalogueNames) -> Started:
        """Make the incident durable, or find the one that the same request started; without a request, a new one."""
        await self.clock_check.require()
        if request:
            await asyncio.sleep(time_to_settle(opening.at).total_seconds())
        async with errors.answering(self.timeout, "The incident"):
            known_by = request or Request(key=uuid.uuid4().hex)
            return await start_incident(self.client, self.task_queue, opening, known_by, names)

    async def started_by(self, request: Request, at: datetime) -> str | None:
        """Find the incident that this request has started; None if it has started none."""
        async with errors.answering(self.timeout, "The incident"):
            return await find_incident(self.client, request, local_day(at), *days_around(at))

    async def incident(self, number: str, actor: Actor) -> Incident | None:
        """None if there is no live incident. Raises ProblemError."""
        found = await self._query(number, "incident", [actor], IncidentOutcome, "The incident")
        return found.incident if found else None

    async def require_open(self, number: str, actor: Actor) -> None:
        """Raise ProblemError if no case can be linked to the incident: it is unknown, or has ended."""
        found = await self.incident(number, actor)
        if found is None:
            accepted = [OPEN_INCIDENT, NO_INCIDENT]
            raise ProblemError(UNKNOWN_INCIDENT, f"There is no incident {number}.", accepted=accepted)
        if found.state not in LINKABLE:
            detail = f"The incident {number} is {found.state}: no case can be linked to it any more."
            raise ProblemError(INCIDENT_CLOSED, detail, accepted=[OPEN_INCIDENT])


class AssessmentClient(EntityClient[AssessmentOutcome]):
    """Client of the workflows of assessments, by month."""

    noun = "assessment"
    workflow_id = staticmethod(assessment_id)
    outcome = AssessmentOutcome

    async def recompute(self, month: str) -> None:
        """Have the figures computed anew. Raises nothing: the last computation has all that was decided before it."""
        with suppress(RPCError, RuntimeError):
            await self._handle(month).signal(
                AssessmentWorkflow.recompute, rpc_timeout=timedelta(seconds=errors.QUERY_SECONDS)
            )


HANDOVER_WAIT_SECONDS = 1.5
"""Seconds that a request waits for the end of a handover: few cases are handed over within it."""


@dataclass(frozen=True, slots=True)
class HandoverClient:
    """Client of the workflows of handovers; a start gets its answer within `timeout` seconds."""

    client: Client
    task_queue: str
    timeout: float
    clock_check: ClockCheck

    async def is_started(self, request: Request) -> bool:
        """Raise ProblemError, also if the key of the request had another body."""
        async with errors.answering(self.timeout, "The handover"):
            return await find_started(self.client, request, [request.key], handover_workflow_id) is not None

    async def start(self, handover: Handover, request: Request) -> None:
        """Make the handover durable. Raises ProblemError."""
        await self.clock_check.require()
        async with errors.answering(self.timeout, "The handover"):
            await start_handover(self.client, self.task_queue, HandoverStart.of(handover), request)

    async def wait(self, handover_id: str) -> HandoverProgress | None:
        """Progress at the end, or after `HANDOVER_WAIT_SECONDS`; None if no worker tells it. Raises nothing."""
        with suppress(TimeoutError, RPCError, RuntimeError, WorkflowFailureError, ValidationError):
            async with asyncio.timeout(HANDOVER_WAIT_SECONDS):
                return await self._handle(handover_id).result()
        with suppress(ProblemError):
            return await self.progress(handover_id)
        return None

    async def progress(self, handover_id: str) -> HandoverProgress | None:
        """None if there is no such handover. Raises ProblemError."""
        handle = self._handle(handover_id)
        async with errors.answering(errors.QUERY_SECONDS, "The handover"):
            if (found := await errors.answer_or_none(handle.describe())) is None:
                return None
            if found.status is WorkflowExecutionStatus.COMPLETED:
                return await errors.answer_or_none(handle.result())
            at = await handle.query(HandoverWorkflow.progress)
            return at.model_copy(update={"state": "ended"}) if at and is_over(found.status) else at

    def _handle(self, handover_id: str) -> WorkflowHandle[HandoverWorkflow, HandoverProgress]:
        return self.client.get_workflow_handle(handover_workflow_id(handover_id), result_type=HandoverProgress)
