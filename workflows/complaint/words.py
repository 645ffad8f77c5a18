"""People, departments, districts and flags of a case in Chinese and English, as the Temporal UI shows them."""

from collections.abc import Iterable

from domain.case.state import CaseState
from domain.shared.actors import Role
from workflows.kit.words import WorkerNames, plain

_POSTS = {
    "assignee": "经办人",
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
