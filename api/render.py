"""Answers as JSON, masked for their reader. They are written of valid objects, so they are not validated again."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from starlette.responses import Response

from domain.case.automatic.notice import DOCUMENT_EN, DOCUMENTS, document_of
from domain.case.bulk import HandoverProgress, OpenWork
from domain.case.case import Case
from domain.case.events import Event
from domain.case.incident_link import KEPT, SETTLED
from domain.case.lifecycle import ENDED, State
from domain.case.views import CaseView
from domain.incident.incident import Incident
from domain.kit.event import BaseEvent
from domain.rights.masking import mask_agent, masked, masks_for
from domain.rights.rights import READ_CASES, READ_RECORDINGS, Reach
from domain.shared.actors import Actor, Person
from readmodel.calls.links import LinkedCall
from readmodel.calls.withdrawals import Unconfirmed
from readmodel.cases.queries import PartOfCase
from readmodel.incidents.candidates import IncidentCandidate
from readmodel.notifications.notifications import DeadLetter

JSON = "application/json"
_CASE = TypeAdapter(CaseView)


def complaint(view: CaseView, reader: Actor) -> bytes:
    """Return the case as this person may see it, with its links, in the shape of `schemas.Complaint`."""
    hidden = list[str]()
    if reads_one_department(reader) and view.possible_duplicates:
        view, hidden = view.model_copy(update={"possible_duplicates": ()}), ["possible_duplicates"]
    if masks := masks_for(reader.role, ended=view.state in ENDED):
        shown, names = masked(_CASE.dump_python(view, mode="json"), masks)
        written, hidden = to_json(shown), [*names, *hidden]
    else:
        written = _CASE.dump_json(view)
    return b'%b,"masked":%b,"links":%b}' % (
        written[:-1],
        to_json(hidden),
        to_json(links(view.number)),
    )


def reads_one_department(reader: Actor) -> bool:
    """Return True if numbers of other cases are not for this reader: they may be of other departments."""
    return READ_CASES.reach.get(reader.role) is Reach.DEPARTMENT


def links(number: str) -> dict[str, str]:
    """Return the links of a case."""
    below = _below(f"/v1/complaints/{number}", "timeline", "notices", "caller", "calls")
    return {**below, "temporal_ui": f"/case/{number}"}


def _below(here: str, *parts: str) -> dict[str, str]:
    """Return the links to a case or incident, to these parts of it, and to its actions."""
    return {"self": here, **{part: f"{here}/{part}" for part in parts}, "actions": f"{here}/actions/{{action}}"}


def timeline_item(event: BaseEvent, reader: Actor, case: State | None = None) -> bytes:
    """Return an event in the shape of an item of `schemas.Timeline` or `schemas.IncidentTimeline`.

    `case` is the present state of the case.
    """
    hidden = {"terms", "possible_duplicates"} if reads_one_department(reader) else {"terms"}
    shown = event.model_dump(
        mode="json", exclude={"from_state": True, "to_state": True, "recipients": True, "data": hidden}
    )
    return _masked({**shown, "from": event.from_state, "to": event.to_state}, reader, case)


def record(content: BaseModel, reader: Actor, case: State | None = None) -> bytes:
    """Return a record of callers; `case` is the present state of the case by which it is read."""
    return _masked(content.model_dump(mode="json"), reader, case)


def notice(number: str, event: Event) -> bytes:
    """Return a notice or criticism in the shape of `schemas.NoticeItem`."""
    data = document_of(event)
    item = {
        "seq": event.seq,
        "at": event.at,
        "cycle": event.cycle,
        "kind": event.action,
        "title": DOCUMENT_EN[event.action],
        "title_zh": DOCUMENTS[event.action].zh,
        "due_at": data.due_at,
        "departments": [each.department for each in data.addressees],
        "links": {"self": f"/v1/complaints/{number}/notices/{event.seq}", "complaint": f"/v1/complaints/{number}"},
    }
    return to_json(item)


def part(item: PartOfCase, reader: Actor) -> bytes:
    """Return a part in the shape of `schemas.PartItem`."""
    case = {name: value for name, value in item._asdict().items() if name != "part"}
    return _masked({**item.part.model_dump(), **case, "links": links(item.number)}, reader, item.case_state)


def person(item: Person) -> bytes:
    """Return a person in the shape of `domain.shared.actors.Person`."""
    return to_json(item.model_dump(include=set(Person.model_fields)))


def dead_letter(item: DeadLetter, reader: Actor) -> bytes:
    """Return a dead letter."""
    return _masked(item.model_dump(), reader, None)


def unconfirmed(item: Unconfirmed) -> bytes:
    """Return a withdrawal that its call does not confirm."""
    return item.model_dump_json().encode()


def call(linked: LinkedCall, reader: Actor, read_by: Case | None = None) -> bytes:
    """Return a call in the shape of `calls.CallItem`; `read_by` is the case by which it is read, if it is by one."""
    item, complaints = linked
    if read_by and reads_one_department(reader):
        complaints = (read_by.number,)
    shown = item._asdict() | {
        "outcome": item.outcome,
        "wait_seconds": _seconds(item.waited),
        "talk_seconds": _seconds(item.talked),
        "asked_call_back": item.asked_at is not None,
        "complaint": next(iter(complaints), None),
        "complaints": complaints,
    }
    for internal in ("timing", "agent_known", "hung_up", "asked_at", "went_on_at", "queues_entered", "queues_left"):
        del shown[internal]
    if item.agent and not item.agent_known:  # a name of the telephone system, which may be a telephone
        shown["agent"] = mask_agent(item.agent)
    mask = masks_for(reader.role, ended=read_by is None or read_by.state in ENDED).get("call.caller_phone")
    hidden = list[str]()
    if mask and item.caller_phone:
        shown["caller_phone"], hidden = mask(item.caller_phone), ["caller_phone"]
    if item.recording_url and reader.role not in READ_RECORDINGS.reach:
        shown["recording_url"], hidden = None, [*hidden, "recording_url"]
    links = {"complaint": f"/v1/complaints/{complaints[0]}" if complaints else None}
    return to_json({**shown, "masked": hidden, "links": links})


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


def incident(item: Incident, cases: Mapping[str, int], outcomes: Mapping[str, int], actor: Actor) -> bytes:
    """Return an incident as the actor sees it, in the shape of `schemas.IncidentItem`.

    `cases` are the numbers of its cases by state, `outcomes` those by the result of its end.
    """
    shown = item.model_dump(exclude={"scope", "state_before_merge", "timezone"})
    links = _below(f"/v1/incidents/{item.number}", "timeline", "candidates")
    links["complaints"] = f"/v1/complaints?incident={item.number}"
    scope = {"circle": None, "streets": (), **item.scope.model_dump()}
    counted = {
        "cases": sum(cases.values()),
        "cases_by_state": dict(cases),
        "settled_cases": outcomes.get(SETTLED, 0),
        "kept_cases": outcomes.get(KEPT, 0),
    }
    available = item.available_actions(actor)
    return to_json({**shown, **scope, **counted, "available_actions": available, "links": links})


def candidate(item: IncidentCandidate, reader: Actor) -> bytes:
    """Return a case that an incident does not take by itself, in the shape of `schemas.Candidate`."""
    case, here = item.case, f"/v1/complaints/{item.case.number}"
    shown = {
        "number": case.number,
        "state": case.state,
        "service_code": case.intake.service_code,
        "department": case.department,
        "registered_at": case.registered_at,
        "location": {"district": case.intake.location.district, "address": case.intake.location.address},
        "description": case.intake.description,
        "reasons": item.reasons,
        "links": {"self": here, "link": f"{here}/actions/link_incident"},
    }
    return _masked(shown, reader, case.state)


def _masked(content: Any, reader: Actor, case: State | str | None) -> bytes:  # noqa: ANN401 - JSON
    """Return JSON of a case in this state as the reader may see it; without a state, as of one that has ended."""
    shown, _ = masked(content, masks_for(reader.role, ended=case is None or case in ENDED))
    return to_json(shown)


def handover(progress: HandoverProgress, to_assign: Iterable[OpenWork]) -> bytes:
    """Return a handover in the shape of `routes.handovers.HandoverItem`."""
    order = progress.handover
    shown = {
        "id": order.id,
        "from": order.previous_owner,
        "to": order.owner,
        "reason": order.reason,
        "by": order.actor.id,
        "state": progress.state,
        "handed_over": progress.handed_over,
        "refused": [{"number": number, "why": why} for number, why in progress.refused.items()],
        "to_assign": list(to_assign),
        "links": {"self": f"/v1/handovers/{order.id}"},
    }
    return to_json(shown)


def page(items: Iterable[bytes], next_cursor: str | int | None) -> Response:
    """Return a page of a list."""
    cursor = to_json(None if next_cursor is None else str(next_cursor))
    return answer(b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), cursor))


def model(content: BaseModel, status: int = HTTPStatus.OK) -> Response:
    """Return a model as an answer."""
    return answer(content.model_dump_json(by_alias=True).encode(), status)


def answer(content: bytes, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Return written JSON as an answer."""
    return Response(content, status, headers=dict(headers) if headers else None, media_type=JSON)
