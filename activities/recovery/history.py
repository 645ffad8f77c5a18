"""Reader of the events of a workflow, also of one that Temporal's client cannot decode, and errors of histories."""

import logging
from collections.abc import AsyncIterator
from functools import partial

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client

from activities.run_status import UndecodableError, answered

logger = logging.getLogger(__name__)


class UnreadableError(Exception):
    """Error for a history that this release cannot read."""


class ForeignError(UnreadableError):
    """Error for the history of a workflow that the service has not started."""


class UnopenedError(UnreadableError):
    """Error for a history that is sealed with a key that this process does not have."""


async def read_events(client: Client, run: WorkflowExecution, size: int = 0) -> AsyncIterator[HistoryEvent]:
    """Yield the events of a run, of which a page has `size` transactions, or as many as fit; none of a deleted one.

    Temporal takes a failure that is nested deeper than its clients read: no worker goes on after such an answer, and
    what was before it is yielded. Raises ForeignError if the start has one.
    """
    asked = GetWorkflowExecutionHistoryRequest(namespace=client.namespace, execution=run, maximum_page_size=size)
    while True:
        try:
            page = await answered(partial(client.workflow_service.get_workflow_execution_history, asked))
        except UndecodableError:
            if asked.maximum_page_size != 1:
                asked.maximum_page_size = 1
                continue
            if not asked.next_page_token:
                raise ForeignError("its start cannot be decoded") from None
            left = "the history of %s, run %s, is read up to what cannot be decoded"
            logger.warning(left, run.workflow_id, run.run_id)
            return
        for event in page.history.events if page else ():
            yield event
        if not page or not page.next_page_token:
            return
        asked.next_page_token = page.next_page_token
