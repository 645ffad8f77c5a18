"""Exclusions (剔除) of cases from assessments: asked for on a ground of the catalogue, decided by a supervisor."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api.assessments.answers import ExclusionDecision, ExclusionItem, NewExclusion
from api.assessments.assessments import Assessments
from api.complaints.cases import Cases, TheCases
from api.dependencies import CatalogueInForce, TheReader, part
from api.edge.problems import ProblemError, declare, kind_of
from api.parameters import CaseNumber, Paging, RequestKey
from api.responses import Page, problems
from api.routing import OnceRoute, needs
from api.sign_in.security import digest_of
from api.sql import DirectWriter, Reader
from api.temporal.errors import key_reused
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
from domain.shared.actors import Actor
from readmodel.assessments import exclusions, months
from readmodel.base.database import WriteConnection

EXCLUSION_NOT_FOUND = declare("exclusion-not-found", HTTPStatus.NOT_FOUND, "Exclusion not found")
_OF_CASE = "/v1/complaints/{number}/exclusions"
_REFUSED = tuple(map(kind_of, (UNKNOWN_EXCLUSION_GROUND, EVIDENCE_NEEDED, ASSESSMENT_FINAL)))
_UNDECIDED = tuple(map(kind_of, (EXCLUSION_DECIDED, OWN_EXCLUSION, ASSESSMENT_FINAL)))


class ExclusionListing(Paging):
    """Filter and page of a list of exclusions."""

    decided: bool = Field(default=False, description="`true`: those that were decided on; else those that wait for it.")


@dataclass(frozen=True)
class Exclusions:
    """Exclusions of cases from assessments."""

    cases: Cases
    reader: Reader
    writer: DirectWriter
    assessments: Assessments
    in_force: CatalogueInForce
    clock: Callable[[], datetime]

    async def request(self, number: str, body: NewExclusion, actor: Actor, key: str) -> Exclusion:
        """Return the exclusion that this request asks for, now or before. Raises ProblemError and Refused."""
        case, now = await self.cases.in_sql(number, actor, REQUEST_EXCLUSIONS), self.clock()
        its_id = digest_of(f"{key or uuid.uuid4().hex}\0{number}")
        wanted = Exclusion(id=its_id, number=number, requested_by=actor.id, requested_at=now, **dict(body))

        def request(sql: WriteConnection) -> Exclusion:
            check_ground(self.in_force.catalogue.standard(case.registered_at), wanted.ground, wanted.evidence)
            self._check_months(sql, number)
            return exclusions.request(sql, wanted)

        kept = await self.writer.write(request)
        if (kept.ground, kept.reason, kept.evidence) != (wanted.ground, wanted.reason, wanted.evidence):
            raise key_reused("complaint with another body")
        return kept

    async def decide(self, number: str, exclusion_id: str, body: ExclusionDecision, actor: Actor) -> Exclusion:
        """Decide on an exclusion, and have the months computed again. Raises ProblemError and Refused."""
        now = self.clock()

        def decide(sql: WriteConnection) -> Exclusion | None:
            def change(before: Exclusion) -> Exclusion:
                if before.approved is None and body.approved:
                    self._check_months(sql, number)
                return before.decide(actor.id, now, approved=body.approved, reason=body.reason)

            return exclusions.decide(sql, number, exclusion_id, change)

        decided = await self.writer.write(decide)
        if decided is None:
            raise ProblemError(EXCLUSION_NOT_FOUND, f"The case {number} has no exclusion {exclusion_id}.")
        if decided.approved:
            for month in await self.reader.ask(months.months_under_way, number):
                await self.assessments.client.recompute(month)
        return decided

    def _check_months(self, sql: WriteConnection, number: str) -> None:
        """Raise Refused if all months of the case are final by now, and not when the transaction was waited for."""
        if period := exclusions.period_of(sql, number):
            now = self.clock()
            zone = ZoneInfo(self.in_force.catalogue.calendar.timezone)
            check_not_final(number, period.months(now, zone), months.settled_months(sql, now))


TheExclusions = Annotated[Exclusions, part("exclusions")]
router = APIRouter(tags=["assessments"], route_class=OnceRoute)


@router.get("/v1/exclusions", summary="List exclusions 剔除", dependencies=[needs(READ_ASSESSMENTS)])
async def list_exclusions(wanted: Annotated[ExclusionListing, Query()], reader: TheReader) -> Page[ExclusionItem]:
    """List the exclusions that wait for a decision, or those that were decided on, the oldest first."""
    asked = partial(exclusions.page_of_exclusions, decided=wanted.decided)
    page = await reader.ask(asked, wanted.cursor, wanted.limit)
    return Page[ExclusionItem](items=[*map(ExclusionItem.of, page.items)], next_cursor=page.next_cursor)


@router.get(_OF_CASE, summary="List the exclusions of a complaint")
async def list_exclusions_of_complaint(
    number: CaseNumber, actor: Annotated[Actor, needs(READ_CASES)], reader: TheReader, cases: TheCases
) -> Page[ExclusionItem]:
    """List all exclusions of a complaint with their decisions, the oldest first, all on one page."""
    await cases.in_sql(number, actor, READ_CASES)
    found = await reader.ask(exclusions.exclusions_of, number)
    return Page[ExclusionItem](items=[*map(ExclusionItem.of, found)])


@router.post(
    _OF_CASE, summary="剔除 exclude: ask that a complaint is excluded from assessments", responses=problems(*_REFUSED)
)
async def request_exclusion(
    number: CaseNumber,
    body: NewExclusion,
    actor: Annotated[Actor, needs(REQUEST_EXCLUSIONS)],
    excluded: TheExclusions,
    key: RequestKey,
) -> ExclusionItem:
    """Ask that the complaint does not count in the months that are not final; it counts until that is approved."""
    return ExclusionItem.of(await excluded.request(number, body, actor, key))


@router.post(
    f"{_OF_CASE}/{{id}}/decision",
    summary="剔除审批 decide: on an exclusion",
    responses=problems(EXCLUSION_NOT_FOUND, *_UNDECIDED),
)
async def decide_on_exclusion(
    number: CaseNumber,
    exclusion_id: Annotated[
        str, Path(alias="id", pattern="^[0-9a-f]{32}$", description="Its id.", examples=["0" * 32])
    ],
    body: ExclusionDecision,
    actor: Annotated[Actor, needs(DECIDE_EXCLUSIONS)],
    excluded: TheExclusions,
) -> ExclusionItem:
    """Approve or reject an exclusion; it counts from the next computation of the months that are not final."""
    return ExclusionItem.of(await excluded.decide(number, exclusion_id, body, actor))
