"""Pages of monthly assessments (月度考核): the months, and the scores of one with what is deducted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.desk import words
from api.desk.kit import DESK
from api.desk.managers import ManagerDesk
from api.desk.words import Names
from api.routing import StrictRoute, from_backend
from domain.assessment.state import AssessmentState
from domain.catalogue.figures import FIGURE_OF, FigureUnit, Subject
from domain.shared.actors import Actor
from domain.shared.value import Phrase

Content = Mapping[str, Any]


class Scored(NamedTuple):
    """Subject with its score, in words: what each figure with a weight takes of it, and all figures."""

    name: str
    score: float | None
    grade: str
    deducted: list[tuple[str, str]]
    figures: list[tuple[str, str]]


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
        content: Content = found.json()
        return self.page(
            request,
            "assessment",
            actor,
            month=content,
            subjects=[(by.value, words.of_code(by)) for by in Subject],
            scored=[_scored(item, content["standard"], self.names(request)) for item in content["items"]],
            states=STATES,
            at=datetime.fromisoformat,
        )


STATES: Mapping[str, Phrase] = {state.value: words.of_code(state) for state in AssessmentState}


def _scored(item: Content, standard: Content, names: Names) -> Scored:
    given = {each["code"]: (each["name_zh"], each["name"]) for each in (*standard["given"], *standard["grades"])}

    def named(code: str) -> str:
        figure = FIGURE_OF.get(code)
        return names.say((figure.zh, figure.title) if figure else given.get(code, (code, code)))

    def shown(code: str, value: Any) -> str:  # noqa: ANN401 - JSON
        is_rate = code in FIGURE_OF and FIGURE_OF[code].unit is FigureUnit.RATE
        return "-" if value is None else f"{value:.1%}" if is_rate else str(value)

    def deductions() -> Iterator[tuple[str, str]]:
        for code, figure in item["figures"].items():
            if figure["left_out"]:
                yield named(code), names.say(words.LEFT_OUT[figure["left_out"]])
            elif figure["weight"] and figure["points"] < figure["weight"]:
                less = figure["weight"] - figure["points"]
                yield named(code), f"{shown(code, figure['value'])} −{less:.2f}/{figure['weight']:.2f}"

    figures = [(named(code), shown(code, figure["value"])) for code, figure in item["figures"].items()]
    subject = names.say((item["name_zh"] or item["name"], item["name"])) or item["subject"]
    return Scored(subject, item["score"], named(item["grade"] or ""), [*deductions()], figures)


TheAssessmentDesk = Annotated[AssessmentDesk, from_backend("assessment_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{DESK}/assessments")
async def show_assessments(request: Request, desk: TheAssessmentDesk) -> Response:
    return await desk.shown(request, lambda session: desk.months(request, session.actor))


@router.get(f"{DESK}/assessments/{{month}}")
async def show_assessment(request: Request, month: str, desk: TheAssessmentDesk) -> Response:
    return await desk.shown(request, lambda session: desk.month(request, session.actor, month))
