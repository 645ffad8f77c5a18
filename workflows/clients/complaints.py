"""Start of cases, and a case as it was started."""

from datetime import datetime, timedelta
from typing import Any

from temporalio.client import Client
from temporalio.common import Priority

from activities.names import complaint_id
from activities.sealing.envelope import context_of
from domain.case.actions.register import Registration
from domain.case.case import Case
from domain.case.lifecycle import Event
from domain.shared.value import to_milliseconds
from workflows.clients.start import Request, start_once
from workflows.complaint.messages import ComplaintStart, search_attributes, summary
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.kit.search_attributes import typed


async def start_complaint(
    client: Client, task_queue: str, registration: Registration, case: Case, request: Request, within: timedelta
) -> bool:
    """Start the case, whose first version the caller writes to SQL. Returns False if its number is taken.

    Raises what the client raises.
    """
    return await start_once(
        client,
        request,
        ComplaintWorkflow.run,
        ComplaintStart(source=registration, sender_version=case.version),
        task_queue=task_queue,
        **complaint_options(case, to_milliseconds(case.registered_at)),
        rpc_timeout=within,
    )


def complaint_options(case: Case, changed_at: datetime) -> dict[str, Any]:
    """Options of `Client.start_workflow`, of a case that changed last at this instant."""
    return {
        "id": complaint_id(case.number),
        "static_summary": summary(case),
        "search_attributes": typed(search_attributes(case, changed_at)),
        # Emergencies (P1) go before all else.
        "priority": Priority(priority_key=int(case.terms.priority.removeprefix("P"))),
    }


async def started_as(client: Client, number: str) -> tuple[Case, tuple[Event, ...]]:
    """Read the case as registered, with its first event, from the history: this needs no worker.

    Raises LookupError for an empty history, and what client and converter raise, as RPCError if there is no workflow.
    """
    converter = client.data_converter.with_context(context_of(client.namespace, complaint_id(number)))
    async for event in client.get_workflow_handle(complaint_id(number)).fetch_history_events(page_size=1):
        payloads = event.workflow_execution_started_event_attributes.input.payloads
        if found := await converter.decode(payloads, [ComplaintStart]):
            source = found[0].source
            return (source, ()) if isinstance(source, Case) else Case.register(source)
    raise LookupError(f"the history of case {number} is empty")
