"""Complaints: registration, lists, one complaint, and its timeline."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, get_args

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from starlette.responses import Response

from api import render
from api.backend import Backend
from api.codes import BY_NAME
from api.edge.problems import BEHIND_SQL, INVALID_REQUEST, OTHER_DEPARTMENT, UNKNOWN, ProblemError
from api.exports import complaints as exported
from api.exports.files import CSV, XLSX
from api.exports.streams import STREAMS, pages_of
from api.intake import OTHER_OWNER
from api.openapi import Operations
from api.rights import MASKED_SEARCH, department_within, search_within
from api.routes.parameters import (
    CASE_ERRORS,
    FIND_ERRORS,
    INVALID_PERIOD,
    LIST_ERRORS,
    POST_ERRORS,
    CaseNumber,
    Filters,
    IdempotencyKey,
    Listing,
    Sla,
    TimelinePaging,
    after_seq,
    person,
)
from api.schemas import Complaint, ComplaintPage, NewComplaint, Timeline
from api.sign_in.security import RequestActor
from api.sql.reader import INVALID_CURSOR, READ_MODEL_UNAVAILABLE
from api.versions import INVALID_ETAG, IfNoneMatch, etag, is_known
from domain.case.lifecycle import State
from domain.case.views import CaseView
from domain.rights.rights import READ_CASES, RIGHT_TO_REGISTER
from domain.shared.actors import Actor
from readmodel.base.paging import RowPage
from readmodel.cases.filters import CaseFilters
from readmodel.cases.queries import CaseCount, count_cases, get_case, list_cases, list_rows
from readmodel.timelines import timeline


class Counts(BaseModel):
    """Numbers of the complaints that pass the filters."""

    total: int
    state: dict[State, int] = Field(description="By state; every state is named.")
    department: dict[str, int] = Field(description="By code of the department that has them.")
    no_department: int = Field(description="Those that no department has.")
    sla: dict[Sla, int] = Field(description="By service level; every level is named.")


def _summed(counts: Sequence[CaseCount]) -> Counts:
    def by(column: str, named: Iterable[Any] = ()) -> dict[Any, int]:
        sums = Counter(dict.fromkeys(named, 0))
        for count in counts:
            sums[getattr(count, column)] += count.cases
        return dict(sums)

    department = by("department")
    no_department = department.pop(None, 0)
    state, sla = by("state", State), by("sla", get_args(Sla))
    return Counts(total=sum(sla.values()), state=state, department=department, no_department=no_department, sla=sla)


COUNTS = _summed([CaseCount("registered", None, "on_time", 2), CaseCount("in_progress", "repair", "at_risk", 3)])
FILTER_ERRORS = (
    INVALID_REQUEST,
    INVALID_PERIOD,
    READ_MODEL_UNAVAILABLE,
    *UNKNOWN.values(),
    OTHER_DEPARTMENT,
    MASKED_SEARCH,
)

operations = Operations("complaints")


@operations.post(
    "/v1/complaints",
    "受理 register: take a complaint in",
    RIGHT_TO_REGISTER,
    Complaint,
    {201: "registered", 202: "registered"},
    (*POST_ERRORS, OTHER_OWNER, UNKNOWN["service"], UNKNOWN["district"], BEHIND_SQL),
)
async def register(
    backend: Backend,
    body: Annotated[NewComplaint, BY_NAME],
    actor: RequestActor,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Register what the caller says; the agent of first contact (首问责任人) owns the case from then on.

    Its clocks run from now. This needs Temporal alone: with the worker down, the answer is 201 and lists show the
    case; with SQL down it is 202, the number good.
    """
    number, case, events = await backend.intake.register(actor, body, idempotency_key)
    if case is None:
        view, shown = await _made_before(backend, number, actor)
    else:
        shown = await backend.projection.register(case, events)
        view = backend.view(case, actor)
    status = HTTPStatus.CREATED if shown else HTTPStatus.ACCEPTED
    headers = {"Location": f"/v1/complaints/{number}", **etag(view.version)}
    return render.answer(render.complaint(view, actor), status, headers)


async def _made_before(backend: Backend, number: str, actor: Actor) -> tuple[CaseView, bool]:
    """Return the case that the same request made, and True if SQL has it.

    It is shown as it is now; as it began if SQL did not have it, for its first sender may have died before it wrote.
    """
    with suppress(ProblemError):
        if known := await backend.reader.ask(get_case, number):
            return backend.view(known, actor), True
    case, events = await backend.complaints.started_as(number)
    committed = bool(events) and await backend.projection.register(case, events)
    return backend.view(case, actor), committed


def _filters(backend: Backend, wanted: Filters, actor: Actor) -> CaseFilters:
    """Return the filters with ids of people, narrowed to what the actor may list and find. Raises ProblemError."""
    filters = wanted.filters()
    owner, assignee = (person(backend.naming, given, actor) for given in (filters.owner, filters.assignee))
    department = department_within(READ_CASES, actor, filters.department)
    return search_within(actor, replace(filters, department=department, owner=owner, assignee=assignee))


async def _export(backend: Backend, wanted: Listing, filters: CaseFilters, actor: Actor) -> Response:
    """Return complaints as a file, which is read from SQL page by page: all, or `limit`. Raises ProblemError."""
    turn, limit = backend.export_turn, wanted.limit if "limit" in wanted.model_fields_set else None

    async def read(cursor: str | None) -> RowPage[RowMapping]:
        most, area_code = limit or exported.PAGE, backend.catalogue.area_code
        return await backend.reader.ask(list_rows, filters, cursor, most, area_code, wanted.sort)

    cells = partial(exported.cells, reader=actor)
    pages = await pages_of(turn, read, cells, wanted.cursor, only_first=limit is not None)
    return await STREAMS[wanted.format](exported.NAME, exported.COLUMNS, pages, turn)


@operations.get(
    "/v1/complaints",
    "List and search complaints",
    READ_CASES,
    ComplaintPage,
    "complaints",
    (INVALID_CURSOR, *FILTER_ERRORS),
    other_formats=(CSV, XLSX),
)
async def list_complaints(
    backend: Backend, wanted: Annotated[Listing, Query(), BY_NAME], actor: RequestActor
) -> Response:
    """List complaints, the newest registration first unless `sort` is given. Filters narrow the list together.

    By registration, no case comes twice or is left out between pages, and what is registered meanwhile comes before
    the first. A case whose due time or priority changes meanwhile may. A crew lists its department's cases. Who
    sees callers' data masked cannot search in them.
    """
    filters = _filters(backend, wanted, actor)
    if wanted.format in STREAMS:
        return await _export(backend, wanted, filters, actor)
    area_code = backend.catalogue.area_code
    page = await backend.reader.ask(
        list_cases, filters, wanted.cursor, wanted.limit, area_code=area_code, sort=wanted.sort
    )
    items = (render.complaint(backend.view(case, actor), actor) for case in page.items)
    return render.page(items, page.next_cursor)


@operations.get("/v1/complaints/counts", "Count complaints", READ_CASES, Counts, ("counts", COUNTS), FILTER_ERRORS)
async def count_complaints(
    backend: Backend, wanted: Annotated[Filters, Query(), BY_NAME], actor: RequestActor
) -> Response:
    """Count the complaints that a list with the same filters has, by state, department and service level."""
    filters = _filters(backend, wanted, actor)
    return render.model(_summed(await backend.reader.ask(count_cases, filters, backend.catalogue.area_code)))


@operations.get(
    "/v1/complaints/{number}",
    "Read one complaint",
    READ_CASES,
    Complaint,
    "complaint",
    (*FIND_ERRORS, INVALID_ETAG),
    may_be_known=True,
)
async def get_complaint(
    backend: Backend, number: CaseNumber, actor: RequestActor, if_none_match: IfNoneMatch = None
) -> Response:
    """Read one complaint from SQL, or from its workflow if SQL does not show it yet or is down.

    The `ETag` is its version: it changes with every event, and not with the seconds that its clocks count.
    """
    view = await backend.case(number, actor, READ_CASES)
    tag = etag(view.version)
    if is_known(if_none_match, view.version):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=tag)
    return render.answer(render.complaint(view, actor), headers=tag)


@operations.get(
    "/v1/complaints/{number}/timeline",
    "Read what happened to a complaint",
    READ_CASES,
    Timeline,
    "timeline",
    (*CASE_ERRORS, *LIST_ERRORS),
)
async def get_timeline(
    backend: Backend, number: CaseNumber, paging: Annotated[TimelinePaging, Query()], actor: RequestActor
) -> Response:
    """List the events of a complaint, the oldest first; those of the system have the actor `system`."""
    after = after_seq(paging.cursor)
    case = await backend.case_in_sql(number, actor, READ_CASES)
    page = await backend.reader.ask(timeline, number, after, paging.limit)
    return render.page((render.timeline_item(event, actor, case.state) for event in page.items), page.next_seq)
