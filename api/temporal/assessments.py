"""Client of the workflows of assessments."""

from contextlib import suppress
from datetime import timedelta

from temporalio.service import RPCError

from activities.names import assessment_id
from api.temporal.client import QUERY_SECONDS, EntityClient
from workflows.assessment.messages import AssessmentOutcome
from workflows.assessment.workflow import AssessmentWorkflow


class AssessmentClient(EntityClient[AssessmentOutcome]):
    """Client of the workflows of assessments, by month."""

    noun = "assessment"
    workflow_id = staticmethod(assessment_id)
    outcome = AssessmentOutcome

    async def recompute(self, month: str) -> None:
        """Have the figures computed anew. Raises nothing: the last computation has all that was decided before it."""
        with suppress(RPCError, RuntimeError):
            await self._handle(month).signal(AssessmentWorkflow.recompute, rpc_timeout=timedelta(seconds=QUERY_SECONDS))
