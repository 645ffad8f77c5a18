"""Exclusions (剔除) of cases from assessments: asked for on a ground of the catalogue, decided by a supervisor."""

import uuid
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from api import render
from api.assessments import ExclusionDecision, ExclusionItem, ExclusionPage, NewExclusion, exclusion_item
from api.backend import Backend
from api.edge.problems import ProblemError, declare, kind_of
from api.examples import EXCLUSION
from api.openapi import Operations
from api.routes.parameters import BODY_ERRORS, CASE_ERRORS, LIST_ERRORS, CaseNumber, IdempotencyKey, Paging
from api.sign_in.security import INVALID_IDEMPOTENCY_KEY, KEY_ERRORS, RequestActor, digest_of, request_key
from api.sql.reader import READ_MODEL_UNAVAILABLE
from api.temporal.client import KEY_REUSED, key_reused
from domain.assessment.exclusion import (
    ASSESSMENT_FINAL,
    EVIDENCE_NEEDED,
    EXCLUSION_DECIDED,
    OWN_EXCLUSION,
    UNKNOWN_EXCLUSION_GROUND,
    Exclusion,
    check_ground,
    check_not_final,
)
from domain.rights.rights import DECIDE_EXCLUSIONS, READ_ASSESSMENTS, READ_CASES, REQUEST_EXCLUSIONS
from readmodel.assessments import exclusions
from readmodel.base.database import WriteConnection

EXCLUSION_NOT_FOUND = declare("exclusion-not-found", HTTPStatus.NOT_FOUND, "Exclusion not found")
_OF_CASE = "/v1/complaints/{number}/exclusions"
_REFUSED = tuple(map(kind_of, (UNKNOWN_EXCLUSION_GROUND, EVIDENCE_NEEDED, ASSESSMENT_FINAL)))
_UNDECIDED = tuple(map(kind_of, (EXCLUSION_DECIDED, OWN_EXCLUSION, ASSESSMENT_FINAL)))
_WRITTEN = (*KEY_ERRORS, *BODY_ERRORS, *CASE_ERRORS, READ_MODEL_UNAVAILABLE)


class ExclusionListing(Paging):
    """Filter and page of a list of exclusions."""

    decided: bool = Field(default=False, description="`true`: those that were decided on; else those that wait for it.")


operations = Operations("assessments")


@operations.get("/v1/exclusions", "List exclusions 剔除", READ_ASSESSMENTS, ExclusionPage, "exclusions", LIST_ERRORS)
async def list_exclusions(backend: Backend, wanted: Annotated[ExclusionListing, Query()]) -> Response:
    """List the exclusions that wait for a decision, or those that were decided on, the oldest first."""
    asked = partial(exclusions.page_of_exclusions, decided=wanted.decided)
    page = await backend.reader.ask(asked, wanted.cursor, wanted.limit)
    return render.model(ExclusionPage(items=[*map(exclusion_item, page.items)], next_cursor=page.next_cursor))


@operations.get(_OF_CASE, "List the exclusions of a complaint", READ_CASES, ExclusionPage, "exclusions", CASE_ERRORS)
async def list_exclusions_of_complaint(backend: Backend, number: CaseNumber, actor: RequestActor) -> Response:
    """List all exclusions of a complaint with their decisions, the oldest first, all on one page."""
    await backend.case_in_sql(number, actor, READ_CASES)
    found = await backend.reader.ask(exclusions.exclusions_of, number)
    return render.model(ExclusionPage(items=[*map(exclusion_item, found)], next_cursor=None))


@operations.post(
    _OF_CASE,
    "剔除 exclude: ask that a complaint is excluded from assessments",
    REQUEST_EXCLUSIONS,
    ExclusionItem,
    {200: "exclusion"},
    (*_WRITTEN, INVALID_IDEMPOTENCY_KEY, KEY_REUSED, *_REFUSED),
)
async def request_exclusion(
    backend: Backend,
    number: CaseNumber,
    body: NewExclusion,
    actor: RequestActor,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask that the complaint does not count in the months that are not final; it counts until that is approved."""
    case = await backend.case_in_sql(number, actor, REQUEST_EXCLUSIONS)
    now = backend.clock()
    key = uuid.uuid4().hex if idempotency_key is None else request_key(actor, idempotency_key)
    wanted = Exclusion(
        id=digest_of(f"{key}\0{number}")[:32], number=number, requested_by=actor.id, requested_at=now, **dict(body)
    )

    def request(sql: WriteConnection) -> Exclusion:
        check_ground(backend.catalogue.standard(case.registered_at), wanted.ground, wanted.evidence)
        _check_months(backend, sql, number)
        return exclusions.request(sql, wanted)

    kept = await backend.direct.write(request)
    if (kept.ground, kept.reason, kept.evidence) != (wanted.ground, wanted.reason, wanted.evidence):
        raise key_reused("complaint with another body")
    return render.model(exclusion_item(kept))


@operations.post(
    f"{_OF_CASE}/{{id}}/decision",
    "剔除审批 decide: on an exclusion",
    DECIDE_EXCLUSIONS,
    ExclusionItem,
    {200: "exclusion"},
    (*_WRITTEN, EXCLUSION_NOT_FOUND, *_UNDECIDED),
)
async def decide_on_exclusion(
    backend: Backend,
    number: CaseNumber,
    exclusion_id: Annotated[
        str, Path(alias="id", pattern="^[0-9a-f]{32}$", description="Its id.", examples=[EXCLUSION.id])
    ],
    body: ExclusionDecision,
    actor: RequestActor,
) -> Response:
    """Approve or reject an exclusion; it counts from the next computation of the months that are not final."""
    now = backend.clock()

    def decide(sql: WriteConnection) -> Exclusion | None:
        def change(before: Exclusion) -> Exclusion:
            if before.approved is None and body.approved:
                _check_months(backend, sql, number)
            return before.decide(actor.id, now, approved=body.approved, reason=body.reason)

        return exclusions.decide(sql, number, exclusion_id, change)

    decided = await backend.direct.write(decide)
    if decided is None:
        raise ProblemError(EXCLUSION_NOT_FOUND, f"The case {number} has no exclusion {exclusion_id}.")
    if decided.approved:
        for month in await backend.reader.ask(exclusions.months_under_way, number):
            await backend.assessments.recompute(month)
    return render.model(exclusion_item(decided))


def _check_months(backend: Backend, sql: WriteConnection, number: str) -> None:
    """Raise Refused if all months of the case are final."""
    if period := exclusions.period_of(sql, number):
        now = backend.clock()
        check_not_final(number, period.months(now, backend.zone), exclusions.settled_months(sql, now))
