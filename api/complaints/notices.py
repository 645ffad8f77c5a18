"""Notices of urging (催办通知书) and public criticism (通报批评): the list of a case, and each as a document."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Path
from starlette.responses import HTMLResponse, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api.complaints.answers import NoticePage, notice_json
from api.complaints.cases import TheCases
from api.dependencies import ThePrinter, TheReader, part
from api.documents.documents import Documents
from api.documents.printer import CONTENT_SECURITY, HTML, NO_PRINTER, NOT_ACCEPTABLE, PDF
from api.edge.problems import ProblemError, declare
from api.parameters import CaseNumber
from api.responses import answer_page, problems
from api.rights import needs
from api.routing import OnceRoute
from domain.rights.rights import READ_NOTICES
from domain.shared.actors import Actor
from readmodel.timelines import documents as documents_of

NOTICE_NOT_FOUND = declare("notice-not-found", HTTPStatus.NOT_FOUND, "Notice not found")
HEADERS = {"Vary": "Accept"}
PAGE_HEADERS = HEADERS | CONTENT_SECURITY

router = APIRouter(tags=["complaints"], route_class=OnceRoute)


@router.get(
    "/v1/complaints/{number}/notices",
    summary="List the notices of a case 催办通知书、通报批评",
    response_model=NoticePage,
)
async def list_notices(
    number: CaseNumber, actor: Annotated[Actor, needs(READ_NOTICES)], reader: TheReader, cases: TheCases
) -> Response:
    """List at most two a cycle: a notice of urging the day after the due time, and public criticism."""
    await cases.in_sql(number, actor, READ_NOTICES)
    found = await reader.ask(documents_of, number)
    return answer_page((notice_json(number, event) for event in found), None)


@router.get(
    "/v1/complaints/{number}/notices/{seq}",
    summary="Read or print a notice 催办通知书、通报批评",
    response_class=HTMLResponse,
    responses={
        200: {
            "description": "A page of A4 in Chinese and English.",
            "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(NOTICE_NOT_FOUND, NOT_ACCEPTABLE),
    },
)
async def get_notice(  # noqa: PLR0913, PLR0917 - with a printer besides the documents
    number: CaseNumber,
    seq: Annotated[int, Path(ge=1, le=2**31 - 1, description="`seq` of the notice, as the list has it.")],
    actor: Annotated[Actor, needs(READ_NOTICES)],
    reader: TheReader,
    cases: TheCases,
    documents: Annotated[Documents, part("documents")],
    print_pdf: ThePrinter,
    accept: Annotated[str, Header(include_in_schema=False)] = HTML,
) -> Response:
    """Return the document as it was issued: nothing that happens later changes it."""
    await cases.in_sql(number, actor, READ_NOTICES)
    there = {event.seq: event for event in await reader.ask(documents_of, number)}
    if seq not in there:
        accepted = [str(known) for known in there]
        detail = f"The case {number} has no notice {seq}; it has {', '.join(accepted) or 'none'}."
        raise ProblemError(NOTICE_NOT_FOUND, detail, accepted=accepted)
    html = documents.html(number, there[seq])
    if not prefers_pdf(accept) or (print_pdf is None and quality(accept, HTML)):
        return HTMLResponse(html, headers=PAGE_HEADERS)
    if print_pdf is None:
        raise ProblemError(NOT_ACCEPTABLE, NO_PRINTER, accepted=[HTML])
    printed = await asyncio.to_thread(print_pdf, html, there[seq].at)
    return Response(printed, media_type=PDF, headers=HEADERS)


def prefers_pdf(accept: str) -> bool:
    """Return True if an `Accept` header prefers PDF to HTML."""
    return quality(accept, PDF) > quality(accept, HTML)


def quality(accept: str, media_type: str) -> float:
    """Return the quality of a media type in an `Accept` header, 0 to 1, by the most specific range; 0 if unreadable."""
    return parse_accept_header(accept, MIMEAccept).quality(media_type)
