"""Assessments that run, for tests of workflows: begun as the service begins them, driven by the plain client."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import select
from temporalio.client import WorkflowHandle

from activities.names import assessment_id
from domain.assessment.actions import ASSESSMENT_ACTION_OF
from domain.assessment.assessment import Assessment, AssessmentOpening
from domain.kit.event import ActionBody, Command
from domain.shared.actors import Actor
from readmodel.assessments import months
from readmodel.assessments.months import assessment_events
from readmodel.base.database import read_in_thread
from tests.support.assessment import EDITION, standard
from tests.support.hotline import ADMIN, Hotline, until
from workflows.assessment.messages import AssessmentOutcome
from workflows.clients.periods import resume_assessment, start_assessment
from workflows.kit.words import CatalogueNames


def present_month(number: str, **changes: Any) -> AssessmentOpening:
    """Return the opening of an assessment of the last and the next hour, under the name of this month."""
    at, hour = datetime.now(UTC), timedelta(hours=1)
    return AssessmentOpening(
        month=number,
        at=at,
        since=at - hour,
        until=at + hour,
        seed="seed",
        standard=standard(**changes),
        edition=EDITION,
    )


class RunningMonth:
    """One running assessment, of the present month: the cases of the test are in it."""

    def __init__(self, hotline: Hotline, number: str) -> None:
        self.number = number
        self._hotline = hotline

    @classmethod
    async def begin(cls, hotline: Hotline, number: str, **changes: Any) -> "RunningMonth":
        """Begin the assessment of the present hour, under the name of this month."""
        opening = present_month(number, **changes)
        await start_assessment(
            hotline.client, hotline.settings.task_queue, opening, CatalogueNames.of(hotline.catalogue)
        )
        return cls(hotline, number)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Of the run that there is now."""
        return self._hotline.client.get_workflow_handle(assessment_id(self.number))

    async def act(self, body: ActionBody, by: Actor = ADMIN, key: str = "") -> AssessmentOutcome:
        """Send the update of this body."""
        command: Command[Any] = Command(actor=by, body=body, key=key, digest=key)
        outcome = await self.handle.execute_update(
            ASSESSMENT_ACTION_OF[type(body)].name, command, result_type=AssessmentOutcome, id=key or None
        )
        return cast("AssessmentOutcome", outcome)

    async def in_sql(self) -> Assessment | None:
        """Return the assessment as SQL has it."""
        return await read_in_thread(self._hotline.engine, lambda sql: months.get(sql, self.number))

    async def resume(self) -> bool:
        """Go on from SQL, as the command does; return False if the workflow runs."""
        found = await self.in_sql()
        assert found
        return await resume_assessment(self._hotline.client, self._hotline.settings.task_queue, found, CatalogueNames())

    async def reaches(self, *actions: str) -> list[str]:
        """Wait until SQL has these last events; return all."""

        async def look() -> list[str]:
            table = assessment_events.c
            wanted = select(table.action).where(table.number == self.number).order_by(table.seq)
            return await read_in_thread(self._hotline.engine, lambda sql: list(sql.scalars(wanted)))

        return await until(look, lambda seen: tuple(seen[-len(actions) :]) == actions)

    async def ahead(self, **delta: float) -> None:
        """Skip time."""
        await self._hotline.server.fast_forward(self.handle, timedelta(**delta))

    async def past(self, limit: str) -> None:
        """Skip time until this one is over, and no further."""
        found = await self.in_sql()
        ends = found.limit_of(limit) if found else None
        assert ends
        now = await self._hotline.server.get_current_time(self.handle)
        await self.ahead(seconds=(ends.ends_at - now).total_seconds() + 1)
