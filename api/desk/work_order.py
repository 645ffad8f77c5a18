"""Work order (派工单) of a case: one page of A4 for the crew, with a code that leads to its page of the case."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Header
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from activities.sealing.keys import Links
from api.complaints.cases import Complaint, TheCases
from api.complaints.routes import A4_PAGE, as_accepted
from api.desk import words
from api.desk.briefing import BRIEFING, LONGEST_ON_PAPER, MOST_ON_PAPER, briefing
from api.desk.desk import TheDesk
from api.desk.kit import DESK, ORDERS
from api.desk.words import Names
from api.documents import HTML, NOT_ACCEPTABLE
from api.edge.browsers import TEMPLATES, page
from api.parameters import CaseParam, number_in
from api.responses import problems
from api.routing import BackendParts, StrictRoute, ThePrinter, from_backend, needs
from api.sign_in.security import SCOPE
from api.sign_in.sessions import Session
from api.temporal.errors import TEMPORAL_ERRORS
from domain.case.actions import dispatch
from domain.case.clocks import APPROVE, ClockStatus
from domain.case.lifecycle import AT_WORK, ENDED, PART_AT_WORK, State
from domain.case.views import CaseView
from domain.catalogue.catalogue import Catalogue
from domain.rights.rights import READ_CASES, right_to
from domain.shared.actors import WORK_ORDER, Actor, Role
from domain.shared.value import Phrase
from readmodel.case_record import events_of

LONGEST = 300
"""Characters of a description and of the briefing that leave room for the rest; the page of the case has all."""
GIVERS = {*right_to(dispatch.ACTION).reach, Role.CREW}
"""Roles whose work orders are for the crew: its link is on them, and what it sees in clear."""
MINE = (*sorted(AT_WORK), State.SUSPENDED, State.AWAITING_APPROVAL)
ON_THE_ROAD = ("hardship", "supervised", "urged", "reworked", "extension_waits", "extended")
"""Flags of a case that its crew has to know."""
_TEMPLATE = "work_order.html"
_PATH = "/{number}/work-order"
log = logging.getLogger("hotline.api")


def is_at_work(case: CaseView, department: str) -> bool:
    """Return True if this department has work to do on the case, or on a part of it."""
    parts = (part for part in case.parts if part.department == department and part.cycle == case.cycle)
    return (case.department == department and case.state in MINE) or any(part.state in PART_AT_WORK for part in parts)


def holder(catalogue: Catalogue, number: str, department: str, printed_by: str) -> Actor:
    """Return whoever holds the work order of a case: nobody knows which person it is, but the id of who printed it."""
    zh, en = (Names(catalogue, zh=is_zh).department(department) for is_zh in (True, False))
    name = f"{zh}凭{printed_by}打印的派工单 {en} by the work order that {printed_by} printed"
    return Actor(id=f"{WORK_ORDER} {number}", name=name, role=Role.CREW, department=department)


@dataclass(frozen=True, slots=True)
class WorkOrders:
    """Renderer of work orders; `public_url` is the address of the API in links."""

    parts: BackendParts
    public_url: str
    links: Links

    async def html(self, view: CaseView, reader: Actor, scope: str | None) -> str:
        return TEMPLATES.get_template(_TEMPLATE).render(back=None, **await self.facts(view, reader, scope))

    async def facts(self, view: CaseView, reader: Actor, scope: str | None) -> dict[str, Any]:
        """Show the case in Chinese and English: as the crew sees it to who may dispatch, else as its reader does."""
        catalogue, now = self.parts.catalogue, self.parts.now
        department = reader.department if reader.role is Role.CREW else view.department
        address = link = f"{self.public_url}{DESK}/cases/{view.number}"
        if department and reader.role in GIVERS and scope != "read" and is_at_work(view, department):
            log.info("%s prints the work order of the case %s for %s", reader.id, view.number, department)
            link = f"{self.public_url}{ORDERS}/{self.links.make(view.number, view.cycle, now, department, reader.id)}"
            reader = holder(catalogue, view.number, department, reader.id)
        case = Complaint.of(view, reader)
        zh, en = (Names(catalogue, zh=is_zh) for is_zh in (True, False))
        events = (await self.parts.reader.ask(events_of, [view.number], BRIEFING))[view.number]
        paper = MOST_ON_PAPER, LONGEST_ON_PAPER
        told = [*zip(*(briefing(events, case.state, reader, each, *paper) for each in (zh, en)), strict=True)]
        longest = LONGEST - LONGEST_ON_PAPER * len(told)
        return {
            "case": case,
            "zh": zh,
            "en": en,
            "words": words,
            "told": told,
            "description": case.description[:longest] + ("…" if len(case.description) > longest else ""),
            "promises": [*_promises(case, zh)],
            "code": Markup(segno.make_qr(link).svg_inline(omitsize=True)),  # noqa: S704 - squares alone
            "address": address,
            "printed": zh.local(now),
            "is_over": case.state in ENDED,
            "flags": [words.of_flag(flag) for flag in ON_THE_ROAD if flag in case.flags],
        }


def _promises(case: Complaint, names: Names) -> Iterator[tuple[Phrase, str]]:
    """Yield the case's own promises that are still to be kept, with their due time or why they have none."""
    for clock in case.clocks:
        is_own = clock.cycle == case.cycle and clock.name != APPROVE and not clock.part
        if is_own and clock.started_at and not clock.stopped_at and clock.status is not ClockStatus.CANCELLED:
            yield words.CLOCK[clock.name], names.local(clock.due_at) or " ".join(words.of_code(clock.status))


TheWorkOrders = Annotated[WorkOrders, from_backend("work_orders")]
router = APIRouter(tags=["complaints"], route_class=StrictRoute)


@router.get(
    f"/v1/complaints{_PATH}",
    summary="Print the work order of a case 派工单",
    response_class=HTMLResponse,
    responses=A4_PAGE | problems(*TEMPORAL_ERRORS, NOT_ACCEPTABLE),
)
async def get_work_order(  # noqa: PLR0913, PLR0917 - with a printer and the key's scope besides the case
    number: CaseParam,
    actor: Annotated[Actor, needs(READ_CASES)],
    request: Request,
    cases: TheCases,
    orders: TheWorkOrders,
    printer: ThePrinter,
    accept: Annotated[str, Header(include_in_schema=False)] = HTML,
) -> Response:
    """Return what a crew needs on the road: caller, place, promises, findings to tick, and lines to sign.

    To who may dispatch and to crews it is as the crew sees the case, and its code is the crew's link while the
    department works on it. To others fields are masked, and the code leads to the desk.
    """
    view = await cases.get(number, actor, READ_CASES)
    return await as_accepted(accept, await orders.html(view, actor, request.scope.get(SCOPE)), cases.clock(), printer)


@router.get(f"{DESK}/cases{_PATH}", include_in_schema=False)
async def show_work_order(request: Request, number: str, desk: TheDesk, orders: TheWorkOrders) -> Response:
    async def show(session: Session) -> Response:
        view = await desk.pages.cases.get(number_in(number), session.actor, READ_CASES)
        facts = await orders.facts(view, session.actor, session.scope)
        return page(_TEMPLATE, back=f"{DESK}/cases/{view.number}", **facts)

    return await desk.shown(request, show, number)
