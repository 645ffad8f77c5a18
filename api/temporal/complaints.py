"""Client of the workflows of complaints."""

from collections.abc import Iterable
from datetime import timedelta

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.names import complaint_id
from activities.sealing.envelope import context_of
from api.temporal.client import EntityClient, answer_unless_gone, answering, other_release
from domain.case.actions.register import Registration
from domain.case.automatic.recognise import KNOWN, Recognised
from domain.case.batch import ProjectionBatch
from domain.case.case import Case
from domain.case.events import Event
from domain.case.views import CaseView, Outcome
from domain.shared.actors import Actor
from domain.shared.text import to_milliseconds
from workflows.clients.start import Request, find_started, start_once
from workflows.complaint.messages import ComplaintStart, options_of
from workflows.complaint.workflow import ComplaintWorkflow


class ComplaintClient(EntityClient[Outcome]):
    """Client of the workflows of complaints."""

    noun = "case"
    workflow_id = staticmethod(complaint_id)
    outcome = Outcome

    async def start(self, registration: Registration, case: Case, request: Request, seconds: float) -> bool:
        """Make the registration durable, within so many seconds. Returns False if its number is taken."""
        await self._clock_check.require()
        within = min(self._timeout, seconds)
        async with answering(within, "The registration"):
            if within <= 0:
                raise TimeoutError
            return await start_once(
                self._client,
                request,
                ComplaintWorkflow.run,
                # The caller of this function writes the first version to SQL.
                ComplaintStart(source=registration, sender_version=case.version),
                task_queue=self._task_queue,
                **options_of(case, to_milliseconds(case.registered_at)),
                rpc_timeout=timedelta(seconds=within),
            )

    async def registered_by(self, request: Request, numbers: Iterable[str]) -> str | None:
        """Return the first of a day's candidates that this request registered; None if there is none."""
        async with answering(self._timeout, "The registration"):
            return await find_started(self._client, request, numbers, complaint_id)

    async def started_as(self, number: str) -> tuple[Case, tuple[Event, ...]]:
        """Return the case as it was registered, with its first event, from the history: this needs no worker."""
        timeout = timedelta(seconds=self._timeout)
        async with answering(self._timeout, "The case"):
            async for event in self._handle(number).fetch_history_events(page_size=1, rpc_timeout=timeout):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                converter = self._client.data_converter.with_context(context_of(self.namespace, complaint_id(number)))
                if found := await answer_unless_gone(converter.decode(payloads, [ComplaintStart])):
                    source = found[0].source
                    return (source, ()) if isinstance(source, Case) else Case.register(source)
        raise LookupError(f"the history of case {number} is empty")

    async def recognise(self, number: str, known: Recognised, key: str) -> ProjectionBatch | None:
        """Tell a case what is known of its caller; return the batch to write, None if it is nothing new to the case.

        Of several with this key, the case hears the first.

        Raises ProblemError.
        """
        update = self._handle(number).execute_update(
            ComplaintWorkflow.recognise, known, id=key, rpc_timeout=timedelta(seconds=self._timeout)
        )
        async with answering(self._timeout, "The caller"):
            try:
                returned = await answer_unless_gone(update)
            except WorkflowUpdateFailedError as error:
                if isinstance(error.cause, ApplicationError) and error.cause.type == KNOWN:
                    return None
                raise other_release("the worker does not take what is known of the caller") from None
        return returned.batch if returned else None

    async def case(self, number: str, actor: Actor) -> CaseView | None:
        """Return the live case as `actor` sees it; None if there is none. Raises ProblemError."""
        return await self._query(number, "case", [actor], CaseView, "The case")
