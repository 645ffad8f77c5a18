"""A case of a company whose chart names its superiors, and the instants of its notice and its criticism."""

from datetime import datetime
from typing import Any

from domain.case.case import Case
from domain.case.lifecycle import State
from domain.catalogue.terms import Organisation, Unit
from tests.support.build import MONDAY, case_in, days

DUE = MONDAY + days(7)
"""Five working days after Monday 09:00."""
NOTICED = DUE + days(1)
CRITICISED = MONDAY + days(14)
"""Five working days after Tuesday 09:00, as the Sunday in between is worked for the holiday."""
CHART = Organisation(
    name="The hotline",
    name_zh="供水热线",
    units=(
        Unit(code="repair", name="Repair", name_zh="抢修队", lead="Tan Yong", director="Luo Ping"),
        Unit(code="metering", name="Metering", name_zh="计量部", lead="Deng Hui"),
    ),
    general_manager="Ma Jun",
)


def late(state: State = State.IN_PROGRESS, at: datetime = MONDAY, **changes: Any) -> Case:
    return case_in(state, at, organisation=CHART, **changes)
