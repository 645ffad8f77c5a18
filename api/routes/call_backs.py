"""Call-backs (回电): the list of callers whom nobody answered, and working it off."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import Path, Query
from pydantic import BaseModel, Field, StrictBool
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.edge.problems import ProblemError, declare, kind_of
from api.openapi import Operations
from api.routes.parameters import BODY_ERRORS, LIST_ERRORS, LongPaging
from api.schemas import Page, body_like
from api.sign_in.security import RequestActor
from api.sql.reader import READ_MODEL_UNAVAILABLE
from domain.calls.call_back import CALL_BACK_OVER, CALL_BACK_TAKEN, CallBack, CallBackResult, CallBackState
from domain.rights.rights import CALL_BACK
from domain.shared.text import CallId, Text
from domain.shared.value import Value
from readmodel.calls.call_backs import CallBackEntry, list_call_backs, work_off

NOT_FOUND = declare("call-back-not-found", HTTPStatus.NOT_FOUND, "Call-back not found")
CONFLICTS = (kind_of(CALL_BACK_TAKEN), kind_of(CALL_BACK_OVER))


class CallBackListing(LongPaging):
    """State and page of the list of call-backs."""

    state: CallBackState | None = Field(default=None, description="Where it stands; without it, all that are open.")


class CallBackReport(Value):
    """Report of whoever calls back: `{}` takes the call-back, `reached` tells how a try ended."""

    model_config = body_like({}, {"reached": False, "note": "No answer 无人接听"})

    reached: StrictBool | None = Field(default=None, description="The caller was reached; null takes the call-back.")
    note: Text | None = None


class CallBackLinks(BaseModel):
    """Addresses of related resources."""

    call_back: str = Field(description="Where the call-back is taken, and its result is told.")


class CallBackItem(BaseModel):
    """Call-back of one telephone."""

    call_id: str = Field(description="The oldest of its calls.")
    caller_phone: str
    queue: str | None
    since: datetime = Field(description="The end of that call.")
    calls: int = Field(description="Number of calls that nobody answered.")
    state: CallBackState
    person: str | None = Field(description="Id of the person who has it, or who tried last.")
    taken_at: datetime | None
    held_until: datetime | None = Field(description="From then on others may take it; null if nobody has it.")
    tries: int
    ended_at: datetime | None
    result: CallBackResult | None
    note: str | None
    links: CallBackLinks


class CallBackPage(Page[CallBackItem]):
    """Call-backs: the open ones oldest first, those that are done newest first."""


def _item(entry: CallBackEntry, at: datetime) -> CallBackItem:
    call_back = entry.call_back
    links = CallBackLinks(call_back=f"/v1/calls/{quote(entry.call_id, safe='')}/call-back")
    shown = {name: value for name, value in entry._asdict().items() if name != "call_back"} | call_back._asdict()
    return CallBackItem(**shown, state=call_back.state(at), held_until=call_back.held_until(at), links=links)


_SINCE = datetime.fromisoformat("2026-08-03T04:00:00Z")
EXAMPLE = _item(
    CallBackEntry("1785729600.118", "0760 8823 7777", "hotline", _SINCE, 2, CallBack("10023", _SINCE)), _SINCE
)

operations = Operations("calls")


@operations.get(
    "/v1/call-backs",
    "List callers to be called back 回电名单",
    CALL_BACK,
    CallBackPage,
    ("call_backs", CallBackPage(items=[EXAMPLE], next_cursor=None)),
    LIST_ERRORS,
)
async def list_callers_to_call_back(backend: Backend, wanted: Annotated[CallBackListing, Query()]) -> Response:
    """List callers whom nobody answered, one entry for each telephone, whoever has waited longest first."""
    now = backend.clock()
    page = await backend.reader.ask(list_call_backs, wanted.state, now, wanted.cursor, wanted.limit)
    return render.page((_item(each, now).model_dump_json().encode() for each in page.items), page.next_cursor)


@operations.post(
    "/v1/calls/{call_id:path}/call-back",
    "Call a caller back 回电",
    CALL_BACK,
    CallBackItem,
    {200: ("call_back", EXAMPLE)},
    (*BODY_ERRORS, NOT_FOUND, *CONFLICTS, READ_MODEL_UNAVAILABLE),
)
async def call_back(
    backend: Backend,
    call_id: Annotated[CallId, Path(description="Any of its calls.", examples=["1785729600.118"])],
    body: CallBackReport,
    actor: RequestActor,
) -> Response:
    """Take the call-back, or tell how a try ended: not reached frees it, and the third time ends it.

    Who takes it has it for 30 minutes. The same report again by the same person changes nothing.
    """
    now = backend.clock()

    def named(person: str) -> str:
        known = backend.people.get(person)
        return f"{known.name} ({person})" if known and known.name != person else person

    def change(before: CallBack) -> CallBack:
        if body.reached is None:
            return before.take(actor.id, now, body.note, named)
        return before.tried(actor.id, now, reached=body.reached, note=body.note, named=named)

    entry = await backend.direct.write(lambda sql: work_off(sql, call_id, change))
    if entry is None:
        detail = f"Nobody is to be called back for the call {call_id}; GET /v1/call-backs lists the callers."
        raise ProblemError(NOT_FOUND, detail)
    return render.model(_item(entry, now))
