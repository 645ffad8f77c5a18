"""Calls (来电): reports of the telephone system, and lists of them."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from api.calls.answers import CALLS, INVALID_CALL, CallPage, KeptCalls, NewCall, Reported, UnconfirmedPage, call_json
from api.complaints.cases import TheCases
from api.dependencies import Now, TheCatalogue, TheNaming, ThePeople, TheReader, TheWriter
from api.naming import UNKNOWN_AGENT
from api.parameters import (
    INVALID_NUMBER,
    INVALID_PERIOD,
    ME,
    CaseNumber,
    LongPaging,
    period,
    person,
)
from api.responses import answer_model, answer_page, problems
from api.rights import needs
from api.routing import OnceRoute
from domain.calls.call import CallOutcome
from domain.rights.rights import CHECK_WITHDRAWALS, READ_CALLS, READ_CASES, RECORD_CALLS
from domain.shared.actors import Actor
from domain.shared.text import Instant, Name
from readmodel.calls.calls import CallFilters, keep
from readmodel.calls.links import calls_of_case, linked_calls
from readmodel.calls.withdrawals import unconfirmed


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


router = APIRouter(tags=["calls"], route_class=OnceRoute)


@router.post(
    CALLS,
    summary="Report calls 上报通话",
    response_model=KeptCalls,
    dependencies=[needs(RECORD_CALLS)],
    responses=problems(INVALID_CALL, INVALID_NUMBER, UNKNOWN_AGENT),
)
async def report_calls(
    body: Reported, now: Now, writer: TheWriter, catalogue: TheCatalogue, people: ThePeople
) -> Response:
    """Report one call, or up to 1,000 in `items`, while they last, afterwards, or again: order does not matter.

    What is known already changes nothing. If any call has a fault, nothing is kept, and all faults are named.
    """
    given = [body] if isinstance(body, NewCall) else body.items
    calls = [each.call(lambda agent: people.get(agent) is not None) for each in given]
    area_code = catalogue.area_code
    kept = await writer.write(lambda sql: keep(sql, calls, area_code, now))
    return answer_model(KeptCalls(**kept._asdict()))


@router.get(
    CALLS,
    summary="List calls 通话记录",
    response_model=CallPage,
    responses=problems(INVALID_PERIOD),
)
async def list_calls(
    wanted: Annotated[CallListing, Query()],
    actor: Annotated[Actor, needs(READ_CALLS)],
    reader: TheReader,
    catalogue: TheCatalogue,
    naming: TheNaming,
) -> Response:
    """List calls, the newest first. Filters narrow the list together."""
    period(("from", wanted.since), ("to", wanted.until))
    agent = person(naming, wanted.agent, actor)
    filters = CallFilters(agent, wanted.queue, wanted.outcome, wanted.since, wanted.until)
    area_code = catalogue.area_code
    page = await reader.ask(linked_calls, filters, wanted.cursor, wanted.limit, area_code)
    return answer_page((call_json(call, actor) for call in page.items), page.next_cursor)


@router.get(
    "/v1/complaints/{number}/calls",
    summary="List the calls of a complaint",
    response_model=CallPage,
)
async def list_calls_of_complaint(
    number: CaseNumber,
    actor: Annotated[Actor, needs(READ_CASES)],
    reader: TheReader,
    catalogue: TheCatalogue,
    cases: TheCases,
) -> Response:
    """List the calls in which it was registered or that name it, the newest first, all on one page."""
    case = await cases.in_sql(number, actor, READ_CASES)
    found = await reader.ask(calls_of_case, case, catalogue.area_code)
    return answer_page((call_json(call, actor, case) for call in found), None)


@router.get(
    "/v1/unconfirmed-withdrawals",
    summary="List unconfirmed withdrawals 撤销核对",
    response_model=UnconfirmedPage,
    dependencies=[needs(CHECK_WITHDRAWALS)],
)
async def list_unconfirmed_withdrawals(
    paging: Annotated[LongPaging, Query()], now: Now, reader: TheReader, catalogue: TheCatalogue
) -> Response:
    """List withdrawals by agents who did not own the case, where the call they named does not confirm it."""
    area_code = catalogue.area_code
    page = await reader.ask(unconfirmed, now, area_code, paging.cursor, paging.limit)
    return answer_model(UnconfirmedPage(items=[*page.items], next_cursor=page.next_cursor))
