"""Answers as JSON. They are written of valid objects, so they are not validated again."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from starlette.responses import Response

from domain.case.automatic.notice import DOCUMENT_EN, DOCUMENTS, document_of
from domain.case.events import Event
from domain.case.views import CaseView
from domain.incident.incident import Incident
from domain.shared.actors import Actor, Person
from domain.shared.event import BaseEvent
from readmodel.dead_letters import DeadLetter
from readmodel.parts import PartOfCase

JSON = "application/json"
_CASE = TypeAdapter(CaseView)


def complaint(view: CaseView) -> bytes:
    """Return the case with its links, in the shape of `schemas.Complaint`."""
    return b'%b,"links":%b}' % (_CASE.dump_json(view)[:-1], to_json(links(view.number)))


def links(number: str) -> dict[str, str]:
    """Return the links of a case."""
    here = f"/v1/complaints/{number}"
    return {
        "self": here,
        "timeline": f"{here}/timeline",
        "notices": f"{here}/notices",
        "caller": f"{here}/caller",
        "actions": f"{here}/actions/{{action}}",
    }


def timeline_item(event: BaseEvent) -> bytes:
    """Return an event in the shape of `schemas.TimelineItem` or `schemas.IncidentTimelineItem`."""
    shown = event.model_dump(exclude={"from_state": True, "to_state": True, "recipients": True, "data": {"terms"}})
    return to_json({**shown, "from": event.from_state, "to": event.to_state})


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


def part(item: PartOfCase) -> bytes:
    """Return a part in the shape of `schemas.PartItem`."""
    case = {name: value for name, value in item._asdict().items() if name != "part"}
    return to_json({**item.part.model_dump(), **case, "links": links(item.number)})


def person(item: Person) -> bytes:
    """Return a person in the shape of `domain.shared.actors.Person`."""
    return to_json(item.model_dump(include=set(Person.model_fields)))


def dead_letter(item: DeadLetter) -> bytes:
    """Return a dead letter in the shape of `schemas.Letter`."""
    return to_json(item._asdict())


def incident(item: Incident, cases: Mapping[str, int], actor: Actor) -> bytes:
    """Return an incident as the actor sees it, in the shape of `schemas.IncidentItem`."""
    here = f"/v1/incidents/{item.number}"
    shown = item.model_dump(exclude={"scope", "state_before_merge"})
    links = {
        "self": here,
        "timeline": f"{here}/timeline",
        "complaints": f"/v1/complaints?incident={item.number}",
        "actions": f"{here}/actions/{{action}}",
    }
    counted = {"cases": sum(cases.values()), "cases_by_state": dict(cases)}
    available = item.available_actions(actor)
    return to_json({**shown, **item.scope.model_dump(), **counted, "available_actions": available, "links": links})


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
