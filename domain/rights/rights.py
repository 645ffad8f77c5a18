"""Rights: what a role may read or do, how far, and which personal data (个人信息) it sees. A change is one row here.

Routes, `GET /v1/roles`, the documentation and tests read these tables. Rights to actions are computed from the roles in
the modules of the actions.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from domain.assessment.actions import ASSESSMENT_COMMANDS
from domain.case.actions import COMMANDS, hand_over, register
from domain.case.actions.correct import Correct
from domain.case.intake import Caller, Location
from domain.case.lifecycle import Part
from domain.incident.actions import DECLARE, INCIDENT_COMMANDS, INCIDENT_TABLE
from domain.incident.state import CONTROL_ROOM
from domain.kit.event import AnyAction, Command
from domain.shared.actors import STAFF_ROLES, Actor, Role
from domain.shared.errors import WRONG_ROLE, Refused
from domain.shared.phones import MOBILE, MOBILE_IN_WORDS
from domain.shared.value import NamedCode, exhaustive


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


class AssignedCase(Protocol):
    """Facts of a case that decide whose it is."""

    @property
    def department(self) -> str | None: ...
    @property
    def cycle(self) -> int: ...
    @property
    def parts(self) -> Sequence[Part]: ...


def reaches(right: Right, actor: Actor, case: AssignedCase) -> bool:
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
    "The catalogue, the lifecycle, the people of the company, and the rights.",
)
RIGHTS = tuple(_RIGHTS)
"""Rights that are no actions: to routes, and `READ_RECORDINGS` to a field."""
KEYED = tuple(role for role in Role if any(role in right.reach for right in RIGHTS))
"""Roles that people and machines with keys have."""
_REACH_OF_ACTIONS = exhaustive(
    "_REACH_OF_ACTIONS",
    STAFF_ROLES | {Role.OWNER, Role.CALLER},
    {**_OFFICE_AND_DEPARTMENT, Role.TELEPHONY: Reach.ANY, Role.OWNER: Reach.OWN, Role.CALLER: Reach.OWN},
)


def right_to(action: AnyAction) -> Right:
    """Owners and callers do it to their own case, crews to their department's."""
    roles = [role for role in Role if role in {*action.roles, Role.ADMIN} & _REACH_OF_ACTIONS.keys()]
    reach, prefix, needs = {role: _REACH_OF_ACTIONS[role] for role in roles}, "", READ_CASES
    if ASSESSMENT_COMMANDS.get(action.name) is action:
        reach, prefix, needs = dict.fromkeys(roles, Reach.ANY), "assessment_", READ_ASSESSMENTS
    elif INCIDENT_TABLE.get(action.name) is action:
        prefix, needs = "incident_", READ_INCIDENTS
    name = f"{prefix}{action.name}"
    return Right(name=name, zh=action.zh, description=action.description, reach=reach, needs=needs)


RIGHT_TO_REGISTER = replace(right_to(register.ACTION), needs=None)
RIGHT_TO_DECLARE = replace(right_to(DECLARE), needs=None)
RIGHT_TO_HAND_OVER = replace(right_to(hand_over.ACTION), needs=None)
"""Right to hand over all cases of a person at once; each case decides as on a single one."""
_COMMANDS: Sequence[AnyAction] = (*COMMANDS.values(), *INCIDENT_COMMANDS.values(), *ASSESSMENT_COMMANDS.values())
ACTION_RIGHTS = (RIGHT_TO_REGISTER, RIGHT_TO_DECLARE, *map(right_to, _COMMANDS))
"""Rights to actions; the first two begin a case or incident, which cannot decide about them yet."""


T = TypeVar("T")
STAR = "*"
_DIALLED_MOBILE = re.compile(f"(?:(?:00)?86|0?0?)({MOBILE.pattern})")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]+)?Z")
"""Instant of an answer, in which some digits may look like a telephone number: 01:46:24.921570."""
_TELEPHONE = re.compile(r"[+(]?[0-9](?:[ ()./-]*[0-9]){6,}")
_HOUSE_NUMBER = re.compile("[0-9０-９]|[零〇一二三四五六七八九十百甲乙丙丁]+[号號栋幢座楼室单弄巷]")


def mask_name(name: str) -> str:
    """Keep the first and last character of each word: 陈*生, 陈*, 欧**明, M****t T****r."""
    return " ".join(map(_mask_word, name.split()))


def _mask_word(word: str) -> str:
    if len(word) <= 2:  # noqa: PLR2004 - with fewer than three characters, the last one is the given name
        return word[: len(word) - 1] + STAR
    return word[0] + STAR * (len(word) - 2) + word[-1]


def mask_phone(phone: str) -> str:
    """Keep the first three and last four digits of a mobile number (138****8000), the last two of others."""
    digits = re.sub("[^0-9]", "", phone)
    mobile = _DIALLED_MOBILE.fullmatch(digits)
    return f"{mobile[1][:3]}****{mobile[1][-4:]}" if mobile else _mask_but_last(digits, 2)


def mask_account(account: str) -> str:
    """Keep the last three characters, at most, of the number of an account or meter."""
    return _mask_but_last(account, 3)


def _mask_but_last(text: str, most: int) -> str:
    """Keep the last characters: at most so many, and at most a third of the text."""
    kept = min(most, len(text) // 3)
    return STAR * (len(text) - kept) + text[len(text) - kept :]


def mask_address(address: str) -> str:
    """Keep an address up to the house number; its first half, if there is none. Nothing stays nothing."""
    if not address:
        return ""
    return (street_of(address) if _HOUSE_NUMBER.search(address) else address[: len(address) // 2]) + STAR * 3


def street_of(address: str) -> str:
    """Return an address up to the house number, if it has one; empty if it begins with it."""
    number = _HOUSE_NUMBER.search(address)
    return address[: number.start()] if number else address


def mask_words(text: str) -> str:
    """Mask the mobile numbers in free text. Names in it stay."""
    return MOBILE_IN_WORDS.sub(lambda found: mask_phone(unicodedata.normalize("NFKC", found[0])), text)


def mask_agent(name: str) -> str:
    """Mask telephones in the telephone system's name of an agent: seven digits or more."""
    return _TELEPHONE.sub(lambda found: mask_phone(found[0]), unicodedata.normalize("NFKC", name))


def _hide(_: object) -> None:
    """Of some values, every part tells too much."""


class Sight(NamedCode):
    """Sight that a role has of a field: clear, clear until the case has ended, or masked."""

    CLEAR = "clear", "明文"
    WHILE_OPEN = "while_open", "办结前明文"
    MASKED = "masked", "脱敏"


Mask = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class PersonalData:
    """Kind of personal data: the fields that hold it, each with its mask, and who sees them clear; others do not."""

    name: str
    zh: str
    fields: Mapping[str, Mask]
    sight: Mapping[Role, Sight]

    def sight_of(self, role: Role) -> Sight:
        return self.sight.get(role, Sight.MASKED)


_CLEAR = dict.fromkeys((Role.AGENT, Role.SUPERVISOR, Role.FOLLOW_UP, Role.ADMIN), Sight.CLEAR)
_CREW_TOO = {**_CLEAR, Role.CREW: Sight.WHILE_OPEN}
PERSONAL_DATA = (
    PersonalData(
        name="name", zh="姓名", fields={"caller.name": mask_name, "customer.name": mask_name}, sight=_CREW_TOO
    ),
    PersonalData(
        name="telephone",
        zh="电话",
        fields=dict.fromkeys(("caller.phone", "customer.phone", "call.caller_phone"), mask_phone),
        sight=_CREW_TOO,
    ),
    PersonalData(
        name="account",
        zh="户号",
        fields=dict.fromkeys(("caller.account_no", "customer.account_no", "customer.meter"), mask_account),
        sight=_CREW_TOO,
    ),
    PersonalData(
        name="address",
        zh="地址",
        fields={
            "location.address": mask_address,
            "location.lat": _hide,
            "location.lng": _hide,
            "customer.address": mask_address,
        },
        sight={**_CREW_TOO, Role.DISPATCHER: Sight.CLEAR},
    ),
    PersonalData(
        name="circumstances",
        zh="家庭情况",
        fields={"customer.hardship_grounds": _hide, "customer.notes": _hide},
        sight=_CREW_TOO,
    ),
)
"""A crew has to find the caller and to telephone; a dispatcher has to find the department."""
_GIVEN = (f"{of}.{name}" for of, part in (("caller", Caller), ("location", Location)) for name in part.model_fields)
_KNOWN = {"location.district", *(field for kind in PERSONAL_DATA for field in kind.fields)}
exhaustive("PERSONAL_DATA, or no personal data", _GIVEN, _KNOWN)


@cache
def masks_for(role: Role, *, ended: bool) -> Mapping[str, Mask]:
    """Masks by field. `ended`: the case has ended; else it is open."""
    clear = {Sight.CLEAR} if ended else {Sight.CLEAR, Sight.WHILE_OPEN}
    return {
        field: mask for kind in PERSONAL_DATA if kind.sight_of(role) not in clear for field, mask in kind.fields.items()
    }


def masked(value: T, masks: Mapping[str, Mask]) -> tuple[T, list[str]]:
    """Mask fields of JSON or models wherever they stand; return the names of those fields as well, each once.

    Names are those of the object and its field: `caller.phone`. A masked model is a copy that is not valid: no
    telephone has stars.
    """
    found = dict[str, None]()
    return _masked(value, masks, found) if masks else value, list(found)


def _masked(value: Any, masks: Mapping[str, Mask], found: dict[str, None], field: str = "") -> Any:  # noqa: ANN401 - JSON or models
    if field in masks and value is not None:
        found[field] = None
        return masks[field](value)
    match value:
        case dict():
            name = field.rpartition(".")[2]
            return {key: _masked(each, masks, found, f"{name}.{key}") for key, each in value.items()}
        case BaseModel():
            parts = _masked(vars(value), masks, found, field)
            # A field that was not given stays one: some models write those alone that were.
            return value.model_copy(update={name: each for name, each in parts.items() if each != getattr(value, name)})
        case list() | tuple() | set() | frozenset():
            make: Callable[[Iterable[Any]], Any] = getattr(value, "_make", type(value))  # that of a named tuple
            return make(_masked(each, masks, found, field) for each in value)
        case str() if not _INSTANT.fullmatch(value):
            words = mask_words(value)
            return value if words == value else words  # a code stays of its type
    return value


def refuse_masked(command: Command[Any]) -> None:
    """Raise Refused if the person corrects (更正) what they see masked: that nothing changes would confirm a guess."""
    body, role = command.body, command.actor.role
    if not isinstance(body, Correct):
        return
    masks = masks_for(role, ended=False)
    if body.caller is not None and "caller.phone" in masks:
        message = f"The caller is masked for the role {role}; correct it without the caller."
        raise Refused(WRONG_ROLE, message, (("不含来电人的更正", "a correction without caller"),))
    if body.location is not None and "location.address" in masks and body.location.model_fields_set - {"district"}:
        message = f"The address is masked for the role {role}; correct the district alone."
        raise Refused(WRONG_ROLE, message, (("地址中只填区域", "a location with district alone"),))
