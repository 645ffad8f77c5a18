"""Questions that a report answers: a new table is one function, and one line here."""

from collections.abc import Callable
from datetime import datetime

from domain.catalogue.catalogue import Catalogue
from domain.reports.period import Period
from domain.reports.report import Report, Table
from domain.shared.text import to_milliseconds
from readmodel.base.database import ReadConnection
from readmodel.reports.backlog import backlog, oldest
from readmodel.reports.callers import repeat_callers
from readmodel.reports.causes import findings, returns
from readmodel.reports.costs import costs
from readmodel.reports.headlines import calls_by_hour, headlines
from readmodel.reports.origins import origins, quality
from readmodel.reports.promises import missed
from readmodel.reports.scope import ReportScope

Question = Callable[[ReadConnection, ReportScope], Table]
QUESTIONS: tuple[Question, ...] = (
    headlines,
    origins,
    missed,
    backlog,
    oldest,
    findings,
    returns,
    repeat_callers,
    quality,
    costs,
    calls_by_hour,
)


def make(connection: ReadConnection, period: Period, catalogue: Catalogue, made_at: datetime) -> Report:
    scope = ReportScope.of(period, catalogue)
    return Report(
        kind=period.kind,
        period=period.name,
        timezone=scope.zone.key,
        made_at=to_milliseconds(made_at),
        currency=catalogue.currency,
        tables=tuple(ask(connection, scope) for ask in QUESTIONS),
    )
