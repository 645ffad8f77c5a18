"""Notices of urging (催办通知书) and public criticism (通报批评): which there are of a case, and each as a document."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path
from starlette.responses import HTMLResponse, Response

from api import openapi, render
from api.backend import Backend
from api.documents.papers import Papers
from api.problems import ProblemError
from api.routes.parameters import NumberText, not_found, number_in
from api.schemas import NoticePage
from api.security import actor_of, staff_only
from api.sql.reader import away
from domain.case.events import Event
from hotline.keyring import Key

TAGS: list[str | Enum] = ["complaints"]
HTML, PDF = "text/html", "application/pdf"
HEADERS = {"Vary": "Accept"}
PAGE_HEADERS = HEADERS | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}
_ERRORS = (
    "unauthorized",
    "malformed-key",
    "wrong-role",
    "complaint-not-found",
    "invalid-number",
    "read-model-unavailable",
)


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the list of a case's notices, and the documents."""
    _add_list(router, backend)
    _add_document(router, backend)


def _add_list(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/complaints/{number}/notices",
        tags=TAGS,
        operation_id="list_notices",
        summary="List the notices of a case 催办通知书、通报批评",
        response_model=NoticePage,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={200: openapi.example("All of them, the oldest first.", "notices"), **openapi.errors(*_ERRORS)},
    )
    async def list_notices(number: NumberText, key: Annotated[Key, Depends(backend.bearer)]) -> Response:
        """Two in a cycle at most: a notice of urging the day after the case was to be settled, and public criticism."""
        wanted = number_in(number)
        return render.page((render.notice(wanted, event) for event in await _papers(backend, wanted, key)), None)


def _add_document(router: APIRouter, backend: Backend) -> None:
    papers, print_pdf = Papers(backend.settings.templates), _printer()

    @router.get(
        "/v1/complaints/{number}/notices/{seq}",
        tags=TAGS,
        operation_id="get_notice",
        summary="Read or print a notice 催办通知书、通报批评",
        response_class=HTMLResponse,
        dependencies=[Depends(staff_only(backend.bearer))],
        responses={
            200: {
                "description": "A page of A4 in Chinese and English.",
                "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
            },
            **openapi.errors(*_ERRORS, "notice-not-found", "invalid-request", "not-acceptable"),
        },
    )
    async def get_notice(
        number: NumberText,
        seq: Annotated[int, Path(ge=1, le=2**31 - 1, description="`seq` of the notice, as the list has it.")],
        key: Annotated[Key, Depends(backend.bearer)],
        accept: Annotated[str, Header(include_in_schema=False)] = HTML,
    ) -> Response:
        """The document as it was issued: nothing that happens later changes it."""
        wanted = number_in(number)
        there = {event.seq: event for event in await _papers(backend, wanted, key)}
        if seq not in there:
            accepted = [str(known) for known in there]
            detail = f"The case {wanted} has no notice {seq}; it has {', '.join(accepted) or 'none'}."
            raise ProblemError("notice-not-found", detail, accepted=accepted)
        html = papers.html(wanted, there[seq])
        if not prefers_pdf(accept) or (print_pdf is None and quality(accept, HTML)):
            return HTMLResponse(html, headers=PAGE_HEADERS)
        if print_pdf is None:
            detail = "This service prints no PDF: its extra `pdf` is not installed. Take the page, and print that."
            raise ProblemError("not-acceptable", detail, accepted=[HTML])
        printed = await asyncio.to_thread(print_pdf, html, there[seq].at)
        return Response(printed, media_type=PDF, headers=HEADERS)


def _printer() -> Callable[[str, datetime], bytes] | None:
    """What prints, where it is installed."""
    try:
        from api.documents.pdf import pdf  # noqa: PLC0415 - only where the extra is installed
    except ImportError:
        return None
    return pdf


def prefers_pdf(accept: str) -> bool:
    """Whether an `Accept` header asks for PDF rather than for a page."""
    return quality(accept, PDF) > quality(accept, HTML)


def quality(accept: str, media_type: str) -> float:
    """How welcome a type is, 0 to 1, by the most exact range that names it; one that cannot be read counts as 0."""
    found: dict[str, float] = {}
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        given = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        try:
            found[name] = float(given)
        except ValueError:
            found[name] = 0
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((found[name] for name in ranges if name in found), 0)


async def _papers(backend: Backend, number: str, key: Key) -> tuple[Event, ...]:
    """The documents of the case. Raises ProblemError: there is no such case, or SQL cannot tell."""
    found = await backend.reader.papers(number)
    if found is None:
        if await backend.complaints.case(number, actor_of(key)) is None:
            raise not_found(number)
        raise away(f"The complaint {number} is there, but SQL does not show it yet.")
    return found
