"""Rights: what a role may read or do, and how far. Whoever changes a right changes one row here.

Routes, `GET /v1/roles`, the documentation and tests read this table. Rights to actions are computed from the roles in
the modules of the actions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from domain.assessment.actions import ASSESSMENT_COMMANDS
from domain.case.actions import COMMANDS, hand_over, register
from domain.case.lifecycle import Part
from domain.incident.actions import INCIDENT_COMMANDS, INCIDENT_TABLE, declare
from domain.incident.state import CONTROL_ROOM
from domain.kit.event import AnyAction
from domain.shared.actors import STAFF_ROLES, Actor, Role
from domain.shared.value import NamedCode, complete


class Reach(NamedCode):
    """Cases that a right is about: those of the person, those of the department and its parts, or all."""

    OWN = "own", "本人"
    DEPARTMENT = "department", "本部门"
    ANY = "any", "全部"


@dataclass(frozen=True, kw_only=True)
class Right:
    """Right, with its reach for each role that has it. The administrator has every right.

    A right with `needs` is to an action: the case or incident decides who may do it. Everybody needs that other right
    too, as the answer is the case.
    """

    name: str
    zh: str
    description: str
    reach: Mapping[Role, Reach]
    needs: "Right | None" = None


class CaseOfSomebody(Protocol):
    """Facts of a case that decide whose it is."""

    @property
    def department(self) -> str | None: ...
    @property
    def cycle(self) -> int: ...
    @property
    def parts(self) -> Sequence[Part]: ...


def reaches(right: Right, actor: Actor, case: CaseOfSomebody) -> bool:
    """Return True if this person's right reaches this case.

    A department reads the cases that it has, and those in which it has or had a part in the present cycle.
    """
    reach, mine = right.reach.get(actor.role), actor.department
    if reach is Reach.DEPARTMENT and mine is not None:
        return mine in {case.department, *(part.department for part in case.parts if part.cycle == case.cycle)}
    return reach is Reach.ANY


def _any(*roles: Role) -> Mapping[Role, Reach]:
    return dict.fromkeys((*roles, Role.ADMIN), Reach.ANY)


_RIGHTS = list[Right]()


def _right(name: str, zh: str, reach: Mapping[Role, Reach], description: str) -> Right:
    right = Right(name=name, zh=zh, description=description, reach=reach)
    _RIGHTS.append(right)
    return right


_OFFICE = _any(Role.AGENT, Role.DISPATCHER, Role.SUPERVISOR, Role.MANAGER, Role.FOLLOW_UP)
_STAFF = {**_OFFICE, Role.CREW: Reach.ANY}
_OFFICE_AND_DEPARTMENT = {**_OFFICE, Role.CREW: Reach.DEPARTMENT}

READ_CASES = _right(
    "read_cases",
    "查阅工单",
    _OFFICE_AND_DEPARTMENT,
    "Cases, their lists and timelines. Whoever acts on a case needs it for the answer.",
)
READ_NOTICES = _right(
    "read_notices", "查阅通知书", _OFFICE_AND_DEPARTMENT, "Notices of urging and criticisms of a case."
)
READ_CALLERS = _right(
    "read_callers", "查阅来电人", _OFFICE_AND_DEPARTMENT, "The caller of a case: customer, earlier cases, thanks."
)
READ_CUSTOMERS = _right(
    "read_customers",
    "查阅客户档案",
    _any(Role.AGENT, Role.SUPERVISOR, Role.FOLLOW_UP),
    "Any customer, by the account or the telephone.",
)
READ_PARTS = _right("read_parts", "查阅协办", _OFFICE_AND_DEPARTMENT, "Lists of the parts of a department.")
READ_INCIDENTS = _right(
    "read_incidents",
    "查阅突发事件",
    _STAFF,
    "Incidents hold no personal data, and a crew on the road needs those of other departments too.",
)
READ_CANDIDATES = _right(
    "read_candidates",
    "查阅待并工单",
    _any(*CONTROL_ROOM),
    "Cases that match an incident, and are linked to it by name only.",
)
RECORD_CALLS = _right(
    "record_calls", "上报通话", _any(Role.TELEPHONY), "Report calls (来电), as the telephone system does with its key."
)
READ_CALLS = _right(
    "read_calls",
    "查阅通话",
    _any(Role.AGENT, Role.SUPERVISOR, Role.MANAGER, Role.FOLLOW_UP),
    "Lists of calls. Those of a case are read by whoever reads the case.",
)
READ_RECORDINGS = _right(
    "read_recordings",
    "查阅录音",
    _any(Role.SUPERVISOR),
    "Addresses of recordings (录音) in lists of calls; others read null there.",
)
CALL_BACK = _right(
    "call_back",
    "回电",
    _any(Role.AGENT, Role.SUPERVISOR, Role.FOLLOW_UP),
    "Call-backs (回电): list the callers whom nobody answered, and call them back.",
)
CHECK_WITHDRAWALS = _right(
    "check_withdrawals",
    "核对撤销",
    _any(Role.SUPERVISOR),
    "Withdrawals (撤销) by a call that the call does not confirm.",
)
READ_REPORTS = _right(
    "read_reports", "查阅报表", _any(Role.SUPERVISOR, Role.MANAGER), "Reports of a day or month, and of calls."
)
READ_ASSESSMENTS = _right(
    "read_assessments",
    "查阅考核",
    _STAFF,
    "Assessments of months, the cases behind each number, exclusions and objections: they are published.",
)
REQUEST_EXCLUSIONS = _right(
    "request_exclusions", "申请剔除", _OFFICE_AND_DEPARTMENT, "Ask that a case is excluded from assessments (剔除)."
)
DECIDE_EXCLUSIONS = _right(
    "decide_exclusions", "剔除审批", _any(Role.SUPERVISOR), "Decide on exclusions, but on nobody's own."
)
RESEND_LETTERS = _right(
    "resend_letters", "处理未送达", _any(Role.SUPERVISOR, Role.MANAGER), "Dead letters: list them, and send them again."
)
READ_REFERENCE = _right(
    "read_reference",
    "查阅目录与流程",
    _STAFF,
    "The catalogue, the lifecycle, the people of the company, and this table.",
)
RIGHTS = tuple(_RIGHTS)
"""Rights that are no actions: to routes, and `READ_RECORDINGS` to a field."""
KEYED = tuple(role for role in Role if any(role in right.reach for right in RIGHTS))
"""Roles that people and machines with keys have."""
_REACH_OF_ACTIONS = complete(
    "_REACH_OF_ACTIONS",
    STAFF_ROLES | {Role.OWNER, Role.CALLER},
    {**_OFFICE_AND_DEPARTMENT, Role.TELEPHONY: Reach.ANY, Role.OWNER: Reach.OWN, Role.CALLER: Reach.OWN},
)


def right_to(action: AnyAction) -> Right:
    """Return the right to an action: owners and callers do it to their own case, crews to their department's."""
    roles = [role for role in Role if role in {*action.roles, Role.ADMIN} & _REACH_OF_ACTIONS.keys()]
    reach, prefix, needs = {role: _REACH_OF_ACTIONS[role] for role in roles}, "", READ_CASES
    if ASSESSMENT_COMMANDS.get(action.name) is action:
        reach, prefix, needs = dict.fromkeys(roles, Reach.ANY), "assessment_", READ_ASSESSMENTS
    elif INCIDENT_TABLE.get(action.name) is action:
        prefix, needs = "incident_", READ_INCIDENTS
    name = f"{prefix}{action.name}"
    return Right(name=name, zh=action.zh, description=action.description, reach=reach, needs=needs)


RIGHT_TO_REGISTER = replace(right_to(register.ACTION), needs=None)
RIGHT_TO_DECLARE = replace(right_to(declare.ACTION), needs=None)
RIGHT_TO_HAND_OVER = replace(right_to(hand_over.ACTION), needs=None)
"""Right to hand over all cases of a person at once; each case decides as on a single one."""
_COMMANDS: Sequence[AnyAction] = (*COMMANDS.values(), *INCIDENT_COMMANDS.values(), *ASSESSMENT_COMMANDS.values())
ACTION_RIGHTS = (RIGHT_TO_REGISTER, RIGHT_TO_DECLARE, *map(right_to, _COMMANDS))
"""Rights to actions; the first two begin a case or incident, which cannot decide about them yet."""
