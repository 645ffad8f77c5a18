"""Examples of the documented reports."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from api.reports.calls import CallNumbers, CallReport, CallReportItem
from api.reports.routes import FollowUpItem, Money, MonthOfFollowUps, MonthOfThanks, PersonThanked
from domain.calls.call import CallFigures, CallOutcome
from domain.customers.customer import Thanks
from domain.reports.report import FORMS, Column, ColumnKind, Report, ReportKind, Table
from readmodel.calls.report import DutyFigures, Grouping
from readmodel.reports.causes import MoneyTotal
from readmodel.reports.follow_ups import FollowUpCounts, FollowUpSubject

THANKS = Thanks(
    number="2602169021484",
    at=datetime(2026, 2, 16, 2, tzinfo=UTC),
    thanked="梁伟",
    message="A happy New Year to the young man of the repair crew. 给师傅拜年。",
)
MONEY = Money(
    month="2026-08",
    items=(MoneyTotal(kind="funded_repair", currency="CNY", approved=True, times=1, amount=Decimal("860.00")),),
    currency="CNY",
    approved_amount=Decimal("860.00"),
)
MONTH_OF_THANKS = MonthOfThanks(
    month="2026-02", items=[PersonThanked(thanked=THANKS.thanked, times=1, thanks=[THANKS])]
)
FOLLOW_UPS = MonthOfFollowUps(
    month="2026-08",
    by=FollowUpSubject.DEPARTMENT,
    items=[FollowUpItem.of(FollowUpCounts("repair", 40, 32, 30, 27, 28))],
)


def example_report(kind: ReportKind, until: datetime | None = None) -> Report:
    column = Column(name="registered", title="Registered", title_zh="受理", kind=ColumnKind.COUNT)
    return Report(
        kind=kind,
        company="Zhongshan water supply hotline",
        company_zh="中山供水热线",
        period=FORMS[kind].example,
        until=until,
        timezone="Asia/Shanghai",
        made_at=until or datetime(2026, 9, 1, 0, 30, tzinfo=UTC),
        currency="CNY",
        tables=(Table(name="headlines", title="Headline numbers", title_zh="概况", columns=(column,), rows=((312,),)),),
    )


_SHOWN = CallFigures()
for _outcome, _wait, _calls, _talk in (
    (CallOutcome.ANSWERED, 8, 27, 5_130_000),
    (CallOutcome.ANSWERED, 41, 2, 604_000),
    (CallOutcome.ABANDONED, None, 1, 0),
):
    _SHOWN.add(_outcome, _wait, _calls, _talk)
_ON_DUTY = DutyFigures({"chen", "li"}, timedelta(hours=2))
CALL_REPORT = CallReport(
    **{"from": datetime(2026, 8, 3, 1, tzinfo=UTC), "to": datetime(2026, 8, 3, 2, tzinfo=UTC)},
    by=Grouping.HOUR,
    time_zone="Asia/Shanghai",
    items=[CallReportItem.of(_SHOWN, _ON_DUTY, key="2026-08-03T09:00:00+08:00", name=None)],
    total=CallNumbers.of(_SHOWN, _ON_DUTY),
)
