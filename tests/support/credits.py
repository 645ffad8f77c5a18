"""A promise of twelve hours, the credit that is owed once it is missed, and the managers who decide on it."""

from decimal import Decimal
from typing import Any

from domain.case.actions.decide_credit import DecideCredit
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.catalogue.terms import Approver, Credit, Promise
from domain.shared.actors import Actor, Role
from tests.support.build import case_in

RESOLVE = Promise(name="resolve", calendar="always", budget_seconds=12 * 3600, starts="registration")
OWED = Credit(
    name="Supply not restored",
    name_zh="未按时恢复供水",
    clock="resolve",
    amount=Decimal(50),
    each_further=Decimal(50),
    every_seconds=12 * 3600,
)
GAO, MA, REN = (Actor(id=name, role=Role.MANAGER) for name in ("高峰", "马俊", "任丽"))
POSTS = (
    Approver(post="manager", up_to=Decimal(40), holder=GAO.id, deputy=REN.id, budget_seconds=3600, calendar="always"),
    Approver(post="director", up_to=Decimal(1000), holder=MA.id, budget_seconds=3600, calendar="always"),
)
YES = DecideCredit(credit=1, approved=True)


def late(state: State = State.IN_PROGRESS, owed: tuple[Credit, ...] = (OWED,), **changes: Any) -> Case:
    return case_in(state, promises=(RESOLVE,), credits=owed, currency="GBP", **changes)
