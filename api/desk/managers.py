"""Page of today and this month so far (今日、本月), and pages and files of reports."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import quote, urlencode

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api import inner
from api.desk.kit import DESK, DeskPages
from api.documents import CONTENT_SECURITY
from api.edge.problems import Problem
from api.exports.reports import page
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
REPORTS = {*ReportKind, "today", "this-month"}
"""Reports that are pages as well."""
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

    async def read(self, request: Request, actor: Actor, path: str, query: str = "") -> httpx.Response:
        """Ask the API for what it has at this path, in the language of the reader; `query` is that of the page."""
        language, query = "zh" if self.names(request).zh else "en", query or request.url.query
        query = f"{query}&language={language}" if "format" in request.query_params else query
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
        return Response(answer.content, answer.status_code, headers)

    async def report(self, request: Request, actor: Actor, name: str) -> Response:
        """Answer a report as a file, or as a page with links back to the desk and to its files."""
        path, names = f"reports/{name}", self.names(request)
        if name not in REPORTS or request.query_params.get("format") != "html":
            return await self.file(request, actor, path)
        query = {form: request.url.include_query_params(format=form).query for form in ("json", *FILES)}
        answer = await self.read(request, actor, path, query["json"])
        if not answer.is_success:
            return self.refused(request, actor, answer)
        links = {names.say(TODAY): f"{DESK}/today"} | {name: f"?{query[form]}" for form, name in FILES.items()}
        report = Report.model_validate_json(answer.content)
        html = await asyncio.to_thread(partial(page, report, zh=names.zh, links=links))
        return HTMLResponse(html, headers=CONTENT_SECURITY)


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
    return await desk.shown(request, lambda session: desk.report(request, session.actor, name))
