"""Incidents on the desk: their list, one with its cases, callers and minutes, its actions, and the declaration."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from api.complaints.actions import UNKNOWN_ACTION
from api.desk import words
from api.desk.caller_texts import CallerTexts
from api.desk.desk import MOST_ENTRIES, done, positive
from api.desk.forms import body_of
from api.desk.kit import DESK, DeskPages, Form, Typed, blank
from api.desk.timeline import facts_of, incident_entry, meanwhile
from api.desk.words import Names
from api.edge.problems import ProblemError
from api.incidents.answers import Candidate, NewIncident
from api.incidents.routes import NUMBER, Incidents, no_incident
from api.parameters import number_in
from api.responses import masked_for
from api.routing import CONTEXT, StrictRoute, from_backend, require_role
from api.sign_in.security import digest_of
from api.sign_in.sessions import Session
from domain.case.actions import link_incident
from domain.case.lifecycle import State
from domain.incident.actions import CONFIRM, DECLARE, INCIDENT_COMMANDS, INFORM, MERGE, MOST_CASES, RESOLVE
from domain.incident.incident import Incident, News
from domain.incident.state import (
    ENDS,
    LINKABLE,
    NOT_LINKED,
    Around,
    IncidentAction,
    IncidentEvent,
    IncidentState,
    sampled,
)
from domain.kit.event import Command
from domain.rights.rights import READ_CANDIDATES, READ_INCIDENTS, RIGHT_TO_DECLARE, right_to
from domain.shared.actors import Actor
from domain.shared.errors import Refused
from readmodel import incidents as stored
from readmodel.case_record import incident_record
from readmodel.incidents import IncidentCandidate

INCIDENTS = f"{DESK}/incidents"
ROWS = 25
"""Ended incidents, candidates and cases taken on a page."""
MOST_MISSED = 500
"""Cases whose callers were not reached, on the page that lists them instead of candidates: it has 60 KB at most."""
MOST_OPEN = 75
OPEN_STATES = [state for state in IncidentState if state not in ENDS.values()]
PREVIEWED = (DECLARE, CONFIRM, INFORM, RESOLVE)
"""Actions that are sent only after their effect on cases and callers was shown."""
LINK = link_incident.ACTION.name
LINKING = timedelta(minutes=2)
"""Time after an event of an incident in which it may still be linking cases: it searches twice, 15 s apart."""


class Preview(NamedTuple):
    """Effect of an action on cases and callers.

    `takes` is the number of cases that the incident will take by itself, and `taken` the latest of them; None for an
    action that takes none. `proposed` are those that only a name links. The callers of `told` cases will get one of
    `texts`, but for those who are `unreached`. An end settles the cases of `states` so that they come to those of
    `ends`, and leaves those that are `kept`.
    """

    takes: int | None = None
    taken: Sequence[Candidate] = ()
    proposed: Sequence[Candidate] = ()
    told: int = 0
    unreached: int = 0
    texts: Sequence[str] = ()
    states: Mapping[State, int] = {}
    ends: Mapping[State, int] = {}
    kept: int = 0


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
        self,
        request: Request,
        actor: Actor,
        number: str,
        refused: Sequence[str] = (),
        given: Typed | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        """Page of an incident; `refused` says why cases were not linked. Raises ProblemError."""
        incident, names = await self._found(number, actor), self.names(request)
        shown = masked_for(actor, incident)
        lists_missed = "missed" in request.query_params
        proposes = incident.state in LINKABLE and actor.role in READ_CANDIDATES.reach and not lists_missed
        rows = MOST_MISSED if lists_missed else ROWS
        bounds = self.texts.channels.recording, MOST_ENTRIES, rows + 1
        record = await self.backend.reader.ask(incident_record, incident, *bounds, proposes=proposes)
        events = [masked_for(actor, event) for event in reversed(record.events)]
        is_linking = bool(events) and self.backend.now - events[0].at < LINKING
        proposed = [each for each in record.candidates if not is_linking or each.reasons != (NOT_LINKED,)]
        return self.page(
            request,
            "incident",
            actor,
            status,
            here=f"{INCIDENTS}/{incident.number}" if refused else "",
            item=shown,
            facts=facts_of(shown, names),
            record=record,
            entries=[incident_entry(shown, event, names) for event in events],
            news=[event for event in events if event.action == INFORM.name],
            candidates=[Candidate.of(each, actor) for each in proposed[:ROWS]],
            taking=record.taking if is_linking else 0,
            rows=ROWS,
            missed=record.missed[:rows],
            refused=refused,
            given=given or blank(),
        )

    async def act(self, request: Request, session: Session, number: str, name: str) -> Response:
        """Form of an action, of the declaration without a number, or what came of it. Raises ProblemError."""
        incident = await self._found(number, session.actor) if number else None
        action = INCIDENT_COMMANDS.get(name) if incident else DECLARE
        if action is None:
            known = map(words.of_action, incident.available_actions(session.actor) if incident else ())
            raise self.unknown(request, ("操作", "Action"), name, known, UNKNOWN_ACTION)
        require_role(right_to(action), session.actor)
        return await self._answer(request, session, action, incident)

    async def _answer(
        self, request: Request, session: Session, action: IncidentAction, incident: Incident | None
    ) -> Response:
        """Show the form with its preview; send it if the preview of this very body was shown. Raises ProblemError."""
        is_sent, actor, names = request.method == "POST", session.actor, self.names(request)
        form = await self._form(names, actor, incident, action)
        if incident and not form.possible and not is_sent:
            return self.form(request, actor, form, blank(), *self.why_not(incident, action, actor, names))
        given = await self.typed(request, session) if is_sent else blank()
        cases, body = _ticked(given), body_of(form.fields, given, self.backend.zone.key)
        seen, version = digest_of(to_json(body).decode()), positive(given.get("version", [""])[0])
        is_checked = given.get("seen") == [seen]
        preview = None if is_checked else await self._preview(actor, action, incident, body)
        refused = await self._meanwhile(incident, version, action.name, actor, names) if incident and version else ""
        status = HTTPStatus.PRECONDITION_FAILED.value if refused else HTTPStatus.OK.value
        if is_sent and preview is None:
            named = {"cases": cases} if action is CONFIRM and cases else {}
            path = f"/v1/incidents/{incident.number}/actions/{action.name}" if incident else "/v1/incidents"
            answer = await self.send_form(request, actor, path, form, body | named, given, version)
            if not answer.refused:
                ticked = [] if incident else cases
                return await self._link(request, actor, answer.content["number"], ticked, given, action.name)
            refused, status = refused or answer.refused, answer.status
            preview = await self._preview(actor, action, incident, body)
        given["seen"] = [seen if preview else ""]
        fields = {"form": form, "given": given, "refused": refused, "preview": preview}
        more = {"has_preview": action in PREVIEWED, "is_sent": self.texts.is_sent}
        return self.page(request, "incident_form", actor, status, **fields, **more)

    async def _meanwhile(self, incident: Incident, since: int, name: str, reader: Actor, names: Names) -> str:
        """Say what was done to the incident since this version; empty if nothing was."""
        events = (await self.backend.reader.ask(stored.incident_timeline, incident.number, since)).items
        told = [incident_entry(incident, event, names) for event in masked_for(reader, events)]
        return meanwhile(told, names, possible=name in incident.available_actions(reader)) if told else ""

    async def _form(self, names: Names, actor: Actor, incident: Incident | None, action: IncidentAction) -> Form:
        """Place and note come last; cases are ticked among the candidates, and the other incident among the open."""
        inputs = self.inputs(action.body if incident else NewIncident, actor)
        found = (field for field in inputs if field.name != "cases")
        fields = sorted(found, key=lambda field: (field.name == "note", field.name in Around.model_fields))
        if incident is None:
            return Form(words.of_kind(action), fields, INCIDENTS, names.say(("突发事件", "Incidents")), "")
        number, shown = incident.number, masked_for(actor, incident)
        about = f"{shown.title} · {names.say(words.of_code(shown.state))} · {names.scope(shown.scope)}"
        if action is MERGE:
            fields = await self.among_incidents(fields, actor, number)
        back = f"{INCIDENTS}/{number}"
        possible = action.name in incident.available_actions(actor)
        return Form(words.of_kind(action), fields, back, number, about, version=incident.version, possible=possible)

    async def _preview(
        self, actor: Actor, action: IncidentAction, incident: Incident | None, given: Mapping[str, Any]
    ) -> Preview | None:
        """None for an action without one, and for a body that the API will refuse, and say why."""
        if action not in PREVIEWED:
            return None
        try:
            if incident is None:
                new = NewIncident.model_validate(given, context=CONTEXT.get())
                return await self._taken(Incident.open(self.incidents.opening(new, actor, self.backend.now))[0], actor)
            body = action.body.model_validate(given, context=CONTEXT.get())
            after, (event,) = incident.preview(Command(actor=actor, body=body), self.backend.now)
        except (ProblemError, ValidationError, Refused):
            return None
        return await (self._taken(after, actor) if action is CONFIRM else self._told(after, event))

    async def _taken(self, incident: Incident, actor: Actor) -> Preview:
        incident.state = IncidentState.SUSPECTED  # to which only those are candidates that it will not take
        ask = self.backend.reader.ask
        total, latest = await ask(stored.takings, incident.scope, incident.since, ROWS)
        proposed = (await ask(stored.candidates, incident, None, ROWS)).items
        taken = [Candidate.of(IncidentCandidate(case, ()), actor) for case in latest]
        return Preview(total, taken, [Candidate.of(each, actor) for each in proposed])

    async def _told(self, incident: Incident, event: IncidentEvent) -> Preview:
        """Preview the texts to callers of its cases, with the number of one of these."""
        found = await self.backend.reader.ask(stored.callers, incident.number, at_end=incident.end is not None)
        preview = Preview(told=len(found.told), unreached=found.unreached, kept=found.kept)
        number = next(iter(found.told), None)
        if number is None:
            return preview
        if news := News.of(incident, event, (number,)):
            return preview._replace(texts=[self.texts.of_news(news)])
        followed_up = sum(sampled(incident.number, each, incident.follow_up_percent) for each in found.told)
        ends = {State.PENDING_FOLLOW_UP: followed_up, State.CLOSED: len(found.told) - followed_up}
        given = incident.number, number, incident.reply or ""
        texts = [self.texts.of_reply(*given, state, event.at) for state, calls in ends.items() if calls]
        return preview._replace(texts=texts, states=Counter(found.told.values()), ends=ends)

    async def link(self, request: Request, session: Session, number: str) -> Response:
        """Link the candidates that were ticked. Raises ProblemError."""
        given, actor = await self.typed(request, session), session.actor
        require_role(READ_CANDIDATES, actor)
        if cases := _ticked(given):
            return await self._link(request, actor, (await self._found(number, actor)).number, cases, given, LINK)
        nothing = self.names(request).say(("请先勾选要并入的工单。", "Tick the cases that belong to it first."))
        return await self.incident(request, actor, number, [nothing], given, HTTPStatus.UNPROCESSABLE_ENTITY)

    async def _link(
        self, request: Request, actor: Actor, number: str, cases: Sequence[str], given: Typed, action: str
    ) -> Response:
        """Link cases by their own action, and lead to the incident; else say which were refused, and why."""
        refused, form = list[str](), self.names(request).say(("未并入 %s：%s", "Not linked: %s: %s"))
        for case in cases:
            path, key = f"/v1/complaints/{case}/actions/{LINK}", f"{given['key'][0]}-{case}"
            answer = await self.send(request, actor, path, {"incident": number}, key)
            refused += [form % (case, answer.refused)] if answer.refused else []
        if refused:
            return await self.incident(request, actor, number, refused, given, HTTPStatus.CONFLICT)
        return done(f"{INCIDENTS}/{number}", action)


def _ticked(given: Typed) -> list[str]:
    """Raise ProblemError for what is no number of a case."""
    return [number_in(each) for each in given.get("cases", [])[:MOST_CASES]]


TheDesk = Annotated[IncidentDesk, from_backend("incident_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(INCIDENTS)
async def show_incidents(request: Request, desk: TheDesk) -> Response:
    return await desk.shown(request, lambda session: desk.listed(request, session.actor))


@router.api_route(f"{INCIDENTS}/declare", methods=["GET", "POST"])
@router.api_route(f"{INCIDENTS}/{{number}}/actions/{{action}}", methods=["GET", "POST"])
async def act_on_incident(request: Request, desk: TheDesk) -> Response:
    number, action = (request.path_params.get(name, "") for name in ("number", "action"))
    return await desk.shown(request, lambda session: desk.act(request, session, number, action), number or None)


@router.get(f"{INCIDENTS}/{{number}}")
async def show_incident(request: Request, number: str, desk: TheDesk) -> Response:
    return await desk.shown(request, lambda session: desk.incident(request, session.actor, number), number)


@router.post(f"{INCIDENTS}/{{number}}/candidates")
async def link_candidates(request: Request, number: str, desk: TheDesk) -> Response:
    return await desk.shown(request, lambda session: desk.link(request, session, number), number)
