"""Calls (来电): reports of the telephone system, lists of them, call-backs, and withdrawals that no call confirms."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Self
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, StrictBool

from api.calls.answers import CALLS, INVALID_CALL, CallItem, CallPage, KeptCalls, NewCall, Reported, UnconfirmedPage
from api.complaints.cases import TheCases
from api.dependencies import Now, TheCatalogue, TheNaming, ThePeople, TheReader, TheWriter
from api.directory import UNKNOWN_AGENT
from api.edge.problems import ProblemError, declare, kind_of
from api.parameters import INVALID_NUMBER, INVALID_PERIOD, ME, CaseNumber, LongPaging, period, person
from api.responses import Page, body_like, problems
from api.rights import needs
from api.routing import OnceRoute
from domain.calls.call import CallOutcome
from domain.calls.call_back import CALL_BACK_OVER, CALL_BACK_TAKEN, CallBack, CallBackResult, CallBackState
from domain.rights.rights import CALL_BACK, CHECK_WITHDRAWALS, READ_CALLS, READ_CASES, RECORD_CALLS
from domain.shared.actors import Actor
from domain.shared.text import CallId, Instant, Name, Text
from domain.shared.value import Value
from readmodel.calls.call_backs import CallBackEntry, list_call_backs, work_off
from readmodel.calls.calls import CallFilters, calls_of_case, keep, linked_calls, unconfirmed


class CallListing(LongPaging):
    """Filters and page of a list of calls."""

    agent: Name | None = Field(
        default=None, description="Id or name of the person who answered; `me` is you.", examples=[ME]
    )
    queue: Name | None = Field(default=None, description="Queue in which the caller waited.", examples=["hotline"])
    outcome: tuple[CallOutcome, ...] = Field(
        default=(), description="What became of it; repeat it for several outcomes.", examples=[["answered"]]
    )
    since: Instant | None = Field(default=None, alias="from", description="It began then or later.")
    until: Instant | None = Field(default=None, alias="to", description="It began before.")


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

    @classmethod
    def of(cls, entry: CallBackEntry, at: datetime) -> Self:
        call_back = entry.call_back
        links = CallBackLinks(call_back=f"/v1/calls/{quote(entry.call_id, safe='')}/call-back")
        shown = {name: value for name, value in entry._asdict().items() if name != "call_back"} | call_back._asdict()
        return cls(**shown, state=call_back.state(at), held_until=call_back.held_until(at), links=links)


class CallBackPage(Page[CallBackItem]):
    """Call-backs: the open ones oldest first, those that are done newest first."""


router = APIRouter(tags=["calls"], route_class=OnceRoute)


@router.post(
    CALLS,
    summary="Report calls 上报通话",
    dependencies=[needs(RECORD_CALLS)],
    responses=problems(INVALID_CALL, INVALID_NUMBER, UNKNOWN_AGENT),
)
async def report_calls(
    body: Reported, now: Now, writer: TheWriter, catalogue: TheCatalogue, people: ThePeople
) -> KeptCalls:
    """Report one call, or up to 1,000 in `items`, while they last, afterwards, or again: order does not matter.

    What is known already changes nothing. If any call has a fault, nothing is kept, and all faults are named.
    """
    given = [body] if isinstance(body, NewCall) else body.items
    calls = [each.call(lambda agent: people.get(agent) is not None) for each in given]
    area_code = catalogue.area_code
    kept = await writer.write(lambda sql: keep(sql, calls, area_code, now))
    return KeptCalls(**kept._asdict())


@router.get(CALLS, summary="List calls 通话记录", responses=problems(INVALID_PERIOD))
async def list_calls(
    wanted: Annotated[CallListing, Query()],
    actor: Annotated[Actor, needs(READ_CALLS)],
    reader: TheReader,
    catalogue: TheCatalogue,
    naming: TheNaming,
) -> CallPage:
    """List calls, the newest first. Filters narrow the list together."""
    period(("from", wanted.since), ("to", wanted.until))
    agent = person(naming, wanted.agent, actor)
    filters = CallFilters(agent, wanted.queue, wanted.outcome, wanted.since, wanted.until)
    area_code = catalogue.area_code
    page = await reader.ask(linked_calls, filters, wanted.cursor, wanted.limit, area_code)
    return CallPage(items=[CallItem.of(call, actor) for call in page.items], next_cursor=page.next_cursor)


@router.get("/v1/complaints/{number}/calls", summary="List the calls of a complaint")
async def list_calls_of_complaint(
    number: CaseNumber,
    actor: Annotated[Actor, needs(READ_CASES)],
    reader: TheReader,
    catalogue: TheCatalogue,
    cases: TheCases,
) -> CallPage:
    """List the calls in which it was registered or that name it, the newest first, all on one page."""
    case = await cases.in_sql(number, actor, READ_CASES)
    found = await reader.ask(calls_of_case, case, catalogue.area_code)
    return CallPage(items=[CallItem.of(call, actor, case) for call in found], next_cursor=None)


@router.get(
    "/v1/unconfirmed-withdrawals",
    summary="List unconfirmed withdrawals 撤销核对",
    dependencies=[needs(CHECK_WITHDRAWALS)],
)
async def list_unconfirmed_withdrawals(
    paging: Annotated[LongPaging, Query()], now: Now, reader: TheReader, catalogue: TheCatalogue
) -> UnconfirmedPage:
    """List withdrawals by agents who did not own the case, where the call they named does not confirm it."""
    area_code = catalogue.area_code
    page = await reader.ask(unconfirmed, now, area_code, paging.cursor, paging.limit)
    return UnconfirmedPage(items=[*page.items], next_cursor=page.next_cursor)


@router.get(
    "/v1/call-backs",
    summary="List callers to be called back 回电名单",
    dependencies=[needs(CALL_BACK)],
)
async def list_callers_to_call_back(
    wanted: Annotated[CallBackListing, Query()], now: Now, reader: TheReader
) -> CallBackPage:
    """List callers whom nobody answered, one entry for each telephone, whoever has waited longest first."""
    page = await reader.ask(list_call_backs, wanted.state, now, wanted.cursor, wanted.limit)
    items = [CallBackItem.of(each, now) for each in page.items]
    return CallBackPage(items=items, next_cursor=page.next_cursor)


@router.post(
    "/v1/calls/{call_id:path}/call-back",
    summary="Call a caller back 回电",
    responses=problems(NOT_FOUND, *CONFLICTS),
)
async def call_back(
    call_id: Annotated[CallId, Path(description="Any of its calls.", examples=["1785729600.118"])],
    body: CallBackReport,
    actor: Annotated[Actor, needs(CALL_BACK)],
    now: Now,
    writer: TheWriter,
    people: ThePeople,
) -> CallBackItem:
    """Take the call-back, or tell how a try ended: not reached frees it, and the third time ends it.

    Who takes it has it for 30 minutes. The same report again by the same person changes nothing.
    """

    def named(person: str) -> str:
        known = people.get(person)
        return f"{known.name} ({person})" if known and known.name != person else person

    def change(before: CallBack) -> CallBack:
        if body.reached is None:
            return before.take(actor.id, now, body.note, named)
        return before.tried(actor.id, now, reached=body.reached, note=body.note, named=named)

    entry = await writer.write(lambda sql: work_off(sql, call_id, change))
    if entry is None:
        detail = f"Nobody is to be called back for the call {call_id}; GET /v1/call-backs lists the callers."
        raise ProblemError(NOT_FOUND, detail)
    return CallBackItem.of(entry, now)
