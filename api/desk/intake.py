"""Page of the intake (受理): the caller is looked up while on the line, the case registered and dispatched at once."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.complaints.cases import NewComplaint
from api.complaints.intake import in_catalogue
from api.desk.desk import Desk, done
from api.desk.forms import POINT, Field, body_of, fields_of, present
from api.desk.kit import DESK, Answer, Typed, blank
from api.edge.limits import LOOKUP
from api.edge.problems import ProblemError
from api.responses import masked_for
from api.routing import CONTEXT, StrictRoute, from_backend, require_role
from api.sign_in.sessions import Session
from domain.case.actions import COMMANDS, register
from domain.case.case import Case
from domain.case.intake import IntakeFlag, Location
from domain.case.lifecycle import OPEN
from domain.case.views import CaseView
from domain.catalogue.catalogue import Catalogue
from domain.customers.customer import EarlierCase, KnownCaller, OpenIncident
from domain.incident.state import LINKABLE, CasePlace
from domain.rights.rights import RIGHT_TO_REGISTER, street_of
from domain.shared.actors import Actor
from domain.shared.value import Phrase
from readmodel.base.database import ReadConnection
from readmodel.callers import recognise
from readmodel.cases.queries import get_cases, list_numbers
from readmodel.cases.search import CaseFilters, Sort
from readmodel.incidents import open_with_cases

PATH = f"{DESK}/intake"
OWN = "own"
"""Value of the input `department`: the service's own department."""
FIRST = ("caller.phone", "caller.name", "service_code", "location.district", "location.address", "description")
"""Inputs that a call is taken down in, in the order of the conversation; the others are folded."""
ANOTHER = (
    "此表单已受理过一张工单，再按一次则另受理一张。",
    "This form has registered a case: press again for another one.",
)
DISPATCH = COMMANDS["dispatch"]
REGISTER = register.ACTION
ASKED = Answer(HTTPStatus.OK, {}, "")
"""Answer while nothing has been sent."""
_PLACE = {"location.district", "location.address", *POINT}
FILLED = {"caller.name": {"caller.name"}, "location.district": _PLACE, "location.address": _PLACE}
"""Inputs that an earlier case fills in, each with those of which none may be typed."""
MOST_ALIKE = 6
"""Most cases that are shown as possibly the same matter."""


class Known(NamedTuple):
    """Facts about the caller, and about the matter once its service is chosen. `refused`: why the caller has none.

    `source` is the case from which inputs were filled in. `intake` is what would be registered, with what the registry
    adds. `alike` are cases that may be the same matter: `duplicates`, and open ones of the service in the street or
    district. `there` are open incidents of the place, and `incident` is the one that the case will join.
    """

    record: KnownCaller | None = None
    refused: str = ""
    source: str | None = None
    intake: NewComplaint | None = None
    flags: tuple[IntakeFlag, ...] = ()
    duplicates: tuple[str, ...] = ()
    alike: Sequence[CaseView] = ()
    there: tuple[OpenIncident, ...] = ()
    incident: str | None = None

    @property
    def incidents(self) -> Iterator[tuple[str, OpenIncident | None]]:
        """Yield the open incidents, the one that the case will join first; None for one that SQL does not have yet."""
        known = {each.number: each for each in (*self.there, *(self.record.incidents if self.record else ()))}
        yield from ((number, known.get(number)) for number in dict.fromkeys(filter(None, (self.incident, *known))))

    @property
    def cases(self) -> Iterator[EarlierCase]:
        """Yield the caller's cases, each once, the newest first."""
        if self.record:
            found = {each.number: each for each in (*self.record.open_cases, *self.record.earlier_cases)}
            yield from sorted(found.values(), key=lambda each: each.registered_at, reverse=True)


@dataclass(frozen=True)
class IntakeDesk(Desk):
    """Intake for people who register: the form, the look-up, and registration with dispatch."""

    async def show(self, request: Request, session: Session) -> Response:
        """Form, or what came of it: the case, or the form again with the reason. Raises ProblemError."""
        actor = session.actor
        require_role(RIGHT_TO_REGISTER, actor)
        if request.method == "GET":
            return self._form(request, actor, blank() | {"channel": ["phone"], "department": [OWN]})
        given = await self.typed(request, session)
        body = self._body(given)
        if "look_up" in given:
            return self._form(request, actor, given, ASKED, await self._known(request, actor, given, fills=True))
        known = Known() if "asked" in given or "location" in body else await self._known(request, actor, given)
        if question := self._question(known):
            given["asked"] = ["1"]
            return self._form(request, actor, given, ASKED._replace(refused=self.names(request).say(question)), known)
        answer = await self.send(request, actor, "/v1/complaints", body, given["key"][0])
        if not answer.refused:
            return await self._dispatch(request, actor, given, answer.content)
        if answer.is_of_another:  # somebody came back to the form of a case, and changed it
            given |= blank()
            answer = answer._replace(refused=self.names(request).say(ANOTHER))
        return self._form(request, actor, given, answer, await self._known(request, actor, given))

    def _question(self, known: Known) -> Phrase | None:
        """Return what to ask before an intake is registered that nobody can act on; None if there is no doubt."""
        intake = known.intake
        if intake is None or known.refused or intake.location != Location():
            return None
        if not intake.caller.phone:
            return "没有电话，也没有地址和区域，确定受理？", "Neither telephone nor place: register it nevertheless?"
        goes = self.backend.catalogue.service(intake.service_code).arrive is not None
        return (
            ("没有地址和区域，无法到场，确定受理？", "No place to go to: register it nevertheless?") if goes else None
        )

    async def _dispatch(self, request: Request, actor: Actor, given: Typed, case: Mapping[str, Any]) -> Response:
        """Dispatch the case that was registered, and lead to it.

        One that has joined an incident goes with that; one that is answered in the call goes nowhere unless asked to.
        """
        number, department = case["number"], given.get("department", [""])[0]
        if department == OWN:
            service = self.backend.catalogue.service(case["service_code"])
            department = "" if case["incident"] or service.is_answered_in_call else service.department
        if not department:
            return done(f"{DESK}/cases/{number}", REGISTER.name)
        path = f"/v1/complaints/{number}/actions/{DISPATCH.name}"
        answer = await self.send(request, actor, path, {"department": department}, given["key"][0])
        if not answer.refused:
            return done(f"{DESK}/cases/{number}", DISPATCH.name)
        return await self.case(request, actor, number, answer.refused, answer.status)

    async def _known(self, request: Request, actor: Actor, given: Typed, *, fills: bool = False) -> Known:
        """Look the caller up as the API does, and what a registration would find now.

        It `fills` inputs that are empty from the latest case of somebody whom the registry does not have.
        """
        body = self._body(given)
        caller = body.get("caller", {})
        # The account counts before the telephone, as in a registration.
        asked = next(({name: caller[name]} for name in ("account_no", "phone") if name in caller), None)
        known = Known()
        if asked:
            answer = await self.send(request, actor, LOOKUP, asked, str(uuid.uuid4()))
            if answer.refused:
                known, body = Known(refused=answer.refused), {**body, "caller": {}}
            else:
                known = Known(KnownCaller.model_validate(answer.content))
        if known.record and not known.record.customer:
            known = known._replace(source=await self._source(actor, given, known.record.earlier_cases, fills=fills))
            body = self._body(given)
        catalogue, reader = self.backend.catalogue, self.backend.reader
        with suppress(ValidationError, ProblemError):  # no service is chosen yet, or SQL does not answer any more
            intake = NewComplaint.model_validate({**body, "description": "-"}, context=CONTEXT.get())
            facts, contact = await reader.ask(recognise, intake, self.backend.now, catalogue.area_code)
            located = intake.filled_in(in_catalogue(catalogue, contact))[0] if intake.fill else intake
            goes = catalogue.service(intake.service_code).arrive is not None
            found = await reader.ask(_beside, located, facts.possible_duplicates, is_of_place=goes)
            alike, there = masked_for(actor, ([self.pages.cases.view(each, actor) for each in found[0]], found[1]))
            incident = await reader.incident_covering(intake.service_code, located.location)
            flags, duplicates = facts.flags, facts.possible_duplicates
            known = Known(known.record, known.refused, known.source, located, flags, duplicates, alike, there, incident)
        return known

    async def _source(self, actor: Actor, given: Typed, cases: Sequence[EarlierCase], *, fills: bool) -> str | None:
        """Return the number of the case that name or place are from; it `fills` them in where nothing is typed."""
        latest = await self.backend.reader.ask(get_cases, [case.number for case in cases[:1]])
        facts = [masked_for(actor, self.pages.cases.view(each, actor)).model_dump() for each in latest]
        shown = present([*self._fields()], facts[0]) if facts else {}
        known = {name: [shown[name]] for name in FILLED if name in shown}
        if fills:
            given |= {name: words for name, words in known.items() if given.keys().isdisjoint(FILLED[name])}
        return latest[0].number if any(given.get(name) == words for name, words in known.items()) else None

    def _body(self, given: Typed) -> dict[str, Any]:
        return body_of([*self._fields()], given, self.backend.zone.key)

    def _fields(self) -> Iterator[Field]:
        return fields_of(NewComplaint, self.backend.catalogue)

    def _form(
        self,
        request: Request,
        actor: Actor,
        given: Typed,
        answer: Answer = ASKED,
        known: Known | None = None,
    ) -> Response:
        fields = {field.name: field for field in self._fields()}
        faults = (error["field"].removeprefix("body.") for error in answer.content.get("errors") or ())
        first = next((name for name in faults if name in fields), None)
        fields["service_code"] = with_departments(fields["service_code"], self.backend.catalogue)
        shown = [fields.pop(name) for name in FIRST]
        [department] = (each for each in fields_of(DISPATCH.body, self.backend.catalogue) if each.name == "department")
        choices = (OWN, ("服务项目的责任部门", "Department of the service")), ("", ("暂不派单", "Nobody yet"))
        words = "派往", "Send to"
        department = department._replace(words=words, required=False, choices=(*choices, *department.choices))
        return self.page(
            request,
            "intake",
            actor,
            answer.status,
            given=given,
            shown=[*shown, department],
            folded=[*fields.values()],
            known=known,
            refused=answer.refused,
            first=first or ("caller.name" if known and known.record else "caller.phone"),
        )


def _beside(
    connection: ReadConnection, intake: NewComplaint, duplicates: Sequence[str], *, is_of_place: bool
) -> tuple[tuple[Case, ...], tuple[OpenIncident, ...]]:
    """Find the cases that may be the same matter, the likeliest first, and the open incidents of the place.

    Where the matter `is_of_place`, it may be that of any case in the street, or in the district.
    """
    service, place = intake.service_code, CasePlace(**dict(intake.location))
    still_open, lists = CaseFilters(service_code=service, state=tuple(OPEN)), list[CaseFilters]()
    if address := place.address:
        street = street_of(address).strip() if is_of_place else ""
        lists.append(replace(still_open, q=street or address))
    if place.district and is_of_place:
        lists.append(replace(still_open, district=place.district))
    pages = [list_numbers(connection, each, None, MOST_ALIKE, Sort.REGISTERED).items for each in lists]
    alike = get_cases(connection, [*dict.fromkeys(chain(duplicates, *pages))][:MOST_ALIKE])
    found = [(incident, incident.scope) for incident, _ in open_with_cases(connection, LINKABLE)]
    there = tuple(
        OpenIncident.model_validate({**dict(incident), "services": scope.services})
        for incident, scope in found
        if scope.covers(service, place) or scope.names(service, place.district or "")
    )
    return alike, there


def with_departments(services: Field, catalogue: Catalogue) -> Field:
    """Return the input with what becomes of each service in its words: its department, or an answer in the call."""

    def named(code: str, words: tuple[str, str]) -> tuple[str, str]:
        service = catalogue.service(code)
        if service.is_answered_in_call:
            return f"{words[0]} · 当场答复", f"{words[1]} · answered in the call"
        department = catalogue.department(service.department)
        return f"{words[0]} · {department.name_zh}", f"{words[1]} · {department.name}"

    return services._replace(choices=tuple((code, named(code, words)) for code, words in services.choices))


TheIntakeDesk = Annotated[IntakeDesk, from_backend("intake_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.api_route(PATH, methods=["GET", "POST"])
async def take_in(request: Request, intake: TheIntakeDesk) -> Response:
    return await intake.shown(request, lambda session: intake.show(request, session))
