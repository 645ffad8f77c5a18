"""Reader of the events of a workflow, also of one that Temporal's client cannot decode."""

import logging
from collections.abc import AsyncIterator
from functools import partial

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client
from temporalio.service import RPCError

from activities.recovery.history_errors import ForeignError
from activities.run_status import is_undecodable, unless_gone

logger = logging.getLogger(__name__)


async def read_events(client: Client, run: WorkflowExecution, size: int = 0) -> AsyncIterator[HistoryEvent]:
    """Yield the events of a run, of which a page has `size` transactions, or as many as fit; none of a deleted one.

    Temporal takes a failure that is nested deeper than its clients read: no worker goes on after such an answer, and
    what was before it is yielded. Raises ForeignError if the start has one.
    """
    asked = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace,
        execution=run,
        maximum_page_size=size,
    )
    ask = partial(client.workflow_service.get_workflow_execution_history, asked)
    more = True
    while more:
        try:
            page = await unless_gone(ask())
        except RPCError as error:
            # The client would try for ten seconds, for each such run.
            if is_undecodable(error):
                if asked.maximum_page_size == 1:
                    if asked.next_page_token:
                        logger.warning(
                            "the history of %s, run %s, is read up to what cannot be decoded",
                            run.workflow_id,
                            run.run_id,
                        )
                        return
                    raise ForeignError("its start cannot be decoded") from None
                asked.maximum_page_size = 1
                continue
            page = await unless_gone(ask(retry=True))
        for event in page.history.events if page else ():
            yield event
        asked.next_page_token = page.next_page_token if page else b""
        more = bool(asked.next_page_token)
