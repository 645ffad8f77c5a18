"""Incidents on the desk: their list, one with its cases, callers and minutes, its actions, and the declaration."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from api.complaints.actions import UNKNOWN_ACTION
from api.desk import words
from api.desk.caller_texts import CallerTexts
from api.desk.desk import MOST_ENTRIES, done
from api.desk.forms import Field, body_of, fields_of
from api.desk.incident_words import REASONS, entry_of, scope_in_words
from api.desk.kit import DESK, DeskPages, Form, Typed, blank
from api.edge.problems import ProblemError
from api.incidents.answers import Candidate, NewIncident
from api.incidents.routes import NUMBER, Incidents, no_incident
from api.parameters import number_in
from api.responses import masked_for
from api.routing import CONTEXT, StrictRoute, from_backend, require_role
from api.sign_in.security import digest_of
from api.sign_in.sessions import Session
from domain.case.actions import TABLE, link_incident
from domain.case.lifecycle import BEFORE_REPLY, State
from domain.incident.actions import (
    DECLARE,
    INCIDENT_COMMANDS,
    INCIDENT_TABLE,
    MOST_CASES,
    Confirm,
    Inform,
    Resolve,
)
from domain.incident.incident import Incident, News
from domain.incident.state import ALL_CALLERS, ENDS, LINKABLE, Around, IncidentAction, IncidentEvent, IncidentState
from domain.kit.event import Command
from domain.rights.rights import READ_CANDIDATES, READ_INCIDENTS, RIGHT_TO_DECLARE, right_to
from domain.shared.actors import Actor
from domain.shared.errors import Refused
from readmodel import incidents as stored
from readmodel.cases.queries import list_cases
from readmodel.cases.search import CaseFilters
from readmodel.incidents import IncidentCandidate

INCIDENTS = f"{DESK}/incidents"
ROWS = 25
"""Ended incidents, candidates and cases taken on a page."""
MOST_OPEN = 75
OPEN_STATES = [state for state in IncidentState if state not in ENDS.values()]
LINK = link_incident.ACTION.name


class Preview(NamedTuple):
    """Effect of an action on cases and callers.

    `takes` is the number of cases that the incident will take by itself, and `taken` the latest of them; None for an
    action that takes none. `proposed` are those that only a name links. The callers of `told` cases will get one of
    `texts`; `may_keep`: but those whose case goes on with its department.
    """

    takes: int | None = None
    taken: Sequence[Candidate] = ()
    proposed: Sequence[Candidate] = ()
    told: int = 0
    texts: Sequence[str] = ()
    may_keep: bool = False


Previewed = Callable[[Any], Awaitable[Preview]]
"""Preview of a body. Raises Refused."""


@dataclass(frozen=True)
class IncidentDesk(DeskPages):
    """Pages about incidents. No text goes to callers, and no case is taken, that was not shown before."""

    incidents: Incidents
    texts: CallerTexts

    async def listed(self, request: Request, actor: Actor) -> Response:
        """Page of the open incidents and the latest that ended; further pages have these alone. Raises ProblemError."""
        require_role(READ_INCIDENTS, actor)
        ask, cursor = self.backend.reader.ask, request.query_params.get("cursor")
        ended = await ask(stored.page, [*ENDS.values()], cursor, ROWS)
        opened = None if cursor else await ask(stored.page, OPEN_STATES, None, MOST_OPEN)
        found = masked_for(actor, [incident for incident, _ in (*(opened.items if opened else ()), *ended.items)])
        return self.page(
            request,
            "incidents",
            actor,
            items=found,
            linked=await ask(stored.count_linked, [incident.number for incident in found]),
            scope_in_words=scope_in_words,
            may_declare=actor.role in RIGHT_TO_DECLARE.reach,
            most_open=MOST_OPEN if opened and opened.next_cursor else None,
            more=ended.next_cursor,
            is_first=not cursor,
        )

    async def _found(self, number: str, actor: Actor) -> Incident:
        require_role(READ_INCIDENTS, actor)
        if not NUMBER.fullmatch(number):
            raise no_incident(number[:40])
        return await self.incidents.found(number.lower(), actor)

    async def incident(
        self, request: Request, actor: Actor, number: str, refused: Sequence[str] = (), given: Typed | None = None
    ) -> Response:
        """Page of an incident; `refused` says which cases were not linked, and why. Raises ProblemError."""
        incident, ask = await self._found(number, actor), self.backend.reader.ask
        names, number, before = self.names(request), incident.number, max(incident.version - MOST_ENTRIES, 0)
        found = (await ask(stored.incident_timeline, number, before)).items
        events = [masked_for(actor, event) for event in reversed(found)]
        action = request.query_params.get("done", "")
        proposes = incident.state in LINKABLE and actor.role in READ_CANDIDATES.reach
        return self.page(
            request,
            "incident",
            actor,
            HTTPStatus.CONFLICT if refused else HTTPStatus.OK,
            item=await self.incidents.item(incident, actor),
            scope=scope_in_words(masked_for(actor, incident.scope), names),
            actions=INCIDENT_TABLE,
            entries=[entry_of(incident, event, names) for event in events],
            news=[event for event in events if isinstance(event.data, Inform)],
            told=await ask(stored.count_told, number),
            missed=await ask(stored.not_reached, number, ROWS + 1),
            candidates=await self._proposed(incident, actor) if proposes else [],
            reasons=REASONS,
            rows=ROWS,
            done=INCIDENT_TABLE.get(action) or TABLE.get(action),
            refused=refused,
            given=given or blank(),
        )

    async def _proposed(self, incident: Incident, actor: Actor) -> list[Candidate]:
        page = await self.backend.reader.ask(stored.candidates, incident, None, ROWS)
        return [Candidate.of(each, actor) for each in page.items]

    async def act(self, request: Request, session: Session, number: str, name: str) -> Response:
        """Form of an action, or what came of it. Raises ProblemError."""
        actor = session.actor
        incident, action = await self._found(number, actor), INCIDENT_COMMANDS.get(name)
        if action is None:
            raise ProblemError(UNKNOWN_ACTION, f"There is no action {name[:40]!r}.", accepted=[*INCIDENT_COMMANDS])
        require_role(right_to(action), actor)
        names, shown = self.names(request), masked_for(actor, incident)
        form = Form(
            words.of_kind(action),
            [await self._of_incident(field, incident, actor) for field in self._fields(action.body)],
            f"{INCIDENTS}/{incident.number}",
            incident.number,
            f"{shown.title} · {names.say(words.of_code(shown.state))} · {scope_in_words(shown.scope, names)}",
        )

        async def preview(body: Any) -> Preview:  # noqa: ANN401 - of the action
            after, (event,) = incident.preview(Command(actor=actor, body=body), self.backend.now)
            return await (self._taken(after, actor) if action.body is Confirm else self._told(after, event))

        previewed = preview if action.body in (Confirm, Inform, Resolve) else None
        return await self._answer(request, session, form, action, previewed)

    async def declare(self, request: Request, session: Session) -> Response:
        """Form of the declaration, or what came of it. Raises ProblemError."""
        require_role(RIGHT_TO_DECLARE, session.actor)

        async def preview(body: NewIncident) -> Preview:
            opening = self.incidents.opening(body, session.actor, self.backend.now)
            return await self._taken(Incident.open(opening)[0], session.actor)

        title = self.names(request).say(("突发事件", "Incidents"))
        form = Form(words.of_kind(DECLARE), self._fields(NewIncident), INCIDENTS, title, "")
        return await self._answer(request, session, form, DECLARE, preview)

    def _fields(self, model: type[BaseModel]) -> list[Field]:
        """Return the inputs of a body, place and note last; cases are ticked among the candidates."""
        found = [field for field in fields_of(model, self.backend.catalogue) if field.name != "cases"]
        return sorted(found, key=lambda field: (field.name == "note", field.name in Around.model_fields))

    async def _of_incident(self, field: Field, incident: Incident, actor: Actor) -> Field:
        """Offer the open incidents for the one to merge into."""
        if field.name != "into":
            return field
        found = (await self.backend.reader.ask(stored.page, [*LINKABLE], None, MOST_OPEN)).items
        others = masked_for(actor, [each for each, _ in found if each.number != incident.number])
        named = [(each.number, f"{each.number} {each.title}") for each in others]
        return field._replace(kind="choice", choices=tuple((number, (text, text)) for number, text in named))

    async def _taken(self, incident: Incident, actor: Actor) -> Preview:
        incident.state = IncidentState.SUSPECTED  # to which only those are candidates that it will not take
        takings = await self.backend.reader.ask(stored.takings, incident.scope, incident.since, ROWS)
        taken = [Candidate.of(IncidentCandidate(case, ()), actor) for case in takings.latest]
        return Preview(takings.total, taken, await self._proposed(incident, actor))

    async def _told(self, incident: Incident, event: IncidentEvent) -> Preview:
        """Preview the texts to callers of its cases, with the number of one of these."""
        filters = CaseFilters(incident=incident.number, state=tuple(sorted(BEFORE_REPLY)))
        found = (await self.backend.reader.ask(list_cases, filters, None, 1)).items
        if not found:
            return Preview()
        counts = await self.backend.reader.ask(stored.case_counts, incident.number)
        told = sum(calls for state, calls in counts.states.items() if state in BEFORE_REPLY)
        number, percent = found[0].number, incident.follow_up_percent
        if news := News.of(incident, event, (number,)):
            return Preview(told=told, texts=[self.texts.of_news(news)])
        ends = {State.PENDING_FOLLOW_UP: percent > 0, State.CLOSED: percent < ALL_CALLERS}
        given = incident.number, number, incident.reply or ""
        texts = [self.texts.of_reply(*given, state, event.at) for state, may_be in ends.items() if may_be]
        return Preview(told=told, texts=texts, may_keep=True)

    async def _answer(
        self, request: Request, session: Session, form: Form, action: IncidentAction, preview: Previewed | None
    ) -> Response:
        """Show the form with its preview; send it if the preview of this very body was shown. Raises ProblemError."""
        is_sent, actor, path = request.method == "POST", session.actor, "/v1/incidents"
        model = NewIncident if action is DECLARE else action.body
        given = await self.typed(request, session) if is_sent else blank()
        cases = _ticked(given)
        body = body_of(form.fields, given, self.backend.zone.key)
        seen = digest_of(to_json(body).decode())
        shown = await _previewed(preview, model, body) if given.get("seen") != [seen] else None
        refused, status = "", HTTPStatus.OK.value
        if is_sent and shown is None:
            named = {"cases": cases} if model is Confirm and cases else {}
            path += "" if action is DECLARE else f"/{form.subject}/actions/{action.name}"
            answer = await self.send(request, actor, path, body | named, given["key"][0])
            if not answer.refused:
                ticked = cases if action is DECLARE else []
                return await self._link(request, actor, answer.content["number"], ticked, given, action.name)
            refused, status, shown = answer.refused, answer.status, await _previewed(preview, model, body)
        given["seen"] = [seen if shown else ""]
        more = {"preview": shown, "has_preview": preview is not None, "reasons": REASONS, "is_sent": self.texts.is_sent}
        return self.page(request, "incident_form", actor, status, form=form, given=given, refused=refused, **more)

    async def link(self, request: Request, session: Session, number: str) -> Response:
        """Link the candidates that were ticked. Raises ProblemError."""
        given, incident = await self.typed(request, session), await self._found(number, session.actor)
        return await self._link(request, session.actor, incident.number, _ticked(given), given, LINK)

    async def _link(
        self, request: Request, actor: Actor, number: str, cases: Sequence[str], given: Typed, action: str
    ) -> Response:
        """Link cases by their own action, and lead to the incident; else say which were refused, and why."""
        refused, content = list[str](), {"incident": number}
        for case in cases:
            path, key = f"/v1/complaints/{case}/actions/{LINK}", f"{given['key'][0]}-{case}"
            answer = await self.send(request, actor, path, content, key)
            refused += [f"{case}: {answer.refused}"] if answer.refused else []
        if refused:
            return await self.incident(request, actor, number, refused, given)
        return done(f"{INCIDENTS}/{number}", action)


async def _previewed(preview: Previewed | None, model: type[BaseModel], body: Mapping[str, Any]) -> Preview | None:
    """None without a preview, and for a body that the API will refuse, and say why."""
    if preview is None:
        return None
    try:
        return await preview(model.model_validate(body, context=CONTEXT.get()))
    except (ValidationError, Refused):
        return None


def _ticked(given: Typed) -> list[str]:
    """Raise ProblemError for what is no number of a case."""
    return [number_in(each) for each in given.get("cases", [])[:MOST_CASES]]


TheDesk = Annotated[IncidentDesk, from_backend("incident_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(INCIDENTS)
async def show_incidents(request: Request, desk: TheDesk) -> Response:
    return await desk.pages.shown(request, lambda session: desk.listed(request, session.actor))


@router.api_route(f"{INCIDENTS}/declare", methods=["GET", "POST"])
async def declare_on_desk(request: Request, desk: TheDesk) -> Response:
    return await desk.pages.shown(request, lambda session: desk.declare(request, session))


@router.get(f"{INCIDENTS}/{{number}}")
async def show_incident(request: Request, number: str, desk: TheDesk) -> Response:
    return await desk.pages.shown(request, lambda session: desk.incident(request, session.actor, number))


@router.post(f"{INCIDENTS}/{{number}}/candidates")
async def link_candidates(request: Request, number: str, desk: TheDesk) -> Response:
    return await desk.pages.shown(request, lambda session: desk.link(request, session, number))


@router.api_route(f"{INCIDENTS}/{{number}}/actions/{{action}}", methods=["GET", "POST"])
async def act_on_incident(request: Request, number: str, action: str, desk: TheDesk) -> Response:
    return await desk.pages.shown(request, lambda session: desk.act(request, session, number, action))
