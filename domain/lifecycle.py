"""The lifecycle of a complaint as data: states, actions, roles and the table of transitions.

The table is the specification: the case obeys it, the API publishes it, the documentation draws it.
"""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a complaint stands."""

    REGISTERED = "registered"
    DISPATCHED = "dispatched"
    PENDING_REDISPATCH = "pending_redispatch"
    IN_PROGRESS = "in_progress"
    SUSPENDED = "suspended"
    AWAITING_APPROVAL = "awaiting_approval"
    PENDING_REPLY = "pending_reply"
    PENDING_FOLLOW_UP = "pending_follow_up"
    CLOSED = "closed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


STATE_ZH = {
    State.REGISTERED: "已受理",
    State.DISPATCHED: "待签收",
    State.PENDING_REDISPATCH: "待改派",
    State.IN_PROGRESS: "处理中",
    State.SUSPENDED: "挂起",
    State.AWAITING_APPROVAL: "待审批",
    State.PENDING_REPLY: "待回复",
    State.PENDING_FOLLOW_UP: "待回访",
    State.CLOSED: "办结",
    State.REFUSED: "不予受理",
    State.WITHDRAWN: "已撤销",
}

ENDED = frozenset({State.CLOSED, State.REFUSED, State.WITHDRAWN})
OPEN = frozenset(State) - ENDED


class Role(StrEnum):
    """In which capacity somebody acts. `owner` is whoever owns the case; no key is issued for it."""

    AGENT = "agent"
    OWNER = "owner"
    DISPATCHER = "dispatcher"
    CREW = "crew"
    SUPERVISOR = "supervisor"
    MANAGER = "manager"
    FOLLOW_UP = "follow_up"
    CALLER = "caller"
    SYSTEM = "system"
    ADMIN = "admin"


ROLE_ZH = {
    Role.AGENT: "话务员",
    Role.OWNER: "首问责任人",
    Role.DISPATCHER: "派单员",
    Role.CREW: "抢修人员",
    Role.SUPERVISOR: "班长",
    Role.MANAGER: "审批领导",
    Role.FOLLOW_UP: "回访员",
    Role.CALLER: "来电人",
    Role.SYSTEM: "系统",
    Role.ADMIN: "管理员",
}


class Action(StrEnum):
    """What a person can do to a complaint."""

    REGISTER = "register"
    ANSWER = "answer"
    DISPATCH = "dispatch"
    REFUSE = "refuse"
    SIGN_FOR = "sign_for"
    RETURN = "return"
    REJECT_RETURN = "reject_return"
    ARRIVE = "arrive"
    SUSPEND = "suspend"
    RESUME = "resume"
    REQUEST_APPROVAL = "request_approval"
    DECIDE_APPROVAL = "decide_approval"
    COMPLETE = "complete"
    SEND_BACK = "send_back"
    REPLY = "reply"
    FOLLOW_UP = "follow_up"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"
    COMMENT = "comment"
    URGE = "urge"
    SUPERVISE = "supervise"
    REQUEST_EXTENSION = "request_extension"
    DECIDE_EXTENSION = "decide_extension"
    HAND_OVER = "hand_over"
    INVOLVE = "involve"
    LINK_INCIDENT = "link_incident"


ESCALATE = "escalate"
"""The system's own event (升级): a rung of the ladder rang."""
UNDELIVERED = "undelivered"
"""The system's own event (未送达): a notification of this case was given up."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: who may do what, from where, and where it leads.

    Empty `targets` means the state stays. `open` is False for a row that the table reserves and the service
    does not offer yet.
    """

    action: Action
    zh: str
    roles: frozenset[Role]
    sources: frozenset[State]
    targets: tuple[State, ...]
    description: str
    open: bool = True


def _row(
    action: Action,
    zh: str,
    roles: set[Role],
    sources: set[State] | frozenset[State],
    targets: tuple[State, ...],
    description: str,
    *,
    open_: bool = True,
) -> Row:
    return Row(action, zh, frozenset(roles), frozenset(sources), targets, description, open_)


_STAFF = {Role.AGENT, Role.OWNER, Role.DISPATCHER, Role.CREW, Role.SUPERVISOR, Role.MANAGER, Role.FOLLOW_UP}

ROWS: tuple[Row, ...] = (
    _row(Action.REGISTER, "受理", {Role.AGENT}, set(), (State.REGISTERED,), "The agent who takes the call owns the case."),
    _row(
        Action.ANSWER,
        "直接答复",
        {Role.AGENT},
        {State.REGISTERED},
        (State.CLOSED, State.PENDING_FOLLOW_UP),
        "Answered during the call; followed up where the service says so.",
    ),
    _row(
        Action.DISPATCH,
        "派单",
        {Role.AGENT, Role.DISPATCHER},
        {State.REGISTERED, State.PENDING_REDISPATCH},
        (State.DISPATCHED,),
        "Handed to a department.",
    ),
    _row(
        Action.REFUSE,
        "不予受理",
        {Role.DISPATCHER},
        {State.REGISTERED, State.PENDING_REDISPATCH},
        (State.REFUSED,),
        "Not a matter of the company, with the reason.",
    ),
    _row(Action.SIGN_FOR, "签收", {Role.CREW}, {State.DISPATCHED}, (State.IN_PROGRESS,), "The department takes the case."),
    _row(
        Action.RETURN,
        "退单",
        {Role.CREW},
        {State.DISPATCHED, State.IN_PROGRESS},
        (State.PENDING_REDISPATCH,),
        "The department gives the case back, with the reason.",
    ),
    _row(
        Action.REJECT_RETURN,
        "驳回退单",
        {Role.DISPATCHER},
        {State.PENDING_REDISPATCH},
        (State.DISPATCHED,),
        "The return is not accepted: the same department keeps the case.",
    ),
    _row(Action.ARRIVE, "到场", {Role.CREW}, {State.IN_PROGRESS}, (State.IN_PROGRESS,), "The crew is on the spot."),
    _row(
        Action.SUSPEND,
        "挂起",
        {Role.CREW, Role.OWNER},
        {State.IN_PROGRESS},
        (State.SUSPENDED,),
        "The case waits for the caller; every clock pauses.",
    ),
    _row(
        Action.RESUME,
        "恢复",
        {Role.CREW, Role.AGENT, Role.SYSTEM},
        {State.SUSPENDED},
        (State.IN_PROGRESS,),
        "Taken up again, by hand or when the wake date comes.",
    ),
    _row(
        Action.REQUEST_APPROVAL,
        "报批",
        {Role.CREW, Role.AGENT},
        {State.IN_PROGRESS},
        (State.AWAITING_APPROVAL,),
        "Management is asked before the company pays or waives.",
    ),
    _row(
        Action.DECIDE_APPROVAL,
        "审批",
        {Role.MANAGER},
        {State.AWAITING_APPROVAL},
        (State.IN_PROGRESS,),
        "Management approves (批准) or rejects (驳回).",
    ),
    _row(
        Action.COMPLETE,
        "处理完成",
        {Role.CREW},
        {State.IN_PROGRESS},
        (State.PENDING_REPLY,),
        "The work is done; what was done is on record.",
    ),
    _row(
        Action.SEND_BACK,
        "审核退回",
        {Role.SUPERVISOR, Role.OWNER},
        {State.PENDING_REPLY},
        (State.IN_PROGRESS,),
        "The work does not do; the department goes on.",
    ),
    _row(
        Action.REPLY,
        "回复",
        {Role.OWNER},
        {State.PENDING_REPLY},
        (State.PENDING_FOLLOW_UP,),
        "The owner tells the caller what was done.",
    ),
    _row(
        Action.FOLLOW_UP,
        "回访",
        {Role.FOLLOW_UP},
        {State.PENDING_FOLLOW_UP},
        (State.CLOSED, State.DISPATCHED, State.PENDING_FOLLOW_UP),
        "Satisfied closes; dissatisfied opens the next cycle; unreachable is tried again.",
    ),
    _row(
        Action.REOPEN,
        "重开",
        {Role.AGENT, Role.CALLER},
        {State.CLOSED},
        (State.DISPATCHED,),
        "The matter is back, within the window: the next cycle.",
    ),
    _row(
        Action.WITHDRAW,
        "撤销",
        {Role.AGENT},
        OPEN,
        (State.WITHDRAWN,),
        "The caller wishes it ended.",
    ),
    _row(
        Action.COMMENT,
        "补充",
        _STAFF | {Role.CALLER},
        OPEN | {State.CLOSED},
        (),
        "Something to know; resets no clock.",
    ),
    _row(
        Action.URGE,
        "催办",
        {Role.AGENT, Role.SUPERVISOR, Role.CALLER},
        OPEN,
        (),
        "Whoever holds the case is asked to hurry.",
    ),
    _row(Action.SUPERVISE, "督办", {Role.SUPERVISOR, Role.MANAGER}, OPEN, (), "The case is under a supervisor's eyes."),
    _row(
        Action.REQUEST_EXTENSION,
        "申请延期",
        {Role.CREW},
        {State.DISPATCHED, State.IN_PROGRESS, State.AWAITING_APPROVAL},
        (),
        "The department asks for more working days.",
    ),
    _row(
        Action.DECIDE_EXTENSION,
        "延期审批",
        {Role.SUPERVISOR},
        OPEN,
        (),
        "Granted, the caller's clocks get the days; or not.",
    ),
    _row(Action.HAND_OVER, "移交", {Role.SUPERVISOR}, OPEN, (), "The only way to change the owner."),
    _row(
        Action.INVOLVE,
        "协办",
        {Role.DISPATCHER, Role.OWNER},
        {State.DISPATCHED, State.IN_PROGRESS},
        (),
        "A further department is involved.",
        open_=False,
    ),
    _row(
        Action.LINK_INCIDENT,
        "并案",
        {Role.DISPATCHER},
        OPEN,
        (),
        "The case is one of many with one cause.",
        open_=False,
    ),
)

TABLE: dict[Action, Row] = {row.action: row for row in ROWS}


def available(state: State, roles: frozenset[Role]) -> tuple[Action, ...]:
    """The actions that the table offers in `state` to somebody who acts in one of `roles`, in table order."""
    return tuple(row.action for row in ROWS if row.open and state in row.sources and row.roles & roles)


def mermaid() -> str:
    """The table as a Mermaid state diagram, labels in Chinese and English; ends with a newline."""
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value}: {STATE_ZH[state]} {state.value}" for state in State]
    for row in ROWS:
        label = f"{row.zh} {row.action.value}"
        if not row.sources:
            lines += [f"    [*] --> {target.value}: {label}" for target in row.targets]
        lines += [
            f"    {source.value} --> {target.value}: {label}"
            for source in sorted(row.sources)
            for target in row.targets
        ]
    lines += [f"    {state.value} --> [*]" for state in sorted(ENDED)]
    return "\n".join(lines) + "\n"
