"""The lifecycle of a complaint as data: states, actions, roles and the table of transitions.

The table is the specification: the case obeys it, the API publishes it, the documentation draws it.
"""

from collections.abc import Set as AbstractSet
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
    RELEASE = "release"
    LINK_INCIDENT = "link_incident"
    DECIDE_CREDIT = "decide_credit"


ESCALATE = "escalate"
"""The system's own event (升级): a rung of the ladder rang."""
NOTICE = "notice"
"""The system's own event (催办通知书): the promise to settle the matter is missed, and the notice of it is due."""
CRITICISE = "criticise"
"""The system's own event (通报批评): it was not kept after the notice either."""
UNDELIVERED = "undelivered"
"""The system's own event (未送达): a notification of this case did not get through."""
CATALOGUE_CHANGE = "catalogue_change"
"""The system's own event (改用新服务目录): another catalogue is in force, and the case is held to its terms."""
RECOGNISE = "recognise"
"""The system's own event (补充识别): what is known of the caller came too late for the intake."""
CANCELLATION = "cancellation_requested"
"""The system's own event (请求取消): somebody asked Temporal to cancel the workflow, which changes nothing."""
CREDIT = "credit"
"""The system's own event (自动补偿): the company owes something for a promise that it missed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: who may do what, from where, and where it leads. Empty `targets`: the state stays."""

    action: Action
    zh: str
    roles: AbstractSet[Role]
    sources: AbstractSet[State]
    targets: tuple[State, ...]
    description: str


A, R, S = Action, Role, State  # short, so that a row of the table stays a row
_STAFF = {R.AGENT, R.OWNER, R.DISPATCHER, R.CREW, R.SUPERVISOR, R.MANAGER, R.FOLLOW_UP}
_TO_DISPATCH = {S.REGISTERED, S.PENDING_REDISPATCH}
_AT_WORK = {S.DISPATCHED, S.IN_PROGRESS}

ROWS: tuple[Row, ...] = (
    Row(A.REGISTER, "受理", {R.AGENT}, set(), (S.REGISTERED,), "The agent who takes the call owns the case."),
    Row(
        A.ANSWER,
        "直接答复",
        {R.AGENT},
        {S.REGISTERED},
        (S.CLOSED, S.PENDING_FOLLOW_UP),
        "Answered during the call; followed up if so promised.",
    ),
    Row(
        A.DISPATCH,
        "派单",
        {R.AGENT, R.DISPATCHER},
        _TO_DISPATCH | {S.DISPATCHED},
        (S.DISPATCHED,),
        "Handed to a department; before it is signed for, to another one (改派).",
    ),
    Row(A.REFUSE, "不予受理", {R.DISPATCHER}, _TO_DISPATCH, (S.REFUSED,), "No matter of the company, with the reason."),
    Row(A.SIGN_FOR, "签收", {R.CREW}, {S.DISPATCHED}, (S.IN_PROGRESS,), "The department takes the case."),
    Row(
        A.RETURN, "退单", {R.CREW}, _AT_WORK, (S.PENDING_REDISPATCH,), "The department gives it back, with the reason."
    ),
    Row(
        A.REJECT_RETURN,
        "驳回退单",
        {R.DISPATCHER},
        {S.PENDING_REDISPATCH},
        (S.DISPATCHED,),
        "The return is not accepted: the same department keeps the case.",
    ),
    Row(A.ARRIVE, "到场", {R.CREW}, {S.IN_PROGRESS}, (S.IN_PROGRESS,), "The crew is on the spot."),
    Row(
        A.SUSPEND,
        "挂起",
        {R.CREW, R.OWNER},
        {S.IN_PROGRESS},
        (S.SUSPENDED,),
        "The case waits for the caller; every clock pauses.",
    ),
    Row(
        A.RESUME,
        "恢复",
        {R.CREW, R.AGENT, R.SYSTEM},
        {S.SUSPENDED},
        (S.IN_PROGRESS,),
        "Taken up again, by hand or when the wake date comes.",
    ),
    Row(
        A.REQUEST_APPROVAL,
        "报批",
        {R.CREW, R.AGENT},
        {S.IN_PROGRESS},
        (S.AWAITING_APPROVAL,),
        "Management is asked before the company pays or waives.",
    ),
    Row(
        A.DECIDE_APPROVAL,
        "审批",
        {R.MANAGER},
        {S.AWAITING_APPROVAL},
        (S.IN_PROGRESS, S.AWAITING_APPROVAL),
        "Management approves (批准) or rejects (驳回); where several decide in turn, it waits for the next.",
    ),
    Row(
        A.COMPLETE,
        "处理完成",
        {R.CREW},
        {S.IN_PROGRESS},
        (S.PENDING_REPLY, S.IN_PROGRESS),
        "The work is done; what was done is on record. Departments that still have a part are waited for.",
    ),
    Row(
        A.SEND_BACK,
        "审核退回",
        {R.SUPERVISOR, R.OWNER},
        {S.PENDING_REPLY},
        (S.IN_PROGRESS,),
        "The work does not do; the department goes on.",
    ),
    Row(
        A.REPLY,
        "回复",
        {R.OWNER},
        {S.PENDING_REPLY},
        (S.PENDING_FOLLOW_UP,),
        "The owner tells the caller what was done.",
    ),
    Row(
        A.FOLLOW_UP,
        "回访",
        {R.FOLLOW_UP},
        {S.PENDING_FOLLOW_UP},
        (S.CLOSED, S.DISPATCHED, S.PENDING_FOLLOW_UP),
        "Satisfied closes; dissatisfied opens the next cycle; unreachable is tried again.",
    ),
    Row(
        A.REOPEN,
        "重开",
        {R.AGENT, R.CALLER},
        {S.CLOSED},
        (S.DISPATCHED,),
        "It is back, within the window: the next cycle.",
    ),
    Row(A.WITHDRAW, "撤销", {R.AGENT}, OPEN, (S.WITHDRAWN,), "The caller wishes it ended."),
    Row(A.COMMENT, "补充", _STAFF | {R.CALLER}, OPEN | {S.CLOSED}, (), "Something to know; resets no clock."),
    Row(A.URGE, "催办", {R.AGENT, R.SUPERVISOR, R.CALLER}, OPEN, (), "Whoever holds the case is asked to hurry."),
    Row(A.SUPERVISE, "督办", {R.SUPERVISOR, R.MANAGER}, OPEN, (), "The case is under a supervisor's eyes."),
    Row(
        A.REQUEST_EXTENSION,
        "申请延期",
        {R.CREW},
        _AT_WORK | {S.AWAITING_APPROVAL},
        (),
        "More working days are asked for.",
    ),
    Row(A.DECIDE_EXTENSION, "延期审批", {R.SUPERVISOR}, OPEN, (), "Granted, the caller's clocks get the days; or not."),
    Row(A.HAND_OVER, "移交", {R.SUPERVISOR}, OPEN, (), "The only way to change the owner."),
    Row(
        A.INVOLVE,
        "协办",
        {R.DISPATCHER, R.OWNER},
        _AT_WORK,
        (),
        "A further department gets a part, with its own clocks.",
    ),
    Row(
        A.RELEASE,
        "撤回协办",
        {R.DISPATCHER, R.OWNER},
        _AT_WORK | {S.PENDING_REDISPATCH, S.SUSPENDED, S.AWAITING_APPROVAL},
        (),
        "A part is not needed any more; was it the last one that was waited for, the reply is due.",
    ),
    Row(
        A.LINK_INCIDENT,
        "并案",
        {R.DISPATCHER, R.OWNER, R.SYSTEM},
        OPEN - {S.PENDING_FOLLOW_UP},
        (),
        "One of many cases with one cause (突发事件); it is completed and replied to with them.",
    ),
    Row(
        A.DECIDE_CREDIT,
        "补偿审批",
        {R.MANAGER},
        frozenset(State),
        (),
        "A credit that the company owes for a missed promise: management approves or rejects it, in turn.",
    ),
)

TABLE: dict[Action, Row] = {row.action: row for row in ROWS}


def mermaid() -> str:
    """The table as a Mermaid state diagram, labels in Chinese and English; ends with a newline.

    What changes no state is listed in a note, instead of one loop at each of many states.
    """
    lines = ["stateDiagram-v2"]
    lines += [f"    {state.value}: {STATE_ZH[state]} {state.value}" for state in State]
    lines += [
        f"    {source} --> {target.value}: {row.zh} {row.action.value}"
        for row in ROWS
        for source in ([state.value for state in sorted(row.sources)] or ["[*]"])
        for target in row.targets
    ]
    lines += [f"    {state.value} --> [*]" for state in sorted(ENDED)]
    lines += ["    note right of registered", "        Without a change of state 不改变状态"]
    lines += [f"        {row.zh} {row.action.value}" for row in ROWS if not row.targets]
    return "\n".join([*lines, "    end note"]) + "\n"
