"""Reports of a month. A new one is a query of `readmodel`, and its shape and route here."""

from decimal import Decimal
from typing import Annotated, Self

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import examples, render
from api.backend import Backend
from api.edge.problems import INVALID_REQUEST
from api.openapi import Operations
from api.sign_in.security import RequestActor
from api.sql.reader import READ_MODEL_UNAVAILABLE
from domain.customers.customer import Thanks
from domain.reports.period import MONTH, month_bounds
from domain.rights.rights import READ_REPORTS
from domain.shared.amounts import ZERO, rate
from domain.shared.text import Name
from readmodel.callers.records import thanks_between
from readmodel.cases.decisions import MoneyTotal, totals
from readmodel.reports.follow_ups import FollowUpCounts, FollowUpSubject, counts

ERRORS = (INVALID_REQUEST, READ_MODEL_UNAVAILABLE)
Month = Annotated[
    str,
    Query(
        pattern=f"^{MONTH}$",
        description="The month, in the time zone of the catalogue.",
        examples=["2026-08"],
    ),
]


class Money(BaseModel):
    """Decisions of management in one month (审批)."""

    month: str = Field(examples=["2026-08"])
    items: tuple[MoneyTotal, ...]
    currency: str = Field(description="Of the catalogue in force; ISO 4217.")
    approved_amount: Decimal = Field(description="What the company pays or waives in that currency.")


class PersonThanked(BaseModel):
    """Thanks for one person in a month."""

    thanked: str | None = Field(description="Null: thanks that name nobody.")
    times: int
    thanks: list[Thanks] = Field(description="Oldest first.")


class MonthOfThanks(BaseModel):
    """Thanks of one month by person (表扬), for the assessment of the staff (考核)."""

    month: str = Field(examples=["2026-08"])
    items: list[PersonThanked] = Field(description="Most thanks first.")


class FollowUpItem(BaseModel):
    """Finished follow-ups of one subject in a month.

    A rate is a share from 0 to 1, to four decimal places; null if nobody counts for it.
    """

    subject: str | None = Field(
        description="Code of the department, service or district, id of the owner, `company`; null: cases without one."
    )
    followed_up: int = Field(description="Follow-ups that ended: the last try of each cycle.")
    contacted: int
    unreached: int = Field(description="They stand outside the solution rate and the satisfaction rate.")
    solution_known: int = Field(description="Contacted callers of whom it is known whether it was solved.")
    solved: int
    satisfied: int = Field(description="Contacted callers of the first three of the five steps.")
    response_rate: float | None = Field(description="`contacted / followed_up` (响应率).")
    solution_rate: float | None = Field(description="`solved / solution_known` (解决率).")
    satisfaction_rate: float | None = Field(description="`satisfied / contacted` (满意率).")

    @classmethod
    def of(cls, counts: FollowUpCounts) -> Self:
        """Return the item of these counts."""
        return cls(
            **counts._asdict(),
            unreached=counts.followed_up - counts.contacted,
            response_rate=rate(counts.contacted, counts.followed_up),
            solution_rate=rate(counts.solved, counts.solution_known),
            satisfaction_rate=rate(counts.satisfied, counts.contacted),
        )


class MonthOfFollowUps(BaseModel):
    """Follow-ups of one month by subject (回访统计)."""

    month: str = Field(examples=["2026-08"])
    by: FollowUpSubject
    items: list[FollowUpItem] = Field(description="By subject; cases without one last.")


MONEY = Money(
    month="2026-08",
    items=(MoneyTotal(kind="funded_repair", currency="CNY", approved=True, times=1, amount=Decimal("860.00")),),
    currency="CNY",
    approved_amount=Decimal("860.00"),
)
THANKS = MonthOfThanks(
    month="2026-02", items=[PersonThanked(thanked=examples.THANKS.thanked, times=1, thanks=[examples.THANKS])]
)
FOLLOW_UPS = MonthOfFollowUps(
    month="2026-08",
    by=FollowUpSubject.DEPARTMENT,
    items=[FollowUpItem.of(FollowUpCounts("repair", 40, 32, 30, 27, 28))],
)

operations = Operations("reports")


@operations.get(
    "/v1/reports/approvals", "Money decided in a month 审批月报", READ_REPORTS, Money, ("money", MONEY), ERRORS
)
async def report_approvals(backend: Backend, month: Month) -> Response:
    """Sum what management approved and rejected, by the month of the last decision."""
    found = await backend.reader.ask(totals, *month_bounds(month, backend.zone))
    currency = backend.catalogue.currency
    approved = sum((item.amount for item in found if item.approved and item.currency == currency), start=ZERO)
    return render.model(Money(month=month, items=found, currency=currency, approved_amount=approved))


@operations.get(
    "/v1/reports/thanks",
    "Thanks of a month, by person 表扬月报",
    READ_REPORTS,
    MonthOfThanks,
    ("thanks", THANKS),
    ERRORS,
)
async def report_thanks(
    backend: Backend,
    month: Month,
    actor: RequestActor,
    thanked: Annotated[
        Name | None, Query(description="Of this person alone, by the name that was given.", examples=["梁伟"])
    ] = None,
) -> Response:
    """Count the thanks of callers by person, in the month of the call."""
    given: dict[str | None, list[Thanks]] = {}
    for thanks in await backend.reader.ask(thanks_between, *month_bounds(month, backend.zone)):
        if thanked in (None, thanks.thanked):
            given.setdefault(thanks.thanked, []).append(thanks)
    people = sorted(given.items(), key=lambda person: (-len(person[1]), person[0] or ""))
    items = [PersonThanked(thanked=name, times=len(thanks), thanks=thanks) for name, thanks in people]
    return render.answer(render.record(MonthOfThanks(month=month, items=items), actor))


@operations.get(
    "/v1/reports/follow-ups",
    "Follow-ups of a month 回访月报",
    READ_REPORTS,
    MonthOfFollowUps,
    ("follow_ups", FOLLOW_UPS),
    ERRORS,
)
async def report_follow_ups(
    backend: Backend,
    month: Month,
    by: Annotated[
        FollowUpSubject, Query(description="Subject that is counted.", examples=["department"])
    ] = FollowUpSubject.COMPANY,
) -> Response:
    """Count whom the follow-ups reached, and what the callers said, in the month in which the follow-up ended."""
    found = await backend.reader.ask(counts, *month_bounds(month, backend.zone), by)
    items = [FollowUpItem.of(each) for each in found]
    return render.model(MonthOfFollowUps(month=month, by=by, items=items))
