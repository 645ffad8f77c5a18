"""A hardship household (困难户) of the registry, which calls twice about one matter; both cases stay open.

`customers.csv` is what an operator imports: this household, and the caller of the second story.
"""

import csv
from pathlib import Path

from domain.case.lifecycle import State
from hotline.demo.steps import HELD, Plan, ask_approval
from hotline.demo.stories import Story

REGISTRY = Path(__file__).with_name("customers.csv")
"""File of customers, for `hotline customers import`."""


def _story(account_no: str, plan: Plan, description: str, starts: float) -> Story:
    with REGISTRY.open(encoding="utf-8", newline="") as file:
        customer = next(row for row in csv.DictReader(file) if row["account_no"] == account_no)
    return Story(
        plan=plan,
        service_code="no_water",
        district=customer["district"],
        description=description,
        address=customer["address"],
        caller=customer["name"],
        phone=customer["phone"],
        starts=starts,
    )


HOUSEHOLD: tuple[Story, ...] = (
    _story(
        "DEMO-2",
        Plan("left_for_hardship", "困难户待审批", (*HELD, ask_approval()), State.AWAITING_APPROVAL),
        "独居老人来电：家里水管漏得厉害，水都流不到龙头，没有钱请人修。",
        starts=0.5,
    ),
    _story(
        "DEMO-2",
        Plan("left_asked_again", "困难户再次来电", (), State.REGISTERED),
        "老人再次来电：上午说的漏水还没有修好，家里还是没有水。",
        starts=0.8,
    ),
)
"""Both calls of the household."""
