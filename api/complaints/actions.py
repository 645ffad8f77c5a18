"""The actions on complaints: one operation for each action of the lifecycle table."""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from api.actions import Actions, Turn, add_actions
from api.complaints.answers import Complaint
from api.complaints.cases import Cases
from api.complaints.checks import (
    CALL_MISMATCH,
    CONTACT_WITHOUT_WITNESS,
    CREDIT_LIMIT_REACHED,
    NO_TEXT_MESSAGES,
    TOO_MANY_LINKS,
    Checks,
)
from api.complaints.intake import in_catalogue
from api.complaints.recognition import Recognition
from api.dependencies import CatalogueInForce, part
from api.directory import Naming
from api.edge.problems import (
    BEHIND_SQL,
    INVALID_RESULT,
    OUT_OF_TURN,
    UNKNOWN,
    WORKFLOW_LOST,
    ProblemError,
    declare,
    refused_by,
    workflow_lost,
)
from api.parameters import POST_ERRORS, NumberText, not_found, number_in
from api.rights import KEY, require_reach
from api.routing import OnceRoute
from api.sql import Reader
from api.temporal.client import INCIDENT_CLOSED, UNKNOWN_INCIDENT, ComplaintClient, IncidentClient
from domain.case.actions import ACTION_OF, COMMANDS
from domain.case.actions.correct import CatalogueTerms, Correct, Corrected, Correction, merged
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.send_link import SendLink
from domain.case.actions.withdraw import Withdraw
from domain.case.decide import Attempt
from domain.case.intake import Caller, Contact, Intake, Location
from domain.case.lifecycle import OPEN, State
from domain.case.progress import Progress
from domain.case.views import CaseView, Outcome
from domain.kit.event import ActionBody
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor
from domain.shared.codes import UnknownCode
from domain.shared.value import Value
from readmodel.cases.queries import get_case
from readmodel.cases.search_terms import phone_term

PREFIX = "/v1/complaints/{number}/actions"
UNKNOWN_ACTION = declare("unknown-action", HTTPStatus.NOT_FOUND, "Unknown action")
_CHECKED_HERE = {
    "link_incident": (UNKNOWN_INCIDENT, INCIDENT_CLOSED),
    "correct": (UNKNOWN["service"], UNKNOWN["district"]),
    "decide_credit": (CREDIT_LIMIT_REACHED,),
    "withdraw": (CALL_MISMATCH,),
    "send_link": (NO_TEXT_MESSAGES, CONTACT_WITHOUT_WITNESS, TOO_MANY_LINKS),
}
"""Problems that `ComplaintActions.check` raises, by action."""


@dataclass(frozen=True)
class ComplaintActions(Actions[Outcome]):
    """Actions on complaints."""

    client: ComplaintClient
    naming: Naming
    cases: Cases
    checks: Checks
    incidents: IncidentClient
    in_force: CatalogueInForce
    reader: Reader
    recognition: Recognition
    clock: Callable[[], datetime]

    async def forbidden(self, number: str, body: ActionBody, actor: Actor) -> ProblemError | None:
        """Return the refusal for a person who may not do this to the case, by what SQL has of it."""
        with suppress(ProblemError):
            if case := await self.reader.ask(get_case, number):
                action = ACTION_OF[type(body)]
                against = Attempt.of(action, case, actor, self.clock(), body).forbidden()
                return refused_by(against) if against else None
        return None

    async def check(self, number: str, body: ActionBody, actor: Actor) -> None:
        """Check what the case cannot know: catalogue codes, incidents, other cases of its account, channels, calls."""
        if isinstance(body, LinkIncident) and body.incident is not None:
            await self.incidents.require_open(body.incident, actor)
        if isinstance(body, DecideCredit) and body.approved:
            await self.checks.credit(number, body.credit, actor)
        if isinstance(body, SendLink):
            await self.checks.link(number, actor)
        if isinstance(body, Withdraw) and body.call_id:
            await self.checks.call(number, body.call_id, actor)
        if isinstance(body, (Dispatch, Involve)):
            self.in_force.catalogue.department(body.department)
        if isinstance(body, Correct):
            self._check_codes(body)

    async def turn(self, name: str, number: str, actor: Actor) -> Turn:
        """Return the turn of the telephone to which a link is sent: it gets few of them."""
        return await self.checks.link_turn(number, actor) if name == "send_link" else nullcontext()

    def _check_codes(self, body: Correct) -> None:
        """Check that a corrected service and district are in the catalogue in force. Raises UnknownCode."""
        if body.service_code:
            self.in_force.catalogue.service(body.service_code)
        if body.location and body.location.district:
            self.in_force.catalogue.district(body.location.district)

    async def look_up(self, number: str, body: ActionBody, actor: Actor) -> ActionBody:
        """Return a correction with facts of the registry, and with the terms of another service or district."""
        if not isinstance(body, Correct):
            return body
        view = await self.cases.find(number, actor) if body.service_code or body.caller or body.location else None
        if view is None:
            return body
        body = await self._refilled(view, body)
        moves = body.location is not None and "district" in body.location.model_fields_set
        if not (body.service_code or moves):
            return body
        service = body.service_code or view.service_code
        district = body.location.district if body.location and moves else view.location.district
        try:
            terms = self.in_force.catalogue.terms(service, district, view.registered_at)
        except UnknownCode:
            if body.service_code:
                raise
            return body  # the catalogue has its service no more: it keeps its terms
        return Correction.of(
            body, in_force=CatalogueTerms(terms=terms, edition=self.in_force.edition, district=district)
        )

    async def _refilled(self, view: CaseView, body: Correct) -> Correct:
        """Return the correction with what the registry has of the customer whom it names, or else nothing, in `filled`.

        Only fields that the registry had filled in and nobody has corrected; the body as it is if it names nobody else.
        Raises ProblemError if SQL does not answer.
        """
        left = tuple(sorted({*view.filled} - _given("caller", body.caller) - _given("location", body.location)))
        if not left or not _names_another(view.caller, body.caller, self.in_force.catalogue.area_code):
            return body
        facts = {name: getattr(view, name) for name in Intake.model_fields if hasattr(view, name)}
        said = Intake.model_construct(**facts).without(left)
        places = {"caller": merged(said.caller, body.caller), "location": merged(said.location, body.location)}
        said = said.model_copy(update=places)
        contact = in_catalogue(self.in_force.catalogue, await self.reader.contact(said, view.registered_at))
        names = {each.rpartition(".")[2] for each in left}
        contact = Contact(**{name: value for name, value in contact._asdict().items() if name in names})
        filled, _ = said.filled_in(contact)
        caller, location = (
            {name.rpartition(".")[2] for name in (*_given(part, getattr(body, part)), *left) if name.startswith(part)}
            for part in ("caller", "location")
        )
        return Correction.of(
            body,
            caller=Caller(**{name: getattr(filled.caller, name) for name in caller}),
            location=Location(**{name: getattr(filled.location, name) for name in location}) if location else None,
            filled=left,
        )

    async def gone(self, number: str, action: str, actor: Actor) -> ProblemError:
        """Return why no workflow took the action: there is no such case, it is over, or its workflow is lost."""
        view = await self.cases.find(number, actor)
        if view is None:
            return not_found(number)
        require_reach(READ_CASES, actor, number, view)
        progress = Progress.model_construct(**dict(view))  # the view has what decides if it is over
        if not progress.is_over(self.clock()) and await self.client.is_lost(number):
            return workflow_lost(number, view.state, view.version, view.state)
        if view.state in OPEN:
            detail = f"SQL has the case {number} as {view.state} (version {view.version}), and no workflow runs for it."
            return ProblemError(BEHIND_SQL, detail, accepted=[], state=view.state, version=view.version)
        stands = f"{view.state} (version {view.version}) and has ended"
        detail = f"The case {number} is {stands}; {action} is not possible any more."
        return ProblemError(
            OUT_OF_TURN, detail, accepted=[], state=view.state, version=view.version, available_actions=[]
        )

    async def answer(self, number: str, outcome: Outcome, actor: Actor) -> tuple[Complaint, bool]:
        view, shown = await self.cases.write(number, outcome, actor)
        # Meanwhile another department may have the case, or when the request is repeated.
        require_reach(READ_CASES, actor, number, view, f"The action was carried out, as version {outcome.version}. ")
        events = outcome.batch.events if outcome.batch else ()
        if any(isinstance(each.data, Corrected) and each.data.needs_recognition for each in events):
            self.recognition.note_correction()
        return Complaint.of(view, actor), shown


def _given(part: str, value: Value | None) -> set[str]:
    return {f"{part}.{name}" for name in value.model_fields_set} if value else set()


def _names_another(caller: Caller, given: Caller | None, area_code: str) -> bool:
    """Return True if the account or telephone given is another one, and not the same in another form."""

    def identity(of: Caller) -> dict[str, str | None]:
        return {"account_no": of.account_no, "phone": of.phone and phone_term(of.phone, area_code)}

    before, after = identity(caller), identity(given or caller)
    return any(before[name] != after[name] for name in before if given and name in given.model_fields_set)


router = APIRouter(tags=["actions"], route_class=OnceRoute)
add_actions(
    router,
    PREFIX,
    COMMANDS,
    Annotated[ComplaintActions, part("complaint_actions")],
    number=NumberText,
    number_in=number_in,
    states=State,
    model=Complaint,
    noun="complaint",
    errors=(*POST_ERRORS, OUT_OF_TURN, BEHIND_SQL, INVALID_RESULT, WORKFLOW_LOST),
    checked=_CHECKED_HERE,
)


@router.post(PREFIX + "/{action}", include_in_schema=False, dependencies=[Depends(KEY)])
async def unknown(number: NumberText, action: str) -> Response:  # noqa: ARG001 - part of the path
    """Answer 404; a stranger is told nothing."""
    hint = " A complaint is registered by POST /v1/complaints." if action == "register" else ""
    raise ProblemError(UNKNOWN_ACTION, f"There is no action {action[:40]!r}.{hint}", accepted=[*COMMANDS])
