"""Answers as bytes: what has been validated once is written once, without a second look."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from pydantic import TypeAdapter
from pydantic_core import to_json
from starlette.responses import Response

from domain.case.automatic.notice import DOCUMENT_EN, DOCUMENTS, document_of
from domain.case.events import Event
from domain.case.views import CaseView
from domain.incident.incident import Incident
from domain.incident.kind import IncidentEvent
from readmodel.parts import PartOfCase

JSON = "application/json"
_CASE = TypeAdapter(CaseView)


def complaint(view: CaseView) -> bytes:
    """The case with its links, as `schemas.Complaint` describes it."""
    return b'%b,"links":%b}' % (_CASE.dump_json(view)[:-1], to_json(links(view.number)))


def links(number: str) -> dict[str, str]:
    """Where to go on from a case."""
    here = f"/v1/complaints/{number}"
    return {
        "self": here,
        "timeline": f"{here}/timeline",
        "notices": f"{here}/notices",
        "caller": f"{here}/caller",
        "actions": f"{here}/actions/{{action}}",
    }


def timeline_item(event: Event) -> bytes:
    """An event, as `schemas.TimelineItem` describes it."""
    item = {
        "seq": event.seq,
        "at": event.at,
        "actor": event.actor,
        "role": event.role,
        "action": event.action,
        "from": event.from_state,
        "to": event.to_state,
        "cycle": event.cycle,
        "data": event.data.model_dump(mode="json", exclude={"terms"}),
    }
    return to_json(item)


def notice(number: str, event: Event) -> bytes:
    """A document of lateness, as `schemas.NoticeItem` describes it."""
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
    """A part, as `schemas.PartItem` describes it."""
    case = {name: value for name, value in item._asdict().items() if name != "part"}
    return to_json({**item.part.model_dump(), **case, "links": links(item.number)})


def incident(item: Incident, cases: Mapping[str, int], available: Iterable[str]) -> bytes:
    """An incident, as `schemas.IncidentItem` describes it."""
    here = f"/v1/incidents/{item.number}"
    shown = item.model_dump(exclude={"scope", "before"})
    links = {
        "self": here,
        "timeline": f"{here}/timeline",
        "complaints": f"/v1/complaints?incident={item.number}",
        "actions": f"{here}/actions/{{action}}",
    }
    counted = {"cases": sum(cases.values()), "cases_by_state": dict(cases)}
    return to_json(
        {**shown, **item.scope.model_dump(), **counted, "available_actions": list(available), "links": links}
    )


def incident_event(event: IncidentEvent) -> bytes:
    """An event of an incident, as `schemas.IncidentTimelineItem` describes it."""
    told = event.model_dump(exclude={"from_state", "to_state"})
    return to_json({**told, "from": event.from_state, "to": event.to_state})


def page(items: Iterable[bytes], next_cursor: str | None) -> Response:
    """A list, as every list of the interface is."""
    return answer(b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), to_json(next_cursor)))


def answer(content: bytes, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that is ready."""
    return Response(content, status, headers=dict(headers) if headers else None, media_type=JSON)
