"""Notices of urging (催办通知书) and public criticism (通报批评): the list of a case, and each as a document."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path
from starlette.responses import HTMLResponse, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api import openapi, render
from api.backend import Backend
from api.documents.documents import Documents
from api.problems import ProblemError
from api.routes.parameters import NumberText, not_found, number_in
from api.schemas import NoticePage
from api.security import Key, actor_of, staff_only
from api.sql.reader import away
from domain.case.events import Event

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
        """List at most two a cycle: a notice of urging the day after the due time, and public criticism."""
        wanted = number_in(number)
        return render.page((render.notice(wanted, event) for event in await _documents(backend, wanted, key)), None)


def _add_document(router: APIRouter, backend: Backend) -> None:
    documents, print_pdf = Documents(backend.config.templates), _printer()

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
        """Return the document as it was issued: nothing that happens later changes it."""
        wanted = number_in(number)
        there = {event.seq: event for event in await _documents(backend, wanted, key)}
        if seq not in there:
            accepted = [str(known) for known in there]
            detail = f"The case {wanted} has no notice {seq}; it has {', '.join(accepted) or 'none'}."
            raise ProblemError("notice-not-found", detail, accepted=accepted)
        html = documents.html(wanted, there[seq])
        if not prefers_pdf(accept) or (print_pdf is None and quality(accept, HTML)):
            return HTMLResponse(html, headers=PAGE_HEADERS)
        if print_pdf is None:
            detail = "This service prints no PDF: its extra `pdf` is not installed. Take the page, and print that."
            raise ProblemError("not-acceptable", detail, accepted=[HTML])
        printed = await asyncio.to_thread(print_pdf, html, there[seq].at)
        return Response(printed, media_type=PDF, headers=HEADERS)


def _printer() -> Callable[[str, datetime], bytes] | None:
    """Return the function that prints PDF; None if the extra `pdf` is not installed."""
    try:
        from api.documents.pdf import pdf  # noqa: PLC0415 - the extra is optional
    except ImportError:
        return None
    return pdf


def prefers_pdf(accept: str) -> bool:
    """Return True if an `Accept` header prefers PDF to HTML."""
    return quality(accept, PDF) > quality(accept, HTML)


def quality(accept: str, media_type: str) -> float:
    """Return the quality of a media type in an `Accept` header, 0 to 1, by the most specific range; 0 if unreadable."""
    return parse_accept_header(accept, MIMEAccept).quality(media_type)


async def _documents(backend: Backend, number: str, key: Key) -> tuple[Event, ...]:
    """Return the events of the case's documents. Raises ProblemError if there is no such case or SQL is down."""
    found = await backend.reader.documents(number)
    if found is None:
        if await backend.complaints.case(number, actor_of(key)) is None:
            raise not_found(number)
        raise away(f"The complaint {number} is there, but SQL does not show it yet.")
    return found
