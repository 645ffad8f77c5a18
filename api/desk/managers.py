"""Page of today and this month so far (今日、本月), and pages and files of reports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

import httpx
from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from api import inner
from api.desk.kit import DESK, DeskPages
from api.edge.problems import Problem
from api.routing import StrictRoute, from_backend, require_role
from domain.reports.report import Period, Report, ReportKind, headlines, shown
from domain.rights.rights import READ_REPORTS
from domain.shared.actors import Actor
from domain.shared.value import Phrase
from readmodel.reports.reports import get_report, so_far
from readmodel.reports.work import headlines as headline_numbers
from readmodel.reports.work import missed, promises

QUERIES = headline_numbers, promises, missed
"""Tables of the page; the report itself has all."""
ROWS = 20
"""Rows of a table on the page."""
FILES = {"xlsx": "Excel", "csv": "CSV"}
TODAY: Phrase = "今日和本月", "Today and this month"
_PASSED_ON = ("content-type", "content-disposition", "content-security-policy")


@dataclass(frozen=True)
class ManagerDesk(DeskPages):
    """Pages of people who read reports."""

    async def today(self, request: Request, actor: Actor) -> Response:
        """Show the headline numbers until now beside those of the period before. Raises ProblemError."""
        require_role(READ_REPORTS, actor)
        backend, names = self.backend, self.names(request)
        made = [
            await backend.reader.shared(so_far, backend.now, kind, backend.catalogue, QUERIES) for kind in ReportKind
        ]
        last = Period.ended_before(ReportKind.MONTHLY, backend.now, backend.zone)
        stored = await backend.reader.ask(get_report, last)
        return self.page(
            request,
            "today",
            actor,
            reports=[(report, [*_tables(report, zh=names.zh)]) for report in made],
            headlines=headlines,
            lists=self._lists,
            months=(Period.containing(ReportKind.MONTHLY, last.after), last),
            last=stored,
            yesterday=Period.ended_before(ReportKind.DAILY, backend.now, backend.zone),
            today=backend.now.astimezone(backend.zone).date(),
            formats=("html", *(("pdf",) if backend.print_pdf else ()), "xlsx"),
        )

    def _lists(self, report: Report) -> Mapping[str, str]:
        """Return the lists of the desk with the cases of headline numbers, by the name of the number."""
        start, end = Period.parse(report.kind, report.period).bounds(self.backend.zone)
        registered = {"registered_from": start.isoformat(), "registered_to": end.isoformat()}
        return {"registered": f"all&{urlencode(registered)}", "open_at_end": "open"}

    async def read(self, request: Request, actor: Actor, path: str) -> httpx.Response:
        """Ask the API for what it has at this path, in the language of the reader."""
        language = "zh" if self.names(request).zh else "en"
        query = f"{request.url.query}&language={language}" if "format" in request.query_params else request.url.query
        return await inner.get(request, actor, f"/v1/{quote(path)}", query, language)

    def refused(self, request: Request, actor: Actor, answer: httpx.Response) -> Response:
        """Show a refusal of the API as a page."""
        problem = Problem.model_validate(answer.json())
        if problem.errors:
            problem.detail = self.refusal(problem, self.names(request))
        return self.not_shown(request, actor, problem)

    async def file(self, request: Request, actor: Actor, path: str) -> Response:
        """Answer what the API has at this path, as a file or page."""
        answer = await self.read(request, actor, path)
        if not answer.is_success:
            return self.refused(request, actor, answer)
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        content = answer.content
        if answer.headers["content-type"].startswith("text/html"):
            content = content.replace(b"<header>", f"<header>{self._ways(request)}".encode(), 1)
        return Response(content, answer.status_code, headers)

    def _ways(self, request: Request) -> Markup:
        """Links from the page of a report back to the desk, and to its files."""
        links = {self.names(request).say(TODAY): f"{DESK}/today"}
        links |= {name: f"?{request.url.include_query_params(format=form).query}" for form, name in FILES.items()}
        shown = (Markup('<a href="{}">{}</a>').format(address, name) for name, address in links.items())
        return Markup('<p class="ways">{}</p>').format(Markup(" · ").join(shown))


def _tables(report: Report, *, zh: bool) -> list[tuple[object, list[list[str]]]]:
    """Return the tables after the headline numbers, each with its rows as people read them, in one language."""
    readable = [table.readable(zh=zh) for table in report.tables[1:]]
    return [(table, [shown(row, table.columns, report) for row in table.rows[:ROWS]]) for table in readable]


TheManagerDesk = Annotated[ManagerDesk, from_backend("manager_desk")]
router = APIRouter(route_class=StrictRoute, include_in_schema=False)


@router.get(f"{DESK}/today")
async def show_today(request: Request, desk: TheManagerDesk) -> Response:
    return await desk.shown(request, lambda session: desk.today(request, session.actor))


@router.get(f"{DESK}/reports/{{name}}")
async def show_report(request: Request, name: str, desk: TheManagerDesk) -> Response:
    return await desk.shown(request, lambda session: desk.file(request, session.actor, f"reports/{name}"))
