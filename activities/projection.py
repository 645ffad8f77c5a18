"""The activity by which cases publish their events to the read model."""

from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.case.batch import ProjectionBatch
from readmodel.writer import DOWN, GroupWriter


class Projection:
    """The activity `publish`. Run again, or late, it writes the same rows."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer

    @activity.defn(name="publish")
    async def publish(self, batch: ProjectionBatch) -> None:
        """Commit the batch. Raises ApplicationError if SQL does not take it: Temporal tries again."""
        try:
            await self._writer.submit(batch)
        except DBAPIError as error:
            raise unavailable(error) from None


def unavailable(error: DBAPIError) -> ApplicationError:
    """Return the error without its statement and data: histories and logs hold nothing personal."""
    kind = type(error.orig).__name__
    return ApplicationError(f"SQL: {error.orig}" if isinstance(error, DOWN) else f"SQL refused it: {kind}", type=kind)
