"""Complaints: registration, lists, one complaint, and its timeline."""

from enum import Enum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.problems import ProblemError
from api.routes.parameters import IdempotencyKey, Listing, NumberText, Paging, not_found, number_in
from api.schemas import Complaint, ComplaintPage, NewComplaint, Timeline
from api.security import Key, actor_of, staff_only
from api.sql.reader import away
from domain.case.decide import available_actions
from domain.case.views import CaseView, view_case
from readmodel.paging import BadCursorError

TAGS: list[str | Enum] = ["complaints"]
_KEY = ("unauthorized", "malformed-key")
_FILTERED = ("unknown-service", "unknown-district", "unknown-department")
POSTED = (
    *_KEY,
    "malformed-json",
    "bad-request",
    "wrong-role",
    "body-too-large",
    "unsupported-media-type",
    "invalid-request",
    "invalid-idempotency-key",
    "idempotency-key-reused",
    "temporal-unavailable",
    "no-answer-in-time",
)


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the operations on complaints."""
    _add_register(router, backend)
    _add_list(router, backend)
    _add_get(router, backend)
    _add_timeline(router, backend)


def _add_register(router: APIRouter, backend: Backend) -> None:
    @router.post(
        "/v1/complaints",
        tags=TAGS,
        operation_id="register",
        summary="受理 register: take a complaint in",
        status_code=HTTPStatus.CREATED,
        response_model=Complaint,
        responses={
            201: openapi.example("Durable, and lists show it.", "registered"),
            202: openapi.accepted("registered"),
            **openapi.errors(*POSTED, "other-owner", "unknown-service", "unknown-district"),
        },
    )
    async def register(
        body: Annotated[NewComplaint, backend.by_name],
        key: Annotated[Key, Depends(backend.bearer)],
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Register what the caller says; the agent of first contact (首问责任人) owns the case from then on.

        Its clocks run from now. This needs Temporal alone: with SQL or the worker down, the answer is 202, the number
        good.
        """
        registered = await backend.desk.register(key, body, idempotency_key)
        number, case = registered.number, registered.case
        if case is None:
            view = await _made_before(backend, number, key)
        else:
            now = backend.clock()
            view = view_case(case, now, available_actions(case, actor_of(key), now))
        shown = await backend.shown(number, view.version)
        status = HTTPStatus.CREATED if shown else HTTPStatus.ACCEPTED
        return render.answer(render.complaint(view), status, {"Location": f"/v1/complaints/{number}"})


async def _made_before(backend: Backend, number: str, key: Key) -> CaseView:
    """Return the case that the same request made, as it is now; as it began if neither SQL nor a worker answers."""
    try:
        view = await backend.find(number, actor_of(key))
    except ProblemError:
        view = None
    if view is not None:
        return view
    case = await backend.complaints.started_as(number)
    now = backend.clock()
    return view_case(case, now, available_actions(case, actor_of(key), now))


def _add_list(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/complaints",
        tags=TAGS,
        operation_id="list_complaints",
        summary="List and search complaints",
        response_model=ComplaintPage,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("A page, the newest first.", "complaints"),
            **openapi.errors(
                *_KEY, "wrong-role", "invalid-request", *_FILTERED, "invalid-cursor", "read-model-unavailable"
            ),
        },
    )
    async def list_complaints(
        wanted: Annotated[Listing, Query(), backend.by_name], key: Annotated[Key, Depends(backend.bearer)]
    ) -> Response:
        """List complaints, the newest registration first. Filters narrow the list together.

        No case comes twice or is left out between pages; what is registered meanwhile comes before the first.
        """
        try:
            page = await backend.reader.page(wanted.filters(), wanted.cursor, wanted.limit)
        except BadCursorError as error:
            raise bad_cursor(str(error)) from None
        now, actor = backend.clock(), actor_of(key)
        views = (view_case(case, now, available_actions(case, actor, now)) for case in page.items)
        return render.page(map(render.complaint, views), page.next_cursor)


def _add_get(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/complaints/{number}",
        tags=TAGS,
        operation_id="get_complaint",
        summary="Read one complaint",
        response_model=Complaint,
        responses={
            200: openapi.example("The complaint, as you see it.", "complaint"),
            **openapi.errors(
                *_KEY,
                "complaint-not-found",
                "invalid-number",
                "read-model-unavailable",
                "temporal-unavailable",
                "no-answer-in-time",
            ),
        },
    )
    async def get_complaint(number: NumberText, key: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """Read one complaint from SQL, or from its workflow if SQL does not show it yet or is down."""
        wanted = number_in(number)
        view = await backend.find(wanted, actor_of(key))
        if view is None:
            raise not_found(wanted)
        return render.answer(render.complaint(view))


def _add_timeline(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/complaints/{number}/timeline",
        tags=TAGS,
        operation_id="get_timeline",
        summary="Read what happened to a complaint",
        response_model=Timeline,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: openapi.example("A page, the oldest first.", "timeline"),
            **openapi.errors(
                *_KEY,
                "wrong-role",
                "complaint-not-found",
                "invalid-number",
                "invalid-request",
                "invalid-cursor",
                "read-model-unavailable",
            ),
        },
    )
    async def get_timeline(
        number: NumberText, paging: Annotated[Paging, Query()], key: Annotated[Key, Depends(backend.bearer)]
    ) -> Response:
        """List the events of a complaint, the oldest first; those of the system have the actor `system`."""
        wanted = number_in(number)
        page = await backend.reader.timeline(wanted, after_seq(paging.cursor), paging.limit)
        if page is None:
            if await backend.complaints.case(wanted, actor_of(key)) is None:
                raise not_found(wanted)
            raise away(f"The complaint {wanted} is there, but SQL does not show it yet.")
        return render.page(map(render.timeline_item, page.items), None if page.next_seq is None else str(page.next_seq))


def after_seq(cursor: str | None) -> int:
    """Return the event after which a page of a timeline begins. Raises ProblemError."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > len(str(2**31)) - 1:
        raise bad_cursor("a cursor is the next_cursor of an earlier page, unchanged; leave it out for the first page")
    return int(cursor)


def bad_cursor(why: str) -> ProblemError:
    """Return the problem of a cursor that no page gave out."""
    return ProblemError("invalid-cursor", f"{why[:1].upper()}{why[1:]}.", accepted=["a next_cursor", "no cursor"])
