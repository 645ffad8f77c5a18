"""Work order (派工单) of a case: one page of A4 that a crew takes along, with a code that leads to the case's page."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import segno
from fastapi import APIRouter, Header
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.complaints.cases import Complaint, TheCases
from api.complaints.routes import A4_PAGE, as_accepted
from api.desk import words
from api.desk.kit import DESK
from api.desk.words import Names
from api.documents import HTML, NOT_ACCEPTABLE
from api.edge.browsers import TEMPLATES
from api.parameters import CaseParam, number_in
from api.responses import problems
from api.routing import BackendParts, StrictRoute, ThePrinter, from_backend, needs
from api.sign_in.sessions import Session
from api.temporal.errors import TEMPORAL_ERRORS
from api.temporal_ui.pages import ThePages
from domain.case.clocks import APPROVE, ClockStatus
from domain.rights.rights import READ_CASES
from domain.shared.actors import Actor
from workflows.kit.words import Phrase

LONGEST = 300
"""Characters of a description that leave room for the rest on the page; the page of the case has all."""
WORK_ORDER = "/{number}/work-order"


@dataclass(frozen=True, slots=True)
class WorkOrders:
    """Renderer of work orders; `public_url` is the address of the API in links."""

    parts: BackendParts
    public_url: str

    def html(self, case: Complaint) -> str:
        """Show the case, as its reader sees it, in Chinese and English."""
        catalogue, address = self.parts.catalogue, f"{self.public_url}{DESK}/cases/{case.number}"
        zh, en = (Names(catalogue, zh=is_zh) for is_zh in (True, False))
        fields = {
            "description": case.description[:LONGEST] + ("…" if len(case.description) > LONGEST else ""),
            "promises": [*_promises(case, zh)],
            "code": Markup(segno.make_qr(address).svg_inline(omitsize=True)),  # noqa: S704 - squares alone
            "address": address,
            "printed": zh.local(self.parts.now),
        }
        return TEMPLATES.get_template("work_order.html").render(case=case, zh=zh, en=en, words=words, **fields)


def _promises(case: Complaint, names: Names) -> Iterator[tuple[Phrase, str]]:
    """Yield the case's own promises that are still to be kept, with their due time or why they have none."""
    for clock in case.clocks:
        is_own = clock.cycle == case.cycle and clock.name != APPROVE and not clock.part
        if is_own and clock.started_at and not clock.stopped_at and clock.status is not ClockStatus.CANCELLED:
            yield words.CLOCK[clock.name], names.local(clock.due_at) or " ".join(words.of_code(clock.status))


TheWorkOrders = Annotated[WorkOrders, from_backend("work_orders")]
router = APIRouter(tags=["complaints"], route_class=StrictRoute)


@router.get(
    f"/v1/complaints{WORK_ORDER}",
    summary="Print the work order of a case 派工单",
    response_class=HTMLResponse,
    responses=A4_PAGE | problems(*TEMPORAL_ERRORS, NOT_ACCEPTABLE),
)
async def get_work_order(
    number: CaseParam,
    actor: Annotated[Actor, needs(READ_CASES)],
    cases: TheCases,
    orders: TheWorkOrders,
    printer: ThePrinter,
    accept: Annotated[str, Header(include_in_schema=False)] = HTML,
) -> Response:
    """Return what a crew needs on the road: caller, place, promises, findings to tick, and lines to sign.

    Its code leads to the case's page at the desk. Fields that your role sees masked are masked.
    """
    case = Complaint.of(await cases.get(number, actor, READ_CASES), actor)
    return await as_accepted(accept, orders.html(case), cases.clock(), printer)


@router.get(f"{DESK}/cases{WORK_ORDER}", include_in_schema=False)
async def show_work_order(request: Request, number: str, pages: ThePages, orders: TheWorkOrders) -> Response:
    async def show(session: Session) -> Response:
        view = await pages.cases.get(number_in(number), session.actor, READ_CASES)
        return await as_accepted(HTML, orders.html(Complaint.of(view, session.actor)), pages.cases.clock(), None)

    return await pages.shown(request, show, number)
