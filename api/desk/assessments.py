"""Pages of monthly assessments (月度考核): the months, and the scores of one with what is deducted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.assessments.answers import AssessedMonth
from api.assessments.scores import COLUMN_NAMES, scores
from api.desk import words
from api.desk.kit import DESK
from api.desk.managers import ManagerDesk
from api.routing import StrictRoute, from_backend
from domain.assessment.state import AssessmentState
from domain.catalogue.figures import Subject
from domain.reports.report import Cell
from domain.shared.actors import Actor
from domain.shared.value import Phrase


@dataclass(frozen=True)
class AssessmentDesk(ManagerDesk):
    """Pages of people who read assessments."""

    async def months(self, request: Request, actor: Actor) -> Response:
        found = await self.read(request, actor, "assessments")
        if not found.is_success:
            return self.refused(request, actor, found)
        return self.page(request, "assessments", actor, months=found.json()["items"], states=STATES)

    async def month(self, request: Request, actor: Actor, month: str) -> Response:
        """Show the scores of one kind of subject, or answer with a file of them."""
        if "format" in request.query_params:
            return await self.file(request, actor, f"assessments/{month}")
        found = await self.read(request, actor, f"assessments/{month}")
        if not found.is_success:
            return self.refused(request, actor, found)
        shown = AssessedMonth.model_validate_json(found.content)
        subjects = [(by.value, words.of_code(by)) for by in Subject]
        scored = _scored(shown, zh=self.names(request).zh)
        return self.page(request, "assessment", actor, month=shown, subjects=subjects, scored=scored, states=STATES)


STATES: Mapping[str, Phrase] = {state.value: words.of_code(state) for state in AssessmentState}


def _scored(month: AssessedMonth, *, zh: bool) -> list[list[dict[str, Cell]]]:
    """Return the figures of each subject as a file has them."""
    tables = (scores(month.standard, month.by, [item], zh=zh) for item in month.items)
    return [[dict(zip(COLUMN_NAMES, row, strict=True)) for row in table.rows] for table in tables if table.rows]


TheAssessmentDesk = Annotated[AssessmentDesk, from_backend("assessment_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{DESK}/assessments")
async def show_assessments(request: Request, desk: TheAssessmentDesk) -> Response:
    return await desk.shown(request, lambda session: desk.months(request, session.actor))


@router.get(f"{DESK}/assessments/{{month}}")
async def show_assessment(request: Request, month: str, desk: TheAssessmentDesk) -> Response:
    return await desk.shown(request, lambda session: desk.month(request, session.actor, month))
