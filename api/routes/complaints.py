"""Complaints: registration, lists, one complaint, and its timeline."""

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.intake import OTHER_OWNER
from api.problems import BEHIND_SQL, OTHER_DEPARTMENT, UNKNOWN, ProblemError
from api.rights import MASKED_SEARCH, department_within, search_within
from api.routes.parameters import (
    CASE_ERRORS,
    FIND_ERRORS,
    LIST_ERRORS,
    POST_ERRORS,
    CaseNumber,
    IdempotencyKey,
    Listing,
    TimelinePaging,
    after_seq,
)
from api.schemas import Complaint, ComplaintPage, NewComplaint, Timeline
from domain.case.views import CaseView
from domain.rights.rights import READ_CASES, REGISTER
from domain.shared.actors import Actor
from readmodel.case_queries import get_case, list_cases
from readmodel.filters import CaseFilters
from readmodel.timelines import timeline


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on complaints."""
    operations = openapi.Operations(router, backend.bearer, "complaints")
    _add_register(operations, backend)
    _add_reading(operations, backend)


def _add_register(operations: openapi.Operations, backend: Backend) -> None:
    @operations.post(
        "/v1/complaints",
        "受理 register: take a complaint in",
        REGISTER,
        Complaint,
        {201: "registered", 202: "registered"},
        (*POST_ERRORS, OTHER_OWNER, UNKNOWN["service"], UNKNOWN["district"], BEHIND_SQL),
    )
    async def register(
        body: Annotated[NewComplaint, backend.by_name],
        actor: Annotated[Actor, Depends(backend.bearer)],
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
        return render.answer(render.complaint(view, actor), status, {"Location": f"/v1/complaints/{number}"})


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


def _filters(backend: Backend, wanted: Listing) -> CaseFilters:
    """Return the filters, with the id of an owner who is given by name."""
    filters = wanted.filters()
    return replace(filters, owner=backend.naming.known(filters.owner).id) if filters.owner else filters


def _add_reading(operations: openapi.Operations, backend: Backend) -> None:
    @operations.get(
        "/v1/complaints",
        "List and search complaints",
        READ_CASES,
        ComplaintPage,
        "complaints",
        (*LIST_ERRORS, *UNKNOWN.values(), OTHER_DEPARTMENT, MASKED_SEARCH),
    )
    async def list_complaints(
        wanted: Annotated[Listing, Query(), backend.by_name], actor: Annotated[Actor, Depends(backend.bearer)]
    ) -> Response:
        """List complaints, the newest registration first. Filters narrow the list together.

        No case comes twice or is left out between pages; what is registered meanwhile comes before the first. A crew
        lists its department's cases. Who sees callers' data masked cannot search in them.
        """
        department = department_within(READ_CASES, actor, wanted.department)
        filters = search_within(actor, replace(_filters(backend, wanted), department=department))
        area_code = backend.catalogue.area_code
        page = await backend.reader.ask(list_cases, filters, wanted.cursor, wanted.limit, area_code=area_code)
        items = (render.complaint(backend.view(case, actor), actor) for case in page.items)
        return render.page(items, page.next_cursor)

    @operations.get("/v1/complaints/{number}", "Read one complaint", READ_CASES, Complaint, "complaint", FIND_ERRORS)
    async def get_complaint(number: CaseNumber, actor: Annotated[Actor, Depends(backend.bearer)]) -> Response:
        """Read one complaint from SQL, or from its workflow if SQL does not show it yet or is down."""
        return render.answer(render.complaint(await backend.case(number, actor, READ_CASES), actor))

    @operations.get(
        "/v1/complaints/{number}/timeline",
        "Read what happened to a complaint",
        READ_CASES,
        Timeline,
        "timeline",
        (*CASE_ERRORS, *LIST_ERRORS),
    )
    async def get_timeline(
        number: CaseNumber, paging: Annotated[TimelinePaging, Query()], actor: Annotated[Actor, Depends(backend.bearer)]
    ) -> Response:
        """List the events of a complaint, the oldest first; those of the system have the actor `system`."""
        after = after_seq(paging.cursor)
        case = await backend.case_in_sql(number, actor, READ_CASES)
        page = await backend.reader.ask(timeline, number, after, paging.limit)
        return render.page((render.timeline_item(event, actor, case.state) for event in page.items), page.next_seq)
