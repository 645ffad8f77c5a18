"""Writing what a case publishes into the read model."""

from sqlalchemy.exc import DBAPIError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from domain.case.batch import ProjectionBatch
from readmodel.writer import DOWN, GroupWriter


class Projection:
    """The activity that every case publishes by. Done again, or late, it writes the same rows."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer

    @activity.defn(name="publish")
    async def publish(self, batch: ProjectionBatch) -> None:
        """Return when the batch is committed. Raises ApplicationError where it was not: Temporal tries again."""
        try:
            await self._writer.submit(batch)
        except DBAPIError as error:
            raise unavailable(error) from None


def unavailable(error: DBAPIError) -> ApplicationError:
    """The error without its statement and data: it goes into histories and logs, which hold nothing personal."""
    kind = type(error.orig).__name__
    return ApplicationError(f"SQL: {error.orig}" if isinstance(error, DOWN) else f"SQL refused it: {kind}", type=kind)
