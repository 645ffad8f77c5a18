"""Rights: what a role may read or do, and how far. Whoever changes a right changes one row here.

Routes, `GET /v1/roles`, the documentation and tests read this table. Rights to actions are computed from the roles in
the modules of the actions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from domain.assessment.actions import ASSESSMENT_COMMANDS
from domain.case.actions import COMMANDS, hand_over, register
from domain.case.parts import Part
from domain.incident.actions import INCIDENT_COMMANDS, INCIDENT_TABLE, declare
from domain.incident.lifecycle import CONTROL_ROOM
from domain.shared.actors import Actor, Role
from domain.shared.event import AnyAction
from domain.shared.value import NamedCode


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
    def department(self) -> str | None:
        """Department that has the case."""

    @property
    def cycle(self) -> int:
        """Present cycle."""

    @property
    def parts(self) -> Sequence[Part]:
        """Parts of further departments."""


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


_OFFICE = _any(Role.AGENT, Role.DISPATCHER, Role.SUPERVISOR, Role.MANAGER, Role.FOLLOW_UP)
_STAFF = {**_OFFICE, Role.CREW: Reach.ANY}
_OFFICE_AND_DEPARTMENT = {**_OFFICE, Role.CREW: Reach.DEPARTMENT}

READ_CASES = Right(
    name="read_cases",
    zh="查阅工单",
    description="Cases, their lists and timelines. Whoever acts on a case needs it for the answer.",
    reach=_OFFICE_AND_DEPARTMENT,
)
READ_NOTICES = Right(
    name="read_notices",
    zh="查阅通知书",
    description="Notices of urging and criticisms of a case.",
    reach=_OFFICE_AND_DEPARTMENT,
)
READ_CALLERS = Right(
    name="read_callers",
    zh="查阅来电人",
    description="The caller of a case: customer, earlier cases, thanks.",
    reach=_OFFICE_AND_DEPARTMENT,
)
READ_CUSTOMERS = Right(
    name="read_customers",
    zh="查阅客户档案",
    description="Any customer, by the account or the telephone.",
    reach=_any(Role.AGENT, Role.SUPERVISOR, Role.FOLLOW_UP),
)
READ_PARTS = Right(
    name="read_parts",
    zh="查阅协办",
    description="Lists of the parts of a department.",
    reach=_OFFICE_AND_DEPARTMENT,
)
READ_INCIDENTS = Right(
    name="read_incidents",
    zh="查阅突发事件",
    description="Incidents hold no personal data, and a crew on the road needs those of other departments too.",
    reach=_STAFF,
)
READ_CANDIDATES = Right(
    name="read_candidates",
    zh="查阅待并工单",
    description="Cases that match an incident, and are linked to it by name only.",
    reach=_any(*CONTROL_ROOM),
)
RECORD_CALLS = Right(
    name="record_calls",
    zh="上报通话",
    description="Report calls (来电), as the telephone system does with its key.",
    reach=_any(Role.TELEPHONY),
)
READ_CALLS = Right(
    name="read_calls",
    zh="查阅通话",
    description="Lists of calls. Those of a case are read by whoever reads the case.",
    reach=_any(Role.AGENT, Role.SUPERVISOR, Role.MANAGER, Role.FOLLOW_UP),
)
CALL_BACK = Right(
    name="call_back",
    zh="回电",
    description="Call-backs (回电): list the callers whom nobody answered, and call them back.",
    reach=_any(Role.AGENT, Role.SUPERVISOR, Role.FOLLOW_UP),
)
CHECK_WITHDRAWALS = Right(
    name="check_withdrawals",
    zh="核对撤销",
    description="Withdrawals (撤销) by a call that the call does not confirm.",
    reach=_any(Role.SUPERVISOR),
)
READ_RECORDINGS = Right(
    name="read_recordings",
    zh="查阅录音",
    description="Addresses of recordings (录音) in lists of calls; others read null there.",
    reach=_any(Role.SUPERVISOR),
)
READ_REPORTS = Right(
    name="read_reports",
    zh="查阅报表",
    description="Reports of a day or month, and of calls.",
    reach=_any(Role.SUPERVISOR, Role.MANAGER),
)
READ_ASSESSMENTS = Right(
    name="read_assessments",
    zh="查阅考核",
    description="Assessments of months, the cases behind each number, exclusions and objections: they are published.",
    reach=_STAFF,
)
REQUEST_EXCLUSIONS = Right(
    name="request_exclusions",
    zh="申请剔除",
    description="Ask that a case is excluded from assessments (剔除).",
    reach=_OFFICE_AND_DEPARTMENT,
)
DECIDE_EXCLUSIONS = Right(
    name="decide_exclusions",
    zh="剔除审批",
    description="Decide on exclusions, but on nobody's own.",
    reach=_any(Role.SUPERVISOR),
)
RESEND_LETTERS = Right(
    name="resend_letters",
    zh="处理未送达",
    description="Dead letters: list them, and send them again.",
    reach=_any(Role.SUPERVISOR, Role.MANAGER),
)
READ_REFERENCE = Right(
    name="read_reference",
    zh="查阅目录与流程",
    description="The catalogue, the lifecycle, the people of the company, and this table.",
    reach=_STAFF,
)
RIGHTS = (
    READ_CASES,
    READ_NOTICES,
    READ_CALLERS,
    READ_CUSTOMERS,
    READ_PARTS,
    READ_INCIDENTS,
    READ_CANDIDATES,
    RECORD_CALLS,
    READ_CALLS,
    READ_RECORDINGS,
    CALL_BACK,
    CHECK_WITHDRAWALS,
    READ_REPORTS,
    READ_ASSESSMENTS,
    REQUEST_EXCLUSIONS,
    DECIDE_EXCLUSIONS,
    RESEND_LETTERS,
    READ_REFERENCE,
)
"""Rights that are no actions: to routes, and `READ_RECORDINGS` to a field."""
KEYED = tuple(role for role in Role if any(role in right.reach for right in RIGHTS))
"""Roles that people and machines with keys have."""
_REACH_OF_ACTIONS = {Role.OWNER: Reach.OWN, Role.CALLER: Reach.OWN, Role.CREW: Reach.DEPARTMENT}


def right_to(action: AnyAction) -> Right:
    """Return the right to an action: owners and callers do it to their own case, crews to their department's."""
    roles = [role for role in Role if role in {*action.roles, Role.ADMIN} - {Role.SYSTEM}]
    if ASSESSMENT_COMMANDS.get(action.name) is action:
        return _right_to(action, "assessment_", dict.fromkeys(roles, Reach.ANY), READ_ASSESSMENTS)
    reach = {role: _REACH_OF_ACTIONS.get(role, Reach.ANY) for role in roles}
    if INCIDENT_TABLE.get(action.name) is action:
        return _right_to(action, "incident_", reach, READ_INCIDENTS)
    return _right_to(action, "", reach, READ_CASES)


def _right_to(action: AnyAction, prefix: str, reach: Mapping[Role, Reach], needs: Right) -> Right:
    name = f"{prefix}{action.name}"
    return Right(name=name, zh=action.zh, description=action.description, reach=reach, needs=needs)


REGISTER = replace(right_to(register.ACTION), needs=None)
DECLARE = replace(right_to(declare.ACTION), needs=None)
HAND_OVER = replace(right_to(hand_over.ACTION), needs=None)
"""Right to hand over all cases of a person at once; each case decides as on a single one."""
_COMMANDS: Sequence[AnyAction] = (*COMMANDS.values(), *INCIDENT_COMMANDS.values(), *ASSESSMENT_COMMANDS.values())
ACTION_RIGHTS = (REGISTER, DECLARE, *map(right_to, _COMMANDS))
"""Rights to actions; the first two begin a case or incident, which cannot decide about them yet."""
