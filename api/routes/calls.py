"""Calls (来电): reports of the telephone system, and lists of them."""

from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.calls import CALLS, INVALID_CALL, CallPage, KeptCalls, NewCall, Reported
from api.naming import UNKNOWN_AGENT
from api.openapi import Operations
from api.routes.parameters import (
    BODY_ERRORS,
    CASE_ERRORS,
    INVALID_NUMBER,
    INVALID_PERIOD,
    LIST_ERRORS,
    ME,
    CaseNumber,
    LongPaging,
    period,
    person,
)
from api.sign_in.security import RequestActor
from api.sql.reader import READ_MODEL_UNAVAILABLE
from domain.calls.call import CallOutcome
from domain.rights.rights import READ_CALLS, READ_CASES, RECORD_CALLS
from domain.shared.text import Instant, Name
from readmodel.calls.calls import CallFilters, keep
from readmodel.calls.links import calls_of_case, linked_calls


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


operations = Operations("calls")


@operations.post(
    CALLS,
    "Report calls 上报通话",
    RECORD_CALLS,
    KeptCalls,
    {200: ("kept_calls", KeptCalls(added=1, changed=0, unchanged=0))},
    (*BODY_ERRORS, INVALID_CALL, INVALID_NUMBER, UNKNOWN_AGENT, READ_MODEL_UNAVAILABLE),
)
async def report_calls(backend: Backend, body: Reported) -> Response:
    """Report one call, or up to 1,000 in `items`, while they last, afterwards, or again: order does not matter.

    What is known already changes nothing. If any call has a fault, nothing is kept, and all faults are named.
    """
    given = [body] if isinstance(body, NewCall) else body.items
    calls = [each.call(lambda agent: backend.people.get(agent) is not None) for each in given]
    area_code = backend.catalogue.area_code
    kept = await backend.direct.write(lambda sql: keep(sql, calls, area_code, backend.clock()))
    return render.model(KeptCalls(**kept._asdict()))


@operations.get(CALLS, "List calls 通话记录", READ_CALLS, CallPage, "calls", (*LIST_ERRORS, INVALID_PERIOD))
async def list_calls(backend: Backend, wanted: Annotated[CallListing, Query()], actor: RequestActor) -> Response:
    """List calls, the newest first. Filters narrow the list together."""
    period(("from", wanted.since), ("to", wanted.until))
    agent = person(backend.naming, wanted.agent, actor)
    filters = CallFilters(agent, wanted.queue, wanted.outcome, wanted.since, wanted.until)
    area_code = backend.catalogue.area_code
    page = await backend.reader.ask(linked_calls, filters, wanted.cursor, wanted.limit, area_code)
    return render.page((render.call(call, actor) for call in page.items), page.next_cursor)


@operations.get(
    "/v1/complaints/{number}/calls", "List the calls of a complaint", READ_CASES, CallPage, "calls", CASE_ERRORS
)
async def list_calls_of_complaint(backend: Backend, number: CaseNumber, actor: RequestActor) -> Response:
    """List the calls in which it was registered or that name it, the newest first, all on one page."""
    case = await backend.case_in_sql(number, actor, READ_CASES)
    found = await backend.reader.ask(calls_of_case, case, backend.catalogue.area_code)
    return render.page((render.call(call, actor, case) for call in found), None)
