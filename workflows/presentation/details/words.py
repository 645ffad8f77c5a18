"""Words of the Temporal UI: local time, durations, people and departments in Chinese and English, safe Markdown."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from domain.calendar.work_calendar import USUAL_ZONE, on_the_wall
from domain.case.state import CaseState
from domain.shared.actors import Role

LONGEST = 1000
"""Characters of a text that the details show."""
LONGEST_DETAILS = 80_000
"""Characters of all details: the UI asks for them in an address, with up to 12 bytes a character, and takes 1 MiB."""
BREAK = "  \n  "
"""End of a line within an item of a list."""
_MARKUP = re.compile(r"([\\`*_\[\]<>|~#:])")
"""Signs of Markdown; without a colon, nothing becomes a link by itself, in which an escape would be lost."""
_SPACE = re.compile(r"\s+")
_POSTS = {
    "assignee": "处理人",
    "department": "部门",
    "lead": "部门负责人",
    "director": "分管领导",
    "general_manager": "总经理",
}
"""Recipients that are no roles."""
FLAG_ZH = {
    "approval_rejected": "审批驳回",
    "approved": "已批准",
    "contact_changed": "责任人改过联系电话",
    "credit_waits": "补偿待审批",
    "criticised": "已通报批评",
    "extended": "已延期",
    "hardship": "困难户",
    "left_out": "未执行",
    "noticed": "已发催办通知书",
    "own_cause": "另有原因",
    "possible_duplicate": "疑似重复",
    "reopened": "已重开",
    "repeat_caller": "重复来电",
    "reworked": "已重办",
    "supervised": "督办",
    "undelivered": "未送达",
    "unreachable": "未联系上",
    "urged": "已催办",
}


class WorkerNames(NamedTuple):
    """Names that a worker knows and a case does not: both names of districts by code, titles of incidents by number."""

    districts: Mapping[str, str] = {}
    incidents: Mapping[str, str] = {}


def plain(text: str | None, longest: int = LONGEST) -> str:
    """Return what people wrote on one line, without effect as Markdown; a dash for nothing."""
    if not text:
        return "-"
    line = _SPACE.sub(" ", text).strip()
    return _MARKUP.sub(r"\\\1", line if len(line) <= longest else f"{line[: longest - 1]}…")


def markdown(lines: Iterable[str]) -> str:
    """Return the lines as Markdown for the UI, which draws tables without space between the columns."""
    # Markdown does not trim this space.
    text = "\n".join(lines).replace(" | ", "\N{EN SPACE}| ")
    return text if len(text) <= LONGEST_DETAILS else f"{text[: LONGEST_DETAILS - 1]}…"


def local(at: datetime | None, zone: str = USUAL_ZONE) -> str:
    """Return an instant to the minute, as clocks show it in this zone; a dash for None."""
    return f"{on_the_wall(at, zone):%Y-%m-%d %H:%M}" if at else "-"


def duration(seconds: float, day_seconds: int, day: str = "天 d") -> str:
    """Return a time in its largest unit; `day_seconds` is the length of what is called a day."""
    for size, unit in ((day_seconds, day), (3600, "小时 h"), (60, "分钟 min")):
        if seconds >= size:
            return f"{round(seconds / size, 1):g} {unit}"
    return f"{seconds:.0f} 秒 s"


def person(case: CaseState, person_id: str | None) -> str:
    """Return the name of a person of the case; a dash for None."""
    return plain(case.name_of(person_id))


def department(case: CaseState, code: str | None) -> str:
    """Return a department with both names and its code; a dash for None."""
    if code is None:
        return "-"
    unit = case.terms.unit(code)
    return f"`{code}`" if unit.name == code else f"{plain(unit.name_zh)} {plain(unit.name)} `{code}`"


def district(code: str | None, names: WorkerNames) -> str:
    """Return a district with both names, if they are known, and its code; a dash for None."""
    if code is None:
        return "-"
    return f"{plain(names.districts[code])} `{code}`" if code in names.districts else f"`{code}`"


def recipient(case: CaseState, address: str) -> str:
    """Return the recipient of a notification, `role` or `role:name`, in words."""
    role, _, name = address.partition(":")
    zh = Role(role).zh if role in [*Role] else _POSTS.get(role, "")
    who = department(case, name) if role == "department" else person(case, name)
    return f"{zh} {role} {who}".strip() if name and role != Role.CALLER else f"{zh} {role}".strip()


def flags(names: Iterable[str]) -> str:
    """Return flags with their Chinese names; a dash for none."""
    return ", ".join(f"{FLAG_ZH[name]} {name}" if name in FLAG_ZH else name for name in names) or "-"
