"""Complaints: registration, lists, one complaint, its timeline, its parts and its notices."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Self, get_args

from fastapi import APIRouter, Header, Path, Query
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from starlette.responses import HTMLResponse, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api.complaints.cases import (
    EXPORTED,
    EXPORTED_PAGE,
    Complaint,
    NewComplaint,
    NoticeItem,
    PartItem,
    TheCases,
    Timeline,
    cells,
)
from api.complaints.intake import OTHER_OWNER, TheIntake
from api.directory import PersonFinder
from api.documents import CONTENT_SECURITY, HTML, NOT_ACCEPTABLE, PDF, Printer, printed_with
from api.edge.problems import BEHIND_SQL, OTHER_DEPARTMENT, UNKNOWN, ProblemError, declare
from api.exports.files import CSV, XLSX, ExportThrottle, Pages, Rows
from api.parameters import (
    INVALID_PERIOD,
    POST_ERRORS,
    CaseParam,
    Filters,
    IfNoneMatch,
    Listing,
    Paging,
    RequestKey,
    Sla,
    TimelinePaging,
    after_seq,
    is_known,
    person,
)
from api.responses import (
    NOT_MODIFIED,
    Page,
    Responses,
    also,
    answer_page,
    describe,
    etag,
    formats,
    problems,
    timeline_item,
)
from api.routing import (
    BY_NAME,
    MASKED_SEARCH,
    StrictRoute,
    TheBackend,
    department_within,
    needs,
    search_within,
)
from api.sql import Reader
from api.temporal.errors import TEMPORAL_ERRORS
from domain.case.lifecycle import PartState, State
from domain.catalogue.catalogue import Catalogue
from domain.rights.rights import READ_CASES, READ_NOTICES, READ_PARTS, RIGHT_TO_REGISTER
from domain.shared.actors import Actor
from domain.shared.codes import DepartmentCode, words
from readmodel.base.paging import RowPage
from readmodel.cases import queries as stored
from readmodel.cases.search import CaseFilters


class Counts(BaseModel):
    """Numbers of the complaints that pass the filters."""

    total: int
    state: dict[State, int] = Field(description="By state; every state is named.")
    department: dict[str, int] = Field(description="By code of the department that has them.")
    no_department: int = Field(description="Those that no department has.")
    sla: dict[Sla, int] = Field(description="By service level; every level is named.")

    @classmethod
    def of(cls, counts: Sequence[stored.CaseCount]) -> Self:
        sums: dict[str, Any] = {"state": Counter(dict.fromkeys(State, 0)), "department": Counter()}
        sums["sla"] = Counter(dict.fromkeys(get_args(Sla), 0))
        for count in counts:
            for column, numbers in sums.items():
                numbers[getattr(count, column)] += count.cases
        return cls(total=sums["sla"].total(), no_department=sums["department"].pop(None, 0), **sums)


_OF_CODES = (UNKNOWN[kind] for kind in ("service", "district", "department"))
FILTER_ERRORS = (INVALID_PERIOD, *_OF_CODES, OTHER_DEPARTMENT, MASKED_SEARCH)


class PartListing(Paging):
    """Filters of a list of parts."""

    department: DepartmentCode | None = Field(
        None, description="The department, by code or name; by default your own.", examples=["repair"]
    )
    state: tuple[PartState, ...] = Field(
        (), description="State of the part; repeat it for several states.", examples=[["dispatched"]]
    )


NOTICE_NOT_FOUND = declare("notice-not-found", HTTPStatus.NOT_FOUND, "Notice not found")
_BY_ACCEPT = {"Vary": "Accept"}
A4_PAGE: Responses = {
    200: {
        "description": "A page of A4 in Chinese and English.",
        "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
    }
}


router = APIRouter(tags=["complaints"], route_class=StrictRoute)


@router.post(
    "/v1/complaints",
    summary="受理 register: take a complaint in",
    status_code=201,
    responses=also(202, Complaint)
    | problems(*POST_ERRORS, OTHER_OWNER, UNKNOWN["service"], UNKNOWN["district"], BEHIND_SQL),
)
async def register_complaint(
    body: Annotated[NewComplaint, BY_NAME],
    actor: Annotated[Actor, needs(RIGHT_TO_REGISTER)],
    key: RequestKey,
    intake: TheIntake,
    cases: TheCases,
    response: Response,
) -> Complaint:
    """Register what the caller says; the agent of first contact (首问责任人) owns the case from then on.

    Its clocks run from now. This needs Temporal alone: with the worker down, the answer is 201 and lists show the
    case; with SQL down it is 202, the number good.
    """
    case, shown = await intake.write(await intake.register(actor, body, key))
    complaint = Complaint.of(cases.view(case, actor), actor)
    describe(response, complaint, shown=shown)
    response.headers["Location"] = complaint.links.self
    return complaint


def narrowed(wanted: Filters, actor: Actor, finder: PersonFinder, catalogue: Catalogue) -> CaseFilters:
    """Put ids of people for names, and narrow to what the actor may list and find. Raises ProblemError."""
    filters = wanted.filters()
    owner, assignee = (person(finder, given, actor) for given in (filters.owner, filters.assignee))
    department = department_within(READ_CASES, actor, filters.department)
    narrowed = replace(filters, department=department, owner=owner, assignee=assignee, area_code=catalogue.area_code)
    return search_within(actor, narrowed)


async def page_of(cases: TheCases, filters: CaseFilters, wanted: Listing, actor: Actor) -> Page[Complaint]:
    page = await cases.reader.ask(stored.list_cases, filters, wanted.cursor, wanted.limit, wanted.sort)
    return Page[Complaint].of(page, lambda case: Complaint.of(cases.view(case, actor), actor))


async def exported(
    reader: Reader,
    exports: ExportThrottle,
    filters: CaseFilters,
    wanted: Listing,
    shown: Callable[[Sequence[RowMapping]], Rows],
) -> Pages:
    """Return the list for a file: all of it, or one page if `wanted` has a limit. Raises ProblemError."""
    limit = wanted.limit if "limit" in wanted.model_fields_set else None

    async def read(cursor: str | None) -> RowPage[RowMapping]:
        return await reader.ask(stored.list_rows, filters, cursor, limit or EXPORTED_PAGE, wanted.sort)

    return await exports.pages(read, shown, wanted.cursor, only_first=limit is not None)


@router.get(
    "/v1/complaints",
    summary="List and search complaints",
    response_model=Page[Complaint],
    responses=formats(CSV, XLSX) | problems(*FILTER_ERRORS),
)
async def list_complaints(
    wanted: Annotated[Listing, Query(), BY_NAME],
    actor: Annotated[Actor, needs(READ_CASES)],
    cases: TheCases,
    backend: TheBackend,
) -> Page[Complaint] | Response:
    """List complaints, the newest registration first unless `sort` is given. Filters narrow the list together.

    By registration, no case comes twice or is left out between pages; by due time or priority one that changes
    meanwhile may. A crew lists its department's cases. Who sees callers' data masked cannot search in them.
    """
    filters = narrowed(wanted, actor, backend.person_finder, backend.catalogue)
    if wanted.format != "json":
        shown = partial(cells, reader=actor)
        pages = await exported(backend.reader, backend.export_throttle, filters, wanted, shown)
        return await backend.file(wanted.format, "complaints", EXPORTED, pages)
    return await page_of(cases, filters, wanted, actor)


@router.get("/v1/complaints/counts", summary="Count complaints", responses=problems(*FILTER_ERRORS))
async def count_complaints(
    wanted: Annotated[Filters, Query(), BY_NAME], actor: Annotated[Actor, needs(READ_CASES)], backend: TheBackend
) -> Counts:
    """Count the complaints that a list with the same filters has, by state, department and service level."""
    filters = narrowed(wanted, actor, backend.person_finder, backend.catalogue)
    return Counts.of(await backend.reader.ask(stored.count_cases, filters))


@router.get(
    "/v1/complaints/{number}",
    summary="Read one complaint",
    response_model=Complaint,
    responses=NOT_MODIFIED | problems(*TEMPORAL_ERRORS),
)
async def get_complaint(
    number: CaseParam,
    actor: Annotated[Actor, needs(READ_CASES)],
    cases: TheCases,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> Complaint | Response:
    """Read one complaint from SQL, or from its workflow if SQL does not show it yet or is down.

    The `ETag` is its version: it changes with every event, and not with the seconds that its clocks count.
    """
    view = await cases.get(number, actor, READ_CASES)
    if is_known(if_none_match, view.version):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=etag(view.version))
    complaint = Complaint.of(view, actor)
    describe(response, complaint, shown=True)
    return complaint


@router.get("/v1/complaints/{number}/timeline", summary="Read what happened to a complaint", response_model=Timeline)
async def get_timeline(
    number: CaseParam,
    paging: Annotated[TimelinePaging, Query()],
    actor: Annotated[Actor, needs(READ_CASES)],
    cases: TheCases,
) -> Response:
    """List the events of a complaint, the oldest first; those of the system have the actor `system`."""
    case = await cases.in_sql(number, actor, READ_CASES)
    page = await cases.reader.ask(stored.timeline, number, after_seq(paging.cursor), paging.limit)
    return answer_page((timeline_item(event, actor, case.state) for event in page.items), page.next_seq)


@router.get(
    "/v1/parts",
    summary="List the parts of a department (协办)",
    responses=problems(UNKNOWN["department"], OTHER_DEPARTMENT),
)
async def list_parts(
    wanted: Annotated[PartListing, Query(), BY_NAME],
    actor: Annotated[Actor, needs(READ_PARTS)],
    backend: TheBackend,
) -> Page[PartItem]:
    """List the parts of a department in cases of others, the latest involvement first.

    `GET /v1/complaints` lists its own cases.
    """
    department = department_within(READ_PARTS, actor, wanted.department) or actor.department
    if department is None:
        detail = "Your key has no department: name one with the parameter `department`."
        raise ProblemError(UNKNOWN["department"], detail, accepted=words(backend.catalogue.departments))
    page = await backend.reader.ask(stored.list_parts, department, wanted.state, wanted.cursor, wanted.limit)
    return Page[PartItem].of(page, partial(PartItem.of, reader=actor))


@router.get("/v1/complaints/{number}/notices", summary="List the notices of a case 催办通知书、通报批评")
async def list_notices(
    number: CaseParam, actor: Annotated[Actor, needs(READ_NOTICES)], cases: TheCases
) -> Page[NoticeItem]:
    """List at most two a cycle, the oldest first: a notice of urging the day after the due time, public criticism."""
    await cases.in_sql(number, actor, READ_NOTICES)
    found = await cases.reader.ask(stored.documents, number)
    return Page[NoticeItem](items=[NoticeItem.of(number, event) for event in found])


@router.get(
    "/v1/complaints/{number}/notices/{seq}",
    summary="Read or print a notice 催办通知书、通报批评",
    response_class=HTMLResponse,
    responses=A4_PAGE | problems(NOTICE_NOT_FOUND, NOT_ACCEPTABLE),
)
async def get_notice(
    number: CaseParam,
    seq: Annotated[int, Path(ge=1, le=2**31 - 1, description="`seq` of the notice, as the list has it.")],
    actor: Annotated[Actor, needs(READ_NOTICES)],
    cases: TheCases,
    backend: TheBackend,
    accept: Annotated[str, Header(include_in_schema=False)] = HTML,
) -> Response:
    """Return the document as it was issued: nothing that happens later changes it."""
    await cases.in_sql(number, actor, READ_NOTICES)
    there = {event.seq: event for event in await backend.reader.ask(stored.documents, number)}
    if seq not in there:
        accepted = [str(known) for known in there]
        detail = f"The case {number} has no notice {seq}; it has {', '.join(accepted) or 'none'}."
        raise ProblemError(NOTICE_NOT_FOUND, detail, accepted=accepted)
    page = backend.documents.html(number, there[seq])
    return await as_accepted(accept, page, there[seq].at, backend.print_pdf)


async def as_accepted(accept: str, html: str, made_at: datetime, printer: Printer | None) -> Response:
    """Answer with the page, or as PDF if the header `Accept` prefers it. Raises ProblemError if only that would do."""
    if not prefers_pdf(accept) or (printer is None and quality(accept, HTML)):
        return HTMLResponse(html, headers=_BY_ACCEPT | CONTENT_SECURITY)
    printed = await printed_with(printer, html, made_at, accepted=[HTML])
    return Response(printed, media_type=PDF, headers=_BY_ACCEPT)


def prefers_pdf(accept: str) -> bool:
    return quality(accept, PDF) > quality(accept, HTML)


def quality(accept: str, media_type: str) -> float:
    """From 0 to 1, by the most specific range of an `Accept` header; 0 if unreadable."""
    return parse_accept_header(accept, MIMEAccept).quality(media_type)
