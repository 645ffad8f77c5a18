"""The actions on complaints: one operation for each action of the lifecycle table."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from api.actions import ActionLock, Actions, add_actions
from api.complaints.cases import Cases, Complaint
from api.complaints.intake import Recognition, in_catalogue
from api.edge.limits import too_soon
from api.edge.problems import (
    BEHIND_SQL,
    INVALID_RESULT,
    OUT_OF_TURN,
    UNKNOWN,
    WORKFLOW_LOST,
    ProblemError,
    declare,
    problem_of,
    workflow_lost,
)
from api.parameters import POST_ERRORS, NumberText, not_found, number_in
from api.routing import BackendParts, StrictRoute, from_backend, needs, require_reach
from api.sql import sql_unavailable
from api.temporal.client import INCIDENT_CLOSED, UNKNOWN_INCIDENT, ComplaintClient, IncidentClient
from domain.calls.call import CallMismatch
from domain.case.actions import ACTION_OF, COMMANDS
from domain.case.actions.correct import CatalogueTerms, Correct, Corrected, Correction, merged
from domain.case.actions.decide_credit import DecideCredit
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.send_link import SendLink
from domain.case.actions.withdraw import Withdraw, needs_call
from domain.case.decide import Attempt
from domain.case.intake import Caller, Contact, Intake, Location
from domain.case.lifecycle import OPEN, State
from domain.case.progress import Owed, Progress
from domain.case.views import CaseView, Outcome
from domain.kit.event import ActionBody
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor
from domain.shared.codes import UnknownCode
from domain.shared.errors import CALL_OF_CALLER
from domain.shared.value import Value
from readmodel.callers import links_sent
from readmodel.calls.calls import call_mismatch
from readmodel.calls.contacts import link_goes_nowhere
from readmodel.cases.queries import PastCredit, credited, get_case
from readmodel.cases.search_terms import phone_term

ACTIONS_PATH = "/v1/complaints/{number}/actions"
UNKNOWN_ACTION = declare("unknown-action", HTTPStatus.NOT_FOUND, "Unknown action")
CREDIT_LIMIT_REACHED = declare("credit-limit-reached", HTTPStatus.CONFLICT, "Credit limit of the account reached")
NO_TEXT_MESSAGES = declare("no-text-messages", HTTPStatus.CONFLICT, "No channel to callers' telephones")
CONTACT_WITHOUT_WITNESS = declare("contact-without-witness", HTTPStatus.CONFLICT, "Telephone without a witness")
TOO_MANY_LINKS = declare("too-many-links", HTTPStatus.TOO_MANY_REQUESTS, "Too many links to one telephone")
CALL_MISMATCH = declare("call-mismatch", HTTPStatus.FORBIDDEN, "Call of another agent, telephone or time")
DAY = timedelta(days=1)
LINK_PAUSE, LINKS_A_DAY = timedelta(hours=1), 5
"""Pause after a link to a telephone, and most links within 24 hours."""
_WHY = {
    CallMismatch.AGENT: "{call_id} was answered by another agent.",
    CallMismatch.TELEPHONE: "{call_id} came from another telephone than that of the case {number}.",
    CallMismatch.EARLIER: "{call_id} was over before the case {number} was registered.",
}
"""Details of the mismatches that refuse a withdrawal."""
_CHECKED_HERE = {
    "link_incident": (UNKNOWN_INCIDENT, INCIDENT_CLOSED),
    "correct": (UNKNOWN["service"], UNKNOWN["district"]),
    "decide_credit": (CREDIT_LIMIT_REACHED,),
    "withdraw": (CALL_MISMATCH,),
    "send_link": (NO_TEXT_MESSAGES, CONTACT_WITHOUT_WITNESS, TOO_MANY_LINKS),
}
"""Problems that `ComplaintActions.check` raises, by action."""


@dataclass(frozen=True)
class ComplaintActions(Actions[Outcome, Complaint]):
    """Actions on complaints, with the checks of what a case cannot know.

    What is compared is in SQL. If SQL is down or behind, an approval is refused until it is up again. A call that is
    not known yet, or not completely, is compared when `GET /v1/unconfirmed-withdrawals` is read. `texts_callers`: a
    channel sends to the telephones of callers.
    """

    client: ComplaintClient
    backend: BackendParts
    cases: Cases
    incidents: IncidentClient
    recognition: Recognition
    texts_callers: bool

    async def forbidden(self, number: str, body: ActionBody, actor: Actor) -> ProblemError | None:
        """Judge by what SQL has of the case; None also if SQL has none, or does not answer."""
        with suppress(ProblemError):
            if case := await self.backend.reader.ask(get_case, number):
                against = Attempt.of(ACTION_OF[type(body)], case, actor, self.backend.now, body).forbidden()
                return problem_of(against) if against else None
        return None

    async def check(self, number: str, body: ActionBody, actor: Actor) -> None:
        """Check what the case cannot know: catalogue codes, incidents, other cases of its account, channels, calls."""
        catalogue = self.backend.catalogue
        match body:
            case LinkIncident(incident=str(incident)):
                await self.incidents.require_open(incident, actor)
            case DecideCredit(approved=True, credit=serial):
                await self._check_credit(number, serial, actor)
            case SendLink():
                await self._check_contact(number)
                await self._check_pause(number, actor)
            case Withdraw(call_id=str(call_id)):
                await self._check_call(number, call_id, actor)
            case Dispatch(department=department) | Involve(department=department):
                catalogue.department(department)
            case Correct(service_code=service, location=location):
                if service:
                    catalogue.service(service)
                if location and location.district:
                    catalogue.district(location.district)

    async def _check_credit(self, number: str, serial: int, actor: Actor) -> None:
        """Raise ProblemError if approving this credit exceeds the limit of its account. The case checks all else."""
        view = await self.client.case(number, actor)
        if view is None or "decide_credit" not in view.available_actions or not view.caller.account_no:
            return
        owed = next((owed for owed in view.credits if owed.serial == serial and owed.approved is None), None)
        if owed is None:
            return
        case = await self.backend.reader.ask(get_case, number)
        if case is None:
            raise sql_unavailable("SQL does not show the case yet, so the credits of its account are unknown.")
        limit = next((credit for credit in case.terms.credits if credit.name == owed.name), None)
        if limit and limit.at_most and limit.at_most_seconds:
            time = timedelta(seconds=limit.at_most_seconds)
            found = await self.backend.reader.ask(credited, view.caller.account_no, self.backend.now - time)
            approved = [one for one in found if one.name == owed.name]
            if sum((one.amount for one in approved), owed.amount) > limit.at_most:
                raise _too_much(owed, limit.at_most, time, approved, view.currency)

    async def lock(self, name: str, number: str, actor: Actor) -> ActionLock:
        """Lock of the telephone that gets a link. Other actions do not look up the case, which may not answer."""
        if name != "send_link":
            return nullcontext()
        view = None
        with suppress(ProblemError):  # the check says it
            view = await self.cases.find(number, actor)
        phone = view.caller.phone if view else None
        return self.backend.locks.hold(
            "send_link", phone_term(phone, self.backend.catalogue.area_code) if phone else number
        )

    async def _check_contact(self, number: str) -> None:
        """Raise ProblemError if no link may go to the caller's telephone. The courier checks it again when it sends."""
        if not self.texts_callers:
            detail = (
                "No channel of HOTLINE_CHANNELS sends to callers' telephones, as one of kind sms without `to` does."
            )
            raise ProblemError(
                NO_TEXT_MESSAGES,
                detail,
                accepted=[("将 caller:* 接到此类渠道", "a route of caller:* to such a channel")],
            )
        if await self.backend.reader.ask(link_goes_nowhere, number, self.backend.catalogue.area_code):
            detail = (
                f"The telephone of the case {number} is one of the staff, or its owner put it in after the"
                " registration; no link goes there. 该号码属于工作人员或由责任人更改，不能发送链接。"
            )
            accepted = [
                ("登记时的电话", "the telephone of the registration"),
                ("客户档案或本工单来电中的电话", "one that the registry or a call of the case has"),
                ("由责任人以外的人更正", "a correction by somebody else than the owner"),
            ]
            raise ProblemError(CONTACT_WITHOUT_WITNESS, detail, accepted=accepted)

    async def _check_pause(self, number: str, actor: Actor) -> None:
        """Raise ProblemError 429 if the telephone was sent as many links as it gets, for all of its cases together."""
        view = await self.cases.find(number, actor)
        if view is None or view.caller.phone is None:
            return
        at = self.backend.now
        sent = await self.backend.reader.ask(links_sent, view.caller.phone, self.backend.catalogue.area_code, at - DAY)
        busy = [sent[-1] + LINK_PAUSE] if sent else []
        if len(sent) >= LINKS_A_DAY:
            busy.append(sent[-LINKS_A_DAY] + DAY)
        free_at = max(busy, default=at)
        if free_at <= at:
            return
        rule = f"This telephone gets one link an hour and {LINKS_A_DAY} within 24 hours, for all of its cases together."
        raise too_soon(TOO_MANY_LINKS, rule, at, free_at, self.backend.catalogue.calendar.timezone)

    async def _check_call(self, number: str, call_id: str, actor: Actor) -> None:
        """Raise ProblemError if the call is known, and gives no right to withdraw the case."""
        view = await self.cases.find(number, actor)
        if view is None or "withdraw" not in view.available_actions or not needs_call(actor, view.owner):
            return
        found = await self.backend.reader.ask(call_mismatch, call_id, actor.id, view, self.backend.catalogue.area_code)
        if found in _WHY:
            accepted = (CALL_OF_CALLER, view.owner, "supervisor")
            raise ProblemError(CALL_MISMATCH, _WHY[found].format(call_id=call_id, number=number), accepted=accepted)

    async def look_up(self, number: str, body: ActionBody, actor: Actor) -> ActionBody:
        """Add facts of the registry to a correction, and the terms of another service or district."""
        if not isinstance(body, Correct) or not (body.service_code or body.caller or body.location):
            return body
        view = await self.cases.find(number, actor)
        if view is None:
            return body
        body = await self._refilled(view, body)
        moved = body.location if body.location and "district" in body.location.model_fields_set else None
        if not (body.service_code or moved):
            return body
        service, district = body.service_code or view.service_code, (moved or view.location).district
        try:
            terms = self.backend.catalogue.terms(service, district, view.registered_at)
        except UnknownCode:
            if body.service_code:
                raise
            return body  # the catalogue has its service no more: it keeps its terms
        return Correction.of(
            body, in_force=CatalogueTerms(terms=terms, edition=self.backend.in_force.edition, district=district)
        )

    async def _refilled(self, view: CaseView, body: Correct) -> Correct:
        """Put what the registry has of the customer whom the correction names, or else nothing, in `filled`.

        Only fields that the registry had filled in and nobody has corrected; the body as it is if it names nobody else.
        Raises ProblemError if SQL does not answer.
        """
        left = tuple(sorted({*view.filled} - _given("caller", body.caller) - _given("location", body.location)))
        if not left or not _names_another(view.caller, body.caller, self.backend.catalogue.area_code):
            return body
        facts = {name: getattr(view, name) for name in Intake.model_fields if hasattr(view, name)}
        intake = Intake.model_construct(**facts).without(left)
        places = {"caller": merged(intake.caller, body.caller), "location": merged(intake.location, body.location)}
        intake = intake.model_copy(update=places)
        known = await self.backend.reader.known_late(intake, view.registered_at)
        contact = in_catalogue(self.backend.catalogue, known.contact)
        names = {each.rpartition(".")[2] for each in left}
        contact = Contact(**{name: value for name, value in contact._asdict().items() if name in names})
        filled, _ = intake.filled_in(contact)
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
        """Reason: there is no such case, it is over, or its workflow is lost."""
        view = await self.cases.find(number, actor)
        if view is None:
            return not_found(number)
        require_reach(READ_CASES, actor, number, view)
        progress = Progress.model_construct(**dict(view))  # the view has what decides if it is over
        if not progress.is_over(self.backend.now) and await self.client.is_lost(number):
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
            self.recognition.corrected.set()
        return Complaint.of(view, actor), shown


def _too_much(owed: Owed, most: Decimal, time: timedelta, before: Sequence[PastCredit], currency: str) -> ProblemError:
    had = ", ".join(f"{one.amount} by case {one.number}" for one in before) or "nothing yet"
    detail = (
        f"{owed.name}: an account gets {most} {currency} at most in {time / DAY:g} days. It has had {had};"
        f" {owed.amount} more is too much. Reject this credit for that ground, and say why."
    )
    rejected = "approved: false, ground: limit_reached"
    accepted = [(f"{rejected}，并说明理由", f"{rejected}, with a reason")]
    return ProblemError(CREDIT_LIMIT_REACHED, detail, accepted=accepted)


def _given(part: str, value: Value | None) -> set[str]:
    return {f"{part}.{name}" for name in value.model_fields_set} if value else set()


def _names_another(caller: Caller, given: Caller | None, area_code: str) -> bool:
    """Return True if the account or telephone given is another one, and not the same in another form."""

    def identity(of: Caller) -> dict[str, str | None]:
        return {"account_no": of.account_no, "phone": of.phone and phone_term(of.phone, area_code)}

    before, after = identity(caller), identity(given or caller)
    return any(before[name] != after[name] for name in before if given and name in given.model_fields_set)


router = APIRouter(tags=["actions"], route_class=StrictRoute)
add_actions(
    router,
    ACTIONS_PATH,
    COMMANDS,
    Annotated[ComplaintActions, from_backend("complaint_actions")],
    number=NumberText,
    number_in=number_in,
    states=State,
    model=Complaint,
    noun="complaint",
    errors=(*POST_ERRORS, OUT_OF_TURN, BEHIND_SQL, INVALID_RESULT, WORKFLOW_LOST),
    checked=_CHECKED_HERE,
)


@router.post(ACTIONS_PATH + "/{action}", include_in_schema=False, dependencies=[needs(None)])
async def unknown(number: NumberText, action: str) -> Response:  # noqa: ARG001 - part of the path
    """Answer 404; a stranger learns nothing."""
    hint = " A complaint is registered by POST /v1/complaints." if action == "register" else ""
    raise ProblemError(UNKNOWN_ACTION, f"There is no action {action[:40]!r}.{hint}", accepted=[*COMMANDS])
