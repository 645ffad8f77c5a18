"""Notices of urging (催办通知书) and public criticism (通报批评): the list of a case, and each as a document."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import Header, Path
from starlette.responses import HTMLResponse, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api import render
from api.backend import Backend
from api.documents.printer import CONTENT_SECURITY, HTML, NO_PRINTER, NOT_ACCEPTABLE, PDF
from api.edge.problems import INVALID_REQUEST, ProblemError, declare
from api.openapi import GUARD_ERRORS, Operations, errors_of
from api.routes.parameters import CASE_ERRORS, CaseNumber
from api.schemas import NoticePage
from api.sign_in.security import RequestActor
from domain.rights.rights import READ_NOTICES
from readmodel.timelines import documents as documents_of

NOTICE_NOT_FOUND = declare("notice-not-found", HTTPStatus.NOT_FOUND, "Notice not found")
HEADERS = {"Vary": "Accept"}
PAGE_HEADERS = HEADERS | CONTENT_SECURITY

operations = Operations("complaints")


@operations.get(
    "/v1/complaints/{number}/notices",
    "List the notices of a case 催办通知书、通报批评",
    READ_NOTICES,
    NoticePage,
    "notices",
    CASE_ERRORS,
)
async def list_notices(backend: Backend, number: CaseNumber, actor: RequestActor) -> Response:
    """List at most two a cycle: a notice of urging the day after the due time, and public criticism."""
    await backend.case_in_sql(number, actor, READ_NOTICES)
    found = await backend.reader.ask(documents_of, number)
    return render.page((render.notice(number, event) for event in found), None)


@operations.route(
    "GET",
    "/v1/complaints/{number}/notices/{seq}",
    READ_NOTICES,
    summary="Read or print a notice 催办通知书、通报批评",
    response_class=HTMLResponse,
    responses={
        200: {
            "description": "A page of A4 in Chinese and English.",
            "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
        },
        **errors_of(*GUARD_ERRORS, *CASE_ERRORS, NOTICE_NOT_FOUND, INVALID_REQUEST, NOT_ACCEPTABLE),
    },
)
async def get_notice(
    backend: Backend,
    number: CaseNumber,
    seq: Annotated[int, Path(ge=1, le=2**31 - 1, description="`seq` of the notice, as the list has it.")],
    actor: RequestActor,
    accept: Annotated[str, Header(include_in_schema=False)] = HTML,
) -> Response:
    """Return the document as it was issued: nothing that happens later changes it."""
    await backend.case_in_sql(number, actor, READ_NOTICES)
    there = {event.seq: event for event in await backend.reader.ask(documents_of, number)}
    if seq not in there:
        accepted = [str(known) for known in there]
        detail = f"The case {number} has no notice {seq}; it has {', '.join(accepted) or 'none'}."
        raise ProblemError(NOTICE_NOT_FOUND, detail, accepted=accepted)
    html = backend.documents.html(number, there[seq])
    if not prefers_pdf(accept) or (backend.print_pdf is None and quality(accept, HTML)):
        return HTMLResponse(html, headers=PAGE_HEADERS)
    if backend.print_pdf is None:
        raise ProblemError(NOT_ACCEPTABLE, NO_PRINTER, accepted=[HTML])
    printed = await asyncio.to_thread(backend.print_pdf, html, there[seq].at)
    return Response(printed, media_type=PDF, headers=HEADERS)


def prefers_pdf(accept: str) -> bool:
    """Return True if an `Accept` header prefers PDF to HTML."""
    return quality(accept, PDF) > quality(accept, HTML)


def quality(accept: str, media_type: str) -> float:
    """Return the quality of a media type in an `Accept` header, 0 to 1, by the most specific range; 0 if unreadable."""
    return parse_accept_header(accept, MIMEAccept).quality(media_type)
