"""Saved views of the Temporal UI: a link for each, which installs it in the browser that follows it.

`python -m tools.docs.saved_views [--ui URL] [--namespace NAME]` prints them for another address, and with the date of
today in the one that needs it: the server's query language has no word for now.
"""

import argparse
import sys
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from domain.case.automatic.settle import BEFORE_REPLY
from domain.case.lifecycle import State

UI = "http://127.0.0.1:8233"
NAMESPACE = "default"
COMPANY_ZONE = ZoneInfo("Asia/Shanghai")

CASES = 'WorkflowType = "ComplaintWorkflow"'
RUNNING = f'{CASES} AND ExecutionStatus = "Running"'


@dataclass(frozen=True)
class View:
    """One list of cases: what it is called, and which cases it holds."""

    name: str
    name_zh: str
    query: str
    meaning: str

    def link(self, ui: str = UI, namespace: str = NAMESPACE) -> str:
        """Return the address that opens the view and saves it."""
        parameters = urlencode({"query": self.query, "savedQuery": self.name}, quote_via=quote)
        return f"{ui}/namespaces/{quote(namespace)}/workflows?{parameters}"


# A case that waits for management, or for a further department, has something of its own and is kept.
_WAITING = ", ".join(f'"{state}"' for state in State if state in BEFORE_REPLY - {State.AWAITING_APPROVAL})
INCIDENTS = 'WorkflowType = "IncidentWorkflow" AND ExecutionStatus = "Running"'

VIEWS = (
    View(
        "Breached now",
        "已超时",
        f'{RUNNING} AND Sla = "missed" AND State != "closed"',
        "A promise of the present cycle is missed and the case is open.",
    ),
    View("Incidents", "突发事件", INCIDENTS, "One cause behind many calls, suspected or open, and how far it is."),
    View(
        "Waiting for an incident",
        "并案待结",
        f"{RUNNING} AND Incident IS NOT NULL AND State IN ({_WAITING}) AND Involved IS NULL"
        ' AND Flags != "reworked" AND Flags != "reopened"',
        "Cases that are replied to when their incident is over; those that have something of their own are not.",
    ),
    View("At risk", "即将超时", f'{RUNNING} AND Sla = "at_risk"', "Three quarters of a promise are used up."),
    View(
        "Credits to approve",
        "待批补偿",
        f'{RUNNING} AND Flags = "credit_waits"',
        "The company owes something for a missed promise, and management has not decided.",
    ),
    View(
        "Emergencies",
        "紧急工单",
        f'{RUNNING} AND Priority = "P1" AND State != "closed"',
        "Burst mains and the like, still open.",
    ),
    View(
        "To be dispatched",
        "待派单",
        f'{RUNNING} AND State IN ("registered", "pending_redispatch")',
        "Nobody works on it yet.",
    ),
    View("Not signed for", "待签收", f'{RUNNING} AND State = "dispatched"', "With a department that has not taken it."),
    View(
        "My department",
        "本部门工单",
        f'{RUNNING} AND ((Department = "repair" AND State IN ("dispatched", "in_progress")) OR Involved = "repair")',
        "Put your department's code in place of `repair`.",
    ),
    View(
        "My cases",
        "我的工单",
        f'{RUNNING} AND Owner = "your name" AND State != "closed"',
        "Put your name, as on your key.",
    ),
    View("Waiting for the caller", "等待来电人", f'{RUNNING} AND State = "suspended"', "Every clock stands still."),
    View("Awaiting approval", "待审批", f'{RUNNING} AND State = "awaiting_approval"', "Management decides."),
    View(
        "To be replied to",
        "待回复",
        f'{RUNNING} AND State = "pending_reply"',
        "The work is done; the owner calls back.",
    ),
    View("Follow-ups", "待回访", f'{RUNNING} AND State = "pending_follow_up"', "Somebody asks how it went."),
    View(
        "Hardship",
        "困难户",
        f'{RUNNING} AND Flags = "hardship" AND State != "closed"',
        "Open cases of such households.",
    ),
    View(
        "Repeat callers",
        "重复来电",
        f'{RUNNING} AND Flags = "repeat_caller" AND State != "closed"',
        "Open cases of people who have called before, within 30 days.",
    ),
    View(
        "Possible duplicates",
        "疑似重复",
        f'{RUNNING} AND Flags = "possible_duplicate" AND State != "closed"',
        "The same matter may be on another case.",
    ),
    View("Departments together", "部门联动", f"{RUNNING} AND Involved IS NOT NULL", "A further department has a part."),
    View(
        "Reworked",
        "重办",
        f'{RUNNING} AND Flags = "reworked" AND State != "closed"',
        "The caller was not satisfied the first time.",
    ),
    View(
        "Supervised",
        "督办",
        f'{RUNNING} AND Flags = "supervised" AND State != "closed"',
        "Under a supervisor's eyes.",
    ),
    View(
        "Extended",
        "已延期",
        f'{RUNNING} AND Flags = "extended" AND State != "closed"',
        "More working days were granted; there is no second time.",
    ),
    View(
        "Notices and criticism",
        "催办通知书和通报批评",
        f'{RUNNING} AND Flags = "noticed" AND State != "closed"',
        "Late cases that got a notice of urging, or public criticism.",
    ),
    View(
        "Undelivered",
        "通知未送达",
        f'{RUNNING} AND Flags = "undelivered"',
        "A notification did not get through: call instead.",
    ),
    View("Thanks", "表扬", f'{CASES} AND Service = "thanks"', "The good news, as long as Temporal keeps it."),
    View(
        "Catalogue rounds",
        "服务目录启用",
        'WorkflowType = "CatalogueRolloutWorkflow"',
        "A catalogue being put in force, or that was.",
    ),
)


def due_today(now: datetime) -> View:
    """Return the view of the follow-ups that fall due before the company's midnight, or are overdue."""
    local = now.astimezone(COMPANY_ZONE)
    midnight = datetime.combine(local.date() + timedelta(days=1), time(), COMPANY_ZONE)
    query = f'{RUNNING} AND State = "pending_follow_up" AND NextDueAt < "{midnight.isoformat()}"'
    return View("Follow-ups due today", "今日到期回访", query, "Until midnight; make it anew each day.")


def table() -> str:
    """Return the views as a Markdown table of links."""
    rows = [f"| [{view.name}]({view.link()}) | {view.name_zh} | {view.meaning} |" for view in VIEWS]
    return "\n".join(["| view | 中文 | which cases |", "| --- | --- | --- |", *rows]) + "\n"


def main() -> None:
    """Print every link."""
    parser = argparse.ArgumentParser(description="Links that install saved views in the Temporal UI.")
    parser.add_argument("--ui", default=UI)
    parser.add_argument("--namespace", default=NAMESPACE)
    chosen = parser.parse_args()
    for view in (*VIEWS, due_today(datetime.now(COMPANY_ZONE))):
        sys.stdout.write(f"{view.name} {view.name_zh}\n  {view.link(chosen.ui.rstrip('/'), chosen.namespace)}\n")


if __name__ == "__main__":
    main()
