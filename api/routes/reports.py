"""What a month came to."""

from datetime import UTC, datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from api import openapi, render
from api.backend import Backend
from api.schemas import Money, MoneyItem, MonthOfThanks, PersonThanked
from api.security import only_for
from domain.customers.customer import Thanks
from domain.shared.actors import Role
from domain.shared.money import ZERO
from domain.shared.text import Name

ROLES = (Role.SUPERVISOR, Role.MANAGER, Role.ADMIN)

Month = Annotated[
    str,
    Query(
        pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$",
        description="The month, in the time zone of the catalogue.",
        examples=["2026-08"],
    ),
]


def add_routes(router: APIRouter, backend: Backend) -> None:
    """Add the reports."""
    _add_thanks(router, backend)

    @router.get(
        "/v1/reports/approvals",
        tags=["reports"],
        operation_id="report_approvals",
        summary="Money decided in a month 审批月报",
        response_model=Money,
        dependencies=[Depends(only_for(backend.bearer, *ROLES))],
        responses={
            200: openapi.example("By kind; what was approved comes before what was rejected.", "money"),
            **openapi.errors(
                "unauthorized", "malformed-key", "wrong-role", "invalid-request", "read-model-unavailable"
            ),
        },
    )
    async def report_approvals(month: Month) -> Response:
        """What management approved and rejected, in the month of the last word (in the catalogue's time zone)."""
        start, end = bounds(month, ZoneInfo(backend.catalogue.calendar.timezone))
        items = [MoneyItem(**total._asdict()) for total in await backend.reader.money(start, end)]
        currency = backend.catalogue.currency
        approved = sum((item.amount for item in items if item.approved and item.currency == currency), start=ZERO)
        report = Money(month=month, items=items, currency=currency, approved_amount=approved)
        return render.answer(report.model_dump_json().encode())


def _add_thanks(router: APIRouter, backend: Backend) -> None:
    @router.get(
        "/v1/reports/thanks",
        tags=["reports"],
        operation_id="report_thanks",
        summary="Thanks of a month, by person 表扬月报",
        response_model=MonthOfThanks,
        dependencies=[Depends(only_for(backend.bearer, *ROLES))],
        responses={
            200: openapi.example("By person, most thanks first.", "thanks"),
            **openapi.errors(
                "unauthorized", "malformed-key", "wrong-role", "invalid-request", "read-model-unavailable"
            ),
        },
    )
    async def report_thanks(
        month: Month,
        thanked: Annotated[
            Name | None, Query(description="Of this person alone, by the name that was given.", examples=["梁伟"])
        ] = None,
    ) -> Response:
        """Whom callers thanked, counted in the month of the call."""
        given: dict[str | None, list[Thanks]] = {}
        for thanks in await backend.reader.thanks(*bounds(month, ZoneInfo(backend.catalogue.calendar.timezone))):
            if thanked in (None, thanks.thanked):
                given.setdefault(thanks.thanked, []).append(thanks)
        people = sorted(given.items(), key=lambda person: (-len(person[1]), person[0] or ""))
        items = [PersonThanked(thanked=name, times=len(thanks), thanks=thanks) for name, thanks in people]
        return render.answer(MonthOfThanks(month=month, items=items).model_dump_json().encode())


def bounds(month: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first instant of a month in this time zone, and that of the next."""
    year, number = map(int, month.split("-"))
    start = datetime(year, number, 1, tzinfo=zone)
    return start.astimezone(UTC), start.replace(year=year + number // 12, month=number % 12 + 1).astimezone(UTC)
