"""Assessments, and exclusions (剔除) of cases from them, as the API reads them and acts on them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from starlette.responses import Response

from api.actions import Actions
from api.assessments.answers import ExclusionDecision, NewExclusion
from api.edge.problems import OUT_OF_TURN, ProblemError, declare, workflow_lost
from api.routing import BackendParts, from_backend
from api.sign_in.security import digest_of
from api.temporal.client import AssessmentClient
from api.temporal.errors import key_reused
from domain.assessment.actions import ASSESSMENT_ACTION_OF, Object
from domain.assessment.assessment import Assessment, AssessmentBatch
from domain.assessment.state import Exclusion, check_ground, check_not_final
from domain.case.case import Case
from domain.catalogue.figures import FIGURE_OF, Subject
from domain.kit.event import ActionBody
from domain.reports.report import month_bounds, month_of
from domain.shared.actors import Actor, Role
from readmodel.assessments import exclusions, months
from readmodel.assessments.months import Number
from readmodel.base.database import WriteConnection
from readmodel.reports.reports import first_case_at
from workflows.assessment.messages import AssessmentOutcome

ASSESSMENT_NOT_FOUND = declare("assessment-not-found", HTTPStatus.NOT_FOUND, "Assessment not found")
UNKNOWN_FIGURE = declare("unknown-figure", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown figure")
UNKNOWN_SUBJECT = declare("unknown-subject", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown subject")
EXCLUSION_NOT_FOUND = declare("exclusion-not-found", HTTPStatus.NOT_FOUND, "Exclusion not found")
CASE_NOT_COUNTED = declare("case-not-counted", HTTPStatus.UNPROCESSABLE_ENTITY, "Case not counted by the figure")


@dataclass(frozen=True)
class Assessments(Actions[AssessmentOutcome, Assessment]):
    """Assessments of months, actions on them, and exclusions of cases from them."""

    looked_up = frozenset({"by", "parties"})
    client: AssessmentClient
    backend: BackendParts

    async def of(self, month: str) -> Assessment:
        """Raise ProblemError, which says what months there are, if this one was not assessed."""
        if found := await self.backend.reader.ask(months.get, month):
            return found
        known = await self.backend.reader.ask(months.months)
        zone = self.backend.zone
        first = await self.backend.reader.ask(first_case_at)
        if first is None or month < month_of(first, zone):
            since = f"; the first case is of {month_of(first, zone)}" if first else "; there are no cases yet"
            detail = f"{month} is before the first case{since}."
        elif month_bounds(month, zone)[1] > self.backend.now:
            detail = f"{month} is not over. Its assessment begins in the night after it."
        elif self.backend.catalogue.assessment is None:
            detail = "The catalogue has no [assessment]; see docs/catalogue.md."
        else:
            command = f"hotline assessment begin {month}"
            detail, known = f"{month} was not assessed. `{command}` begins it.", [*known, command]
        raise ProblemError(ASSESSMENT_NOT_FOUND, detail, accepted=known)

    async def _objected(self, month: str, body: Object) -> dict[str, Any]:
        """Kind of the subject as `by`, and the `parties` of the case. Raises ProblemError."""
        found = await self.of(month)
        items = await self.backend.reader.ask(months.items, month, found.serial, None, body.subject)
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
        if body.complaint is None:
            return {"by": item.by}
        number = number_of(found, item.by, body.subject, body.figure)
        if not await self.backend.reader.ask(months.counts_case, number, body.complaint):
            detail = f"{body.figure} of {body.subject} does not count the case {body.complaint} in {month}."
            raise ProblemError(
                CASE_NOT_COUNTED,
                detail,
                accepted=[("该指标链接所列的工单", "a case of the figure's link"), ("不填工单", "no complaint")],
            )
        counted = FIGURE_OF[body.figure].kinds
        parties = await self.backend.reader.ask(months.parties, month, found.serial, counted, body.complaint)
        return {"by": item.by, "parties": parties}

    async def look_up(self, month: str, body: ActionBody, _: Actor) -> ActionBody:
        return body.model_copy(update=await self._objected(month, body)) if isinstance(body, Object) else body

    async def gone(self, month: str, name: str, _: Actor) -> ProblemError:
        found = await self.of(month)
        if not found.over and await self.client.is_lost(month):
            return workflow_lost(month, found.state, found.version, repair=f"hotline assessment begin {month}")
        detail = f"The assessment of {month} is {found.state}; {name} is not possible any more."
        return ProblemError(OUT_OF_TURN, detail, accepted=[], version=found.version)

    async def answer(self, _: str, outcome: AssessmentOutcome, __: Actor) -> tuple[Assessment, bool]:
        month, events = outcome.assessment, outcome.events
        if not events:
            return month, True
        batch = AssessmentBatch(assessment=month, events=events)
        return month, await self.backend.projection.write_entity(batch)

    async def after(self, month: str, body: ActionBody, actor: Actor, key: str, response: Response) -> Assessment:
        """Assessment after the action. Sets status 202 on the response if SQL lacks it yet. Raises ProblemError."""
        action = ASSESSMENT_ACTION_OF[type(body)]
        if actor.role not in {*action.roles, Role.ADMIN}:  # who is not told whether the month was assessed
            raise action.wrong_role(actor)
        found, shown = await self.act(month, action, body, actor, key)
        if not shown:
            response.status_code = HTTPStatus.ACCEPTED
        return found

    async def request_exclusion(self, case: Case, body: NewExclusion, actor: Actor, key: str) -> Exclusion:
        """Exclusion that this request asks for, now or before. Raises ProblemError and Refused."""
        number, now = case.number, self.backend.now
        its_id = digest_of(f"{key or uuid.uuid4().hex}\0{number}")
        wanted = Exclusion(id=its_id, number=number, requested_by=actor.id, requested_at=now, **dict(body))

        def request(sql: WriteConnection) -> Exclusion:
            check_ground(self.backend.catalogue.standard(case.registered_at), wanted.ground, wanted.evidence)
            self._check_months(sql, number)
            return exclusions.request(sql, wanted)

        kept = await self.backend.direct.write(request)
        if (kept.ground, kept.reason, kept.evidence) != (wanted.ground, wanted.reason, wanted.evidence):
            raise key_reused("complaint with another body")
        return kept

    async def decide_exclusion(
        self, number: str, exclusion_id: str, body: ExclusionDecision, actor: Actor
    ) -> Exclusion:
        """Decide on an exclusion, and have the months computed again. Raises ProblemError and Refused."""
        now = self.backend.now

        def decide(sql: WriteConnection) -> Exclusion | None:
            def change(before: Exclusion) -> Exclusion:
                if before.approved is None and body.approved:
                    self._check_months(sql, number)
                return before.decide(actor.id, now, approved=body.approved, reason=body.reason)

            return exclusions.decide(sql, number, exclusion_id, change)

        decided = await self.backend.direct.write(decide)
        if decided is None:
            raise ProblemError(EXCLUSION_NOT_FOUND, f"The case {number} has no exclusion {exclusion_id}.")
        if decided.approved:
            for month in await self.backend.reader.ask(months.months_under_way, number):
                await self.client.recompute(month)
        return decided

    def _check_months(self, sql: WriteConnection, number: str) -> None:
        """Raise Refused if all months of the case are final by now, and not when the transaction was waited for."""
        if period := exclusions.period_of(sql, number):
            now = self.backend.now
            check_not_final(number, period.months(now, self.backend.zone), months.settled_months(sql, now))

    def names(self, by: Subject) -> Callable[[str], tuple[str | None, str | None]]:
        if (names := self.backend.catalogue.subjects(by)) is None:
            return lambda subject: (person.name if (person := self.backend.people.get(subject)) else None, None)
        return lambda subject: names.get(subject, (None, None))


def number_of(month: Assessment, by: Subject, subject: str, figure: str) -> Number:
    """Raise ProblemError for a figure that counts no cases."""
    known = FIGURE_OF.get(figure)
    kind = known.kind_for(by) if known else None
    if kind is None:
        counted = [each.name for each in FIGURE_OF.values() if each.kinds]
        detail = f"There is no figure {figure!r} that counts cases; accepted: {', '.join(counted)}."
        raise ProblemError(UNKNOWN_FIGURE, detail, accepted=counted)
    return Number(month.number, month.serial, kind, by, subject)


TheAssessments = Annotated[Assessments, from_backend("assessments")]
