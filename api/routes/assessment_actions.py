"""Actions on assessments: inspect a case of the sample, object to a figure, decide on an objection."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from api import render
from api.assessments import (
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
from api.backend import Backend
from api.edge.limits import TOO_MANY_ACTIONS
from api.edge.problems import (
    BEHIND_SQL,
    OUT_OF_TURN,
    WORKFLOW_LOST,
    ProblemError,
    ProblemKind,
    declare,
    kind_of,
    refusal_of,
    workflow_lost,
)
from api.openapi import Operations
from api.routes.assessments import MONTH_ERRORS, UNKNOWN_FIGURE, Month, assessment, number_of
from api.routes.parameters import INVALID_NUMBER, POST_ERRORS, IdempotencyKey, number_in
from api.sign_in.security import RequestActor, digest_of, request_key
from api.temporal.client import key_reused
from domain.assessment.actions import ASSESSMENT_ACTION_OF, decide_objection, inspect, object_
from domain.assessment.batch import AssessmentBatch
from domain.assessment.state import AssessmentAction, AssessmentFields, Objection
from domain.catalogue.figures import FIGURE_OF, Subject
from domain.kit.command import Command
from domain.kit.event import ActionBody
from domain.rights.rights import READ_ASSESSMENTS, right_to
from domain.shared.actors import Actor, Role
from readmodel.assessments import months
from workflows.assessment.messages import AssessmentOutcome

UNKNOWN_SUBJECT = declare("unknown-subject", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown subject")
CASE_NOT_COUNTED = declare("case-not-counted", HTTPStatus.UNPROCESSABLE_ENTITY, "Case not counted by the figure")
_ACTED = (*POST_ERRORS, *MONTH_ERRORS, OUT_OF_TURN, BEHIND_SQL, WORKFLOW_LOST, TOO_MANY_ACTIONS)
_CHECKED = (UNKNOWN_SUBJECT, UNKNOWN_FIGURE, CASE_NOT_COUNTED, INVALID_NUMBER)


def _problems(action: AssessmentAction) -> tuple[ProblemKind, ...]:
    return (*_ACTED, *map(kind_of, action.problems))


operations = Operations("assessments")


@operations.post(
    f"{ASSESSMENTS}/{{month}}/inspections",
    "质检 inspect: give points to a case of the sample",
    right_to(inspect.ACTION),
    InspectionItem,
    {200: "inspection", 202: "inspection"},
    (*_problems(inspect.ACTION), INVALID_NUMBER),
)
async def inspect_case(
    backend: Backend, month: Month, body: NewInspection, actor: RequestActor, idempotency_key: IdempotencyKey = None
) -> Response:
    """Give the points of each criterion of the form; nobody inspects a case of their own."""
    number = number_in(body.complaint)
    given = {"note": body.note} if body.note else {}
    meant = inspect.Inspect(complaint=number, scores=body.scores, **given)
    outcome, shown = await _act(backend, month, meant, actor, idempotency_key)
    found = next(each for each in inspection_items(outcome.assessment) if each.complaint == number)
    return render.model(found, HTTPStatus.OK if shown else HTTPStatus.ACCEPTED)


@operations.get(
    f"{ASSESSMENTS}/{{month}}/objections",
    "List the objections of a month 申诉",
    READ_ASSESSMENTS,
    ObjectionPage,
    "objections",
    MONTH_ERRORS,
)
async def list_objections(backend: Backend, month: Month) -> Response:
    """List the objections with their decisions, the oldest first, all on one page."""
    found = await assessment(backend, month)
    items = [objection_item(month, each) for each in found.objections]
    return render.model(ObjectionPage(items=items, next_cursor=None))


@operations.post(
    f"{ASSESSMENTS}/{{month}}/objections",
    "申诉 object: to a figure of a published month",
    right_to(object_.ACTION),
    ObjectionItem,
    {201: "objection", 202: "objection"},
    (*_problems(object_.ACTION), *_CHECKED),
)
async def object_to_figure(
    backend: Backend, month: Month, body: NewObjection, actor: RequestActor, idempotency_key: IdempotencyKey = None
) -> Response:
    """Object to a figure of a subject: to one case that it counts, or to the figure as a whole."""
    complaint = number_in(body.complaint) if body.complaint else None
    fields = body.model_dump(exclude_none=True) | ({"complaint": complaint} if complaint else {})
    meant = object_.Object(**{"by": Subject.COMPANY, **fields})

    async def check() -> None:
        nonlocal meant
        meant = meant.model_copy(update=await _found(backend, month, body, complaint))

    refused = await refusal_of(check())
    outcome, shown = await _act(backend, month, meant, actor, idempotency_key, refused)
    found = _objection_like(outcome.assessment, body, complaint)
    return render.model(objection_item(month, found), HTTPStatus.CREATED if shown else HTTPStatus.ACCEPTED)


@operations.post(
    f"{ASSESSMENTS}/{{month}}/objections/{{id}}/decision",
    "申诉裁决 decide: on an objection",
    right_to(decide_objection.ACTION),
    ObjectionItem,
    {200: "objection", 202: "objection"},
    _problems(decide_objection.ACTION),
)
async def decide_on_objection(
    backend: Backend,
    month: Month,
    objection_id: Annotated[int, Path(alias="id", ge=1, le=9_999_999, description="Its id.", examples=[1])],
    body: ObjectionDecision,
    actor: RequestActor,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Accept or reject an objection: not its author, its subject, who gave the points or is of the case."""
    meant = decide_objection.DecideObjection(objection=objection_id, **dict(body))
    outcome, shown = await _act(backend, month, meant, actor, idempotency_key)
    found = outcome.assessment.objection(objection_id)
    assert found is not None  # noqa: S101 - the workflow has decided on it
    return render.model(objection_item(month, found), HTTPStatus.OK if shown else HTTPStatus.ACCEPTED)


def _objection_like(month: AssessmentFields, body: NewObjection, complaint: str | None) -> Objection:
    """Return the objection that this request has raised, now or before: no other is to the same figure and case."""
    wanted = (body.subject, body.figure, complaint)
    return next(
        each
        for each in reversed(month.objections)
        if (each.subject, each.figure, each.complaint) == wanted and body.by in (None, each.by)
    )


async def _found(backend: Backend, month: str, body: NewObjection, complaint: str | None) -> dict[str, Any]:
    """Return the kind of the subject, and the parties of the case. Raises ProblemError for what the month has not."""
    found = await assessment(backend, month)
    items = await backend.reader.ask(months.items_of_subject, month, found.serial, body.subject)
    chosen = [item for item in items if body.by in (None, item.by)]
    if len(chosen) != 1:
        kinds = [f"by: {item.by}" for item in items]
        what = "is of several kinds" if chosen else "is assessed in no such way"
        detail = f"{body.subject!r} {what} in {month}; accepted: {', '.join(kinds) or 'a subject of the month'}."
        raise ProblemError(UNKNOWN_SUBJECT, detail, accepted=kinds)
    [item] = chosen
    if body.figure not in item.figures:
        detail = f"{body.subject} has no figure {body.figure!r} in {month}; accepted: {', '.join(item.figures)}."
        raise ProblemError(UNKNOWN_FIGURE, detail, accepted=[*item.figures])
    if complaint is None:
        return {"by": item.by}
    number = number_of(found, item.by, body.subject, body.figure)
    if not await backend.reader.ask(months.counts_case, number, complaint):
        detail = f"{body.figure} of {body.subject} does not count the case {complaint} in {month}."
        raise ProblemError(CASE_NOT_COUNTED, detail, accepted=["a case of the figure's link", "no complaint"])
    counted = FIGURE_OF[body.figure].kinds
    parties = await backend.reader.ask(months.parties, month, found.serial, counted, complaint)
    return {"by": item.by, "parties": parties}


async def _act(
    backend: Backend,
    month: str,
    body: ActionBody,
    actor: Actor,
    idempotency_key: str | None,
    refused: ProblemError | None = None,
) -> tuple[AssessmentOutcome, bool]:
    """Send the action; return its outcome, and True once SQL has it. Raises ProblemError."""
    action = ASSESSMENT_ACTION_OF[type(body)]
    if actor.role not in {*action.roles, Role.ADMIN}:
        raise action.wrong_role(actor)
    name = action.name
    key = "" if idempotency_key is None else request_key(actor, idempotency_key)
    digest = digest_of(f"{name}\0{body.model_dump_json(exclude={'by', 'parties'})}")
    command = Command(actor=actor, body=body, key=key, digest=digest)
    outcome = await backend.assessments.act(month, name, command, refused)
    if outcome is None:
        found = await assessment(backend, month)
        if not found.over and await backend.assessments.is_lost(month):
            raise workflow_lost(month, found.state, found.version, repair=f"hotline assessment begin {month}")
        detail = f"The assessment of {month} is {found.state}; {name} is not possible any more."
        raise ProblemError(OUT_OF_TURN, detail, accepted=[], version=found.version)
    if (outcome.action, outcome.digest) != (name, digest):
        raise key_reused(f"month, for {outcome.action} or with another body")
    return outcome, await _written(backend, outcome)


async def _written(backend: Backend, outcome: AssessmentOutcome) -> bool:
    """Write what the action returned, which the workflow publishes as well; return True once SQL has it."""
    if not outcome.events:
        return True
    batch = AssessmentBatch(assessment=outcome.assessment, events=outcome.events)
    try:
        await backend.direct.write(partial(months.write, batch=batch))
    except ProblemError:
        return False
    return True
