"""Words of the desk, each in Chinese and English: what its pages show is a word, never a code."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from api.reports.readable import ANSWERS
from domain.calendar.work_calendar import on_the_wall
from domain.case.actions import TABLE, decide_approval, decide_credit, decide_extension, dispatch, link_incident
from domain.case.actions.link_incident import OwnMatter
from domain.case.case import Case
from domain.case.decide import CASE_KINDS
from domain.case.intake import CHANNELS
from domain.case.lifecycle import BY, STATES, UNSIGNED, State
from domain.case.progress import LIMIT_REACHED
from domain.case.views import CaseView
from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import CLOCKS
from domain.incident.actions import INCIDENT_TABLE
from domain.incident.incident import INCIDENT_KINDS
from domain.incident.state import LINKABLE, NOT_LINKED, PLACE_UNKNOWN, IncidentState, Scope
from domain.kit.event import BaseAction, BaseEvent, BaseKind
from domain.shared.actors import Role
from domain.shared.value import RFC_3339, NamedCode, Phrase, english, exhaustive
from readmodel.cases.search_terms import phone_term
from workflows.complaint.details import FLAG_ZH, RECIPIENTS, SLA_ZH, TELEPHONES
from workflows.incident.messages import OUTCOMES, scope_in_words


def of_code(member: NamedCode) -> Phrase:
    return member.zh, english(member.value).capitalize()


def of_kind(kind: BaseKind[Any, Any]) -> Phrase:
    return kind.zh, english(kind.name).capitalize()


FIELDS: Mapping[str, Phrase] = {
    "account_no": ("用户号", "Account"),
    "address": ("地址", "Address"),
    "amount": ("金额", "Amount"),
    "approved": ("决定", "Decision"),
    "assignee": ("经办人", "Assignee"),
    "calls": ("来电数", "Calls"),
    "call_id": ("来电编号", "Call"),
    "cases": ("并入工单", "Cases"),
    "channel": ("来电渠道", "Channel"),
    "contacted": ("是否联系上", "Contacted"),
    "credit": ("补偿序号", "Credit"),
    "department": ("部门", "Department"),
    "description": ("诉求内容", "What the caller says"),
    "district": ("区域", "District"),
    "districts": ("区域", "Districts"),
    "expected_at": ("预计恢复时间", "Water expected back"),
    "fill": ("按客户档案补全", "Fill in from the registry"),
    "findings": ("查实情况", "Findings"),
    "format": ("文件格式", "File format"),
    "ground": ("理由", "Ground"),
    "grounds": ("依据", "Grounds"),
    "incident": ("突发事件", "Incident"),
    "into": ("并入事件", "Merged into"),
    "kind": ("类别", "Kind"),
    "lat": ("纬度", "Latitude"),
    "lng": ("经度", "Longitude"),
    "message": ("答复内容", "Words to the caller"),
    "message_en": ("通报内容（英文）", "News in English"),
    "month": ("月份", "Month"),
    "name": ("姓名", "Name"),
    "note": ("备注", "Note"),
    "outcome": ("回访结果", "Outcome"),
    "owner": ("首问责任人", "Owner"),
    "phone": ("联系电话", "Telephone"),
    "previous_owner": ("原首问责任人", "Former owner"),
    "priority": ("优先级", "Priority"),
    "q": ("搜索", "Search"),
    "radius_m": ("半径（米）", "Radius in metres"),
    "reason": ("原因", "Reason"),
    "result": ("处理结果", "What was done"),
    "satisfaction": ("满意度", "Satisfaction"),
    "scope": ("范围", "Scope"),
    "service": ("服务项目", "Service"),
    "service_code": ("服务项目", "Service"),
    "services": ("服务项目", "Services"),
    "since": ("起算时间", "Since"),
    "solved": ("是否解决", "Solved"),
    "state": ("状态", "State"),
    "streets": ("路段", "Streets"),
    "subject": ("事项", "Matter"),
    "takes_over": ("接手部门的工作", "Takes over from"),
    "task": ("任务", "Task"),
    "thanked": ("表扬对象", "Thanks are for"),
    "title": ("标题", "Title"),
    "wake_at": ("恢复时间", "Wakes at"),
    "working_days": ("工作日数", "Working days"),
    "Inform.message": ("通报内容", "News to the callers"),
}
"""Fields of the bodies of actions and of an intake, by their name in the body or in its caller and location.

A name after that of a model is the field of that model alone.
"""
VALUES: Mapping[str, Phrase] = {
    **ANSWERS,
    "funded_repair": ("公司出资维修", "repair at the company's cost"),
    "waiver": ("减免", "waiver"),
    "settlement": ("协商结算", "settlement"),
    "credit": ("补偿", "credit"),
    LIMIT_REACHED: ("已达上限", "limit reached"),
    "household": ("居民", "household"),
    "business": ("单位", "business"),
    **{channel.code: (channel.name_zh, channel.name) for channel in CHANNELS},
    **{code: (code, code) for code in ("P1", "P2", "P3", "P4", "P5")},
}
"""Values of fields that have few."""
DECISIONS: Mapping[str, Phrase] = {"true": ("同意", "Approve"), "false": ("不同意", "Reject")}
"""Choices of a decision."""
NAMED: Mapping[str, Phrase] = {
    **FIELDS,
    "location": FIELDS["address"],
    **VALUES,
    **OUTCOMES,
    **{member.value: of_code(member) for kind in (Role, State) for member in kind},
    **{name: of_kind(kind) for kinds in (INCIDENT_KINDS, CASE_KINDS) for name, kind in kinds.items()},
}
"""Words for what problems name as accepted, which count before names of the catalogue."""

EFFECTS: Mapping[str, Phrase] = {
    "reinstate": (
        "工单恢复到撤销前的状态，协办和审批一并恢复；撤销期间不计时，已超时的仍记超时。",
        "The case returns to its state, with parts and approvals. The time away does not count; misses stay.",
    ),
    "send_back": (
        "由原部门继续处理；处理时限接着计时，完成以来的时间也计入。",
        "The department goes on. Its clock to resolve runs on, and counts the time since the completion as well.",
    ),
    "dispatch": (
        "改派后新部门重新计时，并重新获得退单时间；原部门已超时的仍记在原部门。",
        "Another department gets new clocks and new time to return the case. What the former one missed stays its own.",
    ),
    "link_incident": (
        "退出并案后，部门时限恢复计时，不再自动并入突发事件。",
        "Unlinked, the department's clocks run again, and no incident takes the case by itself.",
    ),
}
"""Effects of what takes something back, on clocks and figures (docs/what.md)."""
UNDO: Mapping[str, Phrase] = {
    name: (zh, done.capitalize())
    for name, (zh, done) in {"dispatch": dispatch.REDIRECT, "link_incident": link_incident.UNLINK}.items()
}
"""Names of actions where they take something back."""
HINTS: Mapping[str, Phrase] = {
    "correct": (
        "已填现有内容，只改有误的项；清空即删除。只改地址不改经纬度的，原经纬度作废。",
        "Change what is wrong; an emptied input removes its fact. Another address drops coordinates left as they are.",
    ),
    "decide_approval": (
        "选了类别的报批，须填写原因或备注。",
        "A request of a kind needs a reason or a note.",
    ),
    "decide_credit": ("不同意的，须填写原因或备注。", "A rejection needs a reason or a note."),
    "follow_up": (
        "只选回访结果；或不选回访结果，选是否联系上：未联系上的不选其他，已联系上的同时选是否解决和满意度。",
        "The outcome alone; or without it, if the caller was contacted, and if so, Solved and Satisfaction as well.",
    ),
    "request_approval": ("选了类别的，须同时填写金额和依据。", "With a kind, the amount and the grounds are needed."),
    "revoke_links": (
        "此前发给来电人的链接和打印在派工单上的链接一并失效。",
        "Links sent to the caller and those on printed work orders open nothing any more.",
    ),
}
"""Hints above the inputs of a form."""

ACTIONS: Mapping[str, BaseAction[Any, Any, Any]] = {**INCIDENT_TABLE, **TABLE}
"""Actions on incidents and cases: those of one name have the same words."""
_DECISIONS = {decide_approval.ACTION.name, decide_credit.ACTION.name, decide_extension.ACTION.name}
_GIVEN_UP = {State.REFUSED, State.WITHDRAWN}


def words_of(field: str, model: type[Any] | None = None) -> Phrase:
    """Name of a field of a model; of one without a row, the name that it has in the interface."""
    own = f"{model.__name__}.{field}" if model else field
    return FIELDS.get(own) or FIELDS.get(field) or (field, english(field).capitalize())


def of_action(name: str) -> Phrase:
    return of_kind(ACTIONS[name])


def of_event(event: BaseEvent, kind: BaseKind[Any, Any]) -> Phrase:
    zh, done = kind.done(event)
    return zh, done.capitalize()


def on_case(name: str, case: CaseView) -> Phrase:
    """Name of an action on a case: what dispatches one of a department redirects it."""
    return UNDO[name] if name == dispatch.ACTION.name and case.department else of_action(name)


def of_sla(sla: str, *, overdue: bool) -> Phrase | None:
    """Word for how the promises of a case stand; None while it is on time. `overdue` is one late now."""
    if sla == "missed":
        return LATE if overdue else WAS_LATE
    return None if sla == "on_time" else SLA[sla]


def of_flag(flag: str) -> Phrase:
    return FLAG_ZH.get(flag, flag), english(flag).capitalize()


def takes_back(case: CaseView) -> list[str]:
    """Actions possible now that undo something: each has its effect in `EFFECTS`."""
    is_undo = {"dispatch": case.department is not None, "link_incident": case.incident is not None}
    return [name for name in case.available_actions if name in EFFECTS and is_undo.get(name, True)]


def left_by(name: str, case: CaseView, body: Mapping[str, Any]) -> str | None:
    """Return the incident or department that an action takes a case from; None if it takes it from none."""
    if name == "link_incident":
        return case.incident if body.get("incident") is None else None
    moves = case.state is State.PENDING_REDISPATCH or case.department != body.get("department")
    return case.department if name == "dispatch" and moves else None


def in_order(case: CaseView, *, waits: bool) -> list[tuple[str, int]]:
    """Actions possible now, each with its rank: by what the case waits for; none is first if that is its incident.

    Decisions and steps into a later phase (0), steps within the phase (1), words (2), what takes back or gives up (3).
    """
    here, undo = STATES[case.state].phase.value, takes_back(case)

    def rank(name: str) -> int:
        targets, phase = TABLE[name].targets, _leads_to(name)
        if name in _DECISIONS or phase > here:
            return 0
        if name in undo or (targets and phase < here):
            return 3
        return 1 if targets else 2

    first = 2 if waits and case.state in UNSIGNED else 0
    return [(name, max(rank(name), first)) for name in sorted(case.available_actions, key=rank)]


def _leads_to(name: str) -> int:
    """Return the latest phase to which an action leads; 0 for one that leads nowhere, or gives the case up."""
    return max((STATES[each].phase.value for each in TABLE[name].targets if each not in _GIVEN_UP), default=0)


def steps_of_others(case: CaseView, names: "Names", deciders: str) -> Iterator[tuple[Phrase, str]]:
    """Yield the next steps of a case, each with who may take it; nothing if its reader may take one.

    A crew is named by its department. `deciders` are those who decide on what the case asks for.
    """
    possible = {name: action for name, action in TABLE.items() if case.state in action.sources}
    # A decision is a step if the case waits for it alone; others stand beside the steps.
    waits_for = _DECISIONS & {name for name, action in possible.items() if len(action.sources) == 1}
    steps = [name for name in possible if name in waits_for or _leads_to(name) > STATES[case.state].phase.value]
    if not {*steps} & {*case.available_actions}:
        for name in steps:
            roles = [role for role in Role if role in TABLE[name].roles]
            yield (
                on_case(name, case),
                names.say(("、", " or ")).join(
                    deciders
                    if deciders and name == decide_approval.ACTION.name
                    else names.department(case.department)
                    if role is Role.CREW and case.department
                    else names.say((role.zh, BY[role]))
                    for role in roles
                ),
            )


SLA: Mapping[str, Phrase] = {code: (zh, english(code)) for code, zh in SLA_ZH.items()}
LATE: Phrase = ("超时", "late")
WAS_LATE: Phrase = ("曾超时", "was late")
"""Word for a case whose missed promise is kept by now, or over: what it has still to keep is ahead."""
CLOCK: Mapping[str, Phrase] = {name: (row.zh, english(name).capitalize()) for name, row in CLOCKS.items()}
REASONS: Mapping[str, Phrase] = {
    **{matter.value: of_code(matter) for matter in OwnMatter},
    PLACE_UNKNOWN: ("位置不明", "Place unknown"),
    NOT_LINKED: ("尚未并入", "Not taken"),
}
"""Reasons why an incident does not take a case by itself."""
WAITS: Mapping[IncidentState, Phrase] = {
    IncidentState.SUSPECTED: ("待确认", "which waits to be confirmed"),
    IncidentState.CONFIRMED: ("待派单", "which waits for dispatch"),
    IncidentState.DISPATCHED: ("待签收", "which its department has to sign for"),
    IncidentState.IN_PROGRESS: ("正在处理", "which is in progress"),
}
"""Words on the incident that a case waits for, by its state."""
exhaustive("WAITS", LINKABLE, WAITS)


class Names(NamedTuple):
    """Names by code in one language, and the local time, as a template asks for them."""

    catalogue: Catalogue
    zh: bool

    def say(self, words: Phrase) -> str:
        return words[0 if self.zh else 1]

    def among(self, section: Iterable[Any], code: str | None) -> str:
        """Name of the code in this section of the catalogue; the code itself if it has no such code any more."""
        found = next((each for each in section if each.code == code), None)
        return self.say((found.name_zh, found.name)) if found else code or ""

    def service(self, code: str) -> str:
        return self.among(self.catalogue.services, code)

    def district(self, code: str | None) -> str:
        return self.among(self.catalogue.districts, code)

    def department(self, code: str | None) -> str:
        return self.among(self.catalogue.departments, code)

    def post(self, name: str) -> str:
        """Name of a post in this language, if the catalogue writes it in both."""
        return " ".join(part for part in name.split() if part.isascii() is not self.zh) or name

    def dialled(self, phone: str) -> str:
        """As a mobile telephone dials it: with the company's area code if it has none."""
        return phone.replace(" ", "") if phone.startswith("+") else phone_term(phone, self.catalogue.area_code)

    def word(self, code: str) -> str:
        """Word for what a problem names; what is in words already stays."""
        if RFC_3339.fullmatch(code):
            return self.local(datetime.fromisoformat(code))
        if code in NAMED:
            return self.say(NAMED[code])
        sections = (self.catalogue.departments, self.catalogue.findings, self.catalogue.exemptions)
        return self.among(chain(*sections, self.catalogue.services, self.catalogue.districts), code)

    def local(self, at: datetime | None) -> str:
        """To the minute; empty for None."""
        return f"{on_the_wall(at, self.catalogue.calendar.timezone):%Y-%m-%d %H:%M}" if at else ""

    def scope(self, scope: Scope) -> str:
        return scope_in_words(scope, lambda section, code: self.among(getattr(self.catalogue, section), code), self.say)


def of_recipient(case: Case, names: Names, address: str) -> str:
    """Recipient in words; `address` is a kind, or `kind:name`."""
    kind, _, name = address.partition(":")
    if kind == "department":
        return names.department(name)
    who = "" if kind in TELEPHONES or not name else case.people.get(name) or names.department(name)
    return f"{names.say(RECIPIENTS.get(kind, (kind, kind)))} {who}".strip()
