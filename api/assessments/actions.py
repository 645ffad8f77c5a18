"""Actions on assessments: inspect a case of the sample, object to a figure, decide on an objection."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from api.assessments.answers import (
    ASSESSMENTS,
    InspectionItem,
    NewInspection,
    NewObjection,
    ObjectionDecision,
    ObjectionItem,
    ObjectionPage,
    inspection_items,
    objection_item,
)
from api.assessments.assessments import CASE_NOT_COUNTED, UNKNOWN_FIGURE, UNKNOWN_SUBJECT, TheAssessments
from api.assessments.routes import Month
from api.edge.limits import TOO_MANY_ACTIONS
from api.edge.problems import (
    BEHIND_SQL,
    OUT_OF_TURN,
    WORKFLOW_LOST,
    Kind,
    kind_of,
    refusal_of,
)
from api.parameters import INVALID_NUMBER, POST_ERRORS, IdempotencyKey, number_in
from api.responses import also, answer_model, problems
from api.rights import needs
from api.routing import OnceRoute
from domain.assessment.actions import decide_objection, inspect, object_
from domain.assessment.kind import AssessmentAction
from domain.assessment.state import AssessmentFields, Objection
from domain.catalogue.figures import Subject
from domain.rights.rights import READ_ASSESSMENTS, right_to
from domain.shared.actors import Actor

_ACTED = (*POST_ERRORS, OUT_OF_TURN, BEHIND_SQL, WORKFLOW_LOST, TOO_MANY_ACTIONS)
_CHECKED = (UNKNOWN_SUBJECT, UNKNOWN_FIGURE, CASE_NOT_COUNTED, INVALID_NUMBER)


def _problems(action: AssessmentAction) -> tuple[Kind, ...]:
    return (*_ACTED, *map(kind_of, action.problems))


router = APIRouter(tags=["assessments"], route_class=OnceRoute)


@router.post(
    f"{ASSESSMENTS}/{{month}}/inspections",
    summary="质检 inspect: give points to a case of the sample",
    response_model=InspectionItem,
    responses=also(202, InspectionItem) | problems(*_problems(inspect.ACTION), INVALID_NUMBER),
)
async def inspect_case(
    month: Month,
    body: NewInspection,
    actor: Annotated[Actor, needs(right_to(inspect.ACTION))],
    assessments: TheAssessments,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Give the points of each criterion of the form; nobody inspects a case of their own."""
    number = number_in(body.complaint)
    given = {"note": body.note} if body.note else {}
    meant = inspect.Inspect(complaint=number, scores=body.scores, **given)
    outcome, shown = await assessments.act(month, meant, actor, idempotency_key)
    found = next(each for each in inspection_items(outcome.assessment) if each.complaint == number)
    return answer_model(found, HTTPStatus.OK if shown else HTTPStatus.ACCEPTED)


@router.get(
    f"{ASSESSMENTS}/{{month}}/objections",
    summary="List the objections of a month 申诉",
    response_model=ObjectionPage,
    dependencies=[needs(READ_ASSESSMENTS)],
)
async def list_objections(month: Month, assessments: TheAssessments) -> Response:
    """List the objections with their decisions, the oldest first, all on one page."""
    found = await assessments.of(month)
    items = [objection_item(month, each) for each in found.objections]
    return answer_model(ObjectionPage(items=items, next_cursor=None))


@router.post(
    f"{ASSESSMENTS}/{{month}}/objections",
    summary="申诉 object: to a figure of a published month",
    status_code=201,
    response_model=ObjectionItem,
    responses=also(202, ObjectionItem) | problems(*_problems(object_.ACTION), *_CHECKED),
)
async def object_to_figure(
    month: Month,
    body: NewObjection,
    actor: Annotated[Actor, needs(right_to(object_.ACTION))],
    assessments: TheAssessments,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Object to a figure of a subject: to one case that it counts, or to the figure as a whole."""
    complaint = number_in(body.complaint) if body.complaint else None
    fields = body.model_dump(exclude_none=True) | ({"complaint": complaint} if complaint else {})
    meant = object_.Object(**{"by": Subject.COMPANY, **fields})

    async def check() -> None:
        nonlocal meant
        meant = meant.model_copy(update=await assessments.objected(month, body, complaint))

    refused = await refusal_of(check())
    outcome, shown = await assessments.act(month, meant, actor, idempotency_key, refused)
    found = _objection_like(outcome.assessment, body, complaint)
    return answer_model(objection_item(month, found), HTTPStatus.CREATED if shown else HTTPStatus.ACCEPTED)


@router.post(
    f"{ASSESSMENTS}/{{month}}/objections/{{id}}/decision",
    summary="申诉裁决 decide: on an objection",
    response_model=ObjectionItem,
    responses=also(202, ObjectionItem) | problems(*_problems(decide_objection.ACTION)),
)
async def decide_on_objection(
    month: Month,
    objection_id: Annotated[int, Path(alias="id", ge=1, le=9_999_999, description="Its id.", examples=[1])],
    body: ObjectionDecision,
    actor: Annotated[Actor, needs(right_to(decide_objection.ACTION))],
    assessments: TheAssessments,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Accept or reject an objection: not its author, its subject, who gave the points or is of the case."""
    meant = decide_objection.DecideObjection(objection=objection_id, **dict(body))
    outcome, shown = await assessments.act(month, meant, actor, idempotency_key)
    found = outcome.assessment.objection(objection_id)
    assert found is not None  # noqa: S101 - the workflow has decided on it
    return answer_model(objection_item(month, found), HTTPStatus.OK if shown else HTTPStatus.ACCEPTED)


def _objection_like(month: AssessmentFields, body: NewObjection, complaint: str | None) -> Objection:
    """Return the objection that this request has raised, now or before: no other is to the same figure and case."""
    wanted = (body.subject, body.figure, complaint)
    return next(
        each
        for each in reversed(month.objections)
        if (each.subject, each.figure, each.complaint) == wanted and body.by in (None, each.by)
    )
