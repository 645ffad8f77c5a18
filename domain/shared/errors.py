"""Refusals of the domain, errors that end a command with a message, and pydantic's errors explained for people."""

from collections.abc import Container, Iterable, Sequence
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from domain.shared.phones import PHONE
from domain.shared.value import CALL_ID, LINES, ONE_LINE, RECORDING_URL, Phrase


class ProblemType(NamedTuple):
    """Type of a refusal: whose mistake it is, a stable code, and a title that clients show, in English and Chinese.

    `kind` is `forbidden` (the person), `conflict` (the state), `precondition` (the version) or `invalid` (the words).
    """

    kind: Literal["conflict", "forbidden", "invalid", "precondition"]
    code: str
    title: str
    zh: str

    @property
    def error_type(self) -> str:
        """Type of the error by which a workflow refuses."""
        return f"{self.kind}:{self.code}"


Accepted = str | Phrase
"""Accepted instead: a code or an example, as it is sent, or words in Chinese and English."""


class Refused(Exception):  # noqa: N818 - a refusal is an answer, and no error
    """A command that is not accepted; nothing has changed. `accepted` lists what would be accepted instead."""

    def __init__(self, problem: ProblemType, message: str, accepted: tuple[Accepted, ...] = ()) -> None:
        super().__init__(message)
        self.kind = problem.kind
        self.code = problem.code
        self.zh = problem.zh
        self.message = message
        self.accepted = accepted


WRONG_ROLE = ProblemType("forbidden", "wrong_role", "Role not permitted", "您的角色无权办理此事项")
OTHER_DEPARTMENT = ProblemType("forbidden", "other_department", "Case of another department", "不归您所在的部门办理")
OUT_OF_TURN = ProblemType("conflict", "out_of_turn", "Action not allowed in this state", "当前状态不能办理此事项")
BEHIND_SQL = ProblemType("conflict", "behind_sql", "Workflow behind the read model", "工作流落后于数据库")
VERSION_CHANGED = ProblemType(
    "precondition", "version_changed", "Version changed meanwhile", "内容已更新，请重新查看后再办理"
)
INVALID_RESULT = ProblemType(
    "conflict", "invalid_result", "Action would make the case invalid", "办理后工单数据将不合规定，请报运维人员"
)
"""The types that every action may be refused with; others are declared where they are raised."""
SAME_INCIDENT = ProblemType("invalid", "same_incident", "Incident unchanged", "与现有的突发事件相同")
"""For a case that is linked to the incident already, and for an incident merged into itself."""
ANOTHER_DEPARTMENT: Phrase = ("其他部门", "another department")
ANOTHER_INCIDENT: Phrase = ("其他突发事件", "another incident")
ANOTHER_MANAGER: Phrase = ("其他审批领导", "another manager")
ANOTHER_SUPERVISOR: Phrase = ("其他班长", "another supervisor")
CALL_OF_CALLER: Phrase = ("您接听的该来电人的来电", "a call of its caller that you took")
CASE_OF_DEPARTMENT: Phrase = ("本部门的工单", "a case of your department")
NO_INCIDENT: Phrase = ("不填，即退出并案", "none, to take it out")
OPEN_INCIDENT: Phrase = ("未结束的突发事件编号", "the number of an open incident")
"""Words that several refusals name as accepted."""


class OperatorError(Exception):
    """Error that the operator can correct; its text says how."""


class FileError(OperatorError):
    """Error of an operator's file. `problems` names for each mistake the place and what is accepted."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


ErrorPath = Sequence[str | int]
_FORMS = {
    LINES: (
        "Text without control characters but line ends and tabs, without hidden characters and marks of direction",
        "应填文字，不含控制字符（换行和制表符除外）和不可见字符",
    ),
    ONE_LINE: (
        "Text without control characters, hidden characters and marks of direction",
        "应填一行文字，不含控制字符和不可见字符",
    ),
    r"^[a-z][a-z0-9_]{0,39}$": (
        "A code: a lower-case letter, then lower-case letters, digits or _, at most 40 in all",
        "应填代码：小写字母开头，只含小写字母、数字和下划线，不超过 40 个字符",
    ),
    PHONE: (
        "A telephone number: 3 to 25 digits, spaces or dashes, + before them if need be",
        "应填电话号码：3 至 25 位数字、空格或连字符，前面可加 +",
    ),
    r"^[0-9A-Za-z-]{1,32}$": (
        "An account number: 1 to 32 letters, digits or dashes",
        "应填户号：1 至 32 位字母、数字或连字符",
    ),
    CALL_ID: (
        "The id of a call: 1 to 80 visible ASCII characters, not . or ..",
        "应填来电编号：1 至 80 个可见的 ASCII 字符，不能是 . 或 ..",
    ),
    RECORDING_URL: (
        "An address of http or https in visible ASCII characters",
        "应填 http 或 https 网址，只含可见的 ASCII 字符",
    ),
    r"^[iI][0-9]{11}$": (
        "A number of an incident: i and eleven digits",
        "应填突发事件编号：i 加 11 位数字",
    ),
}
"""Accepted forms by pattern, in English and Chinese."""
_PLAIN = {
    **dict.fromkeys(("tuple_type", "set_type", "frozen_set_type"), "Input should be a list"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "Input should be an object"),
}
"""Messages of faults that pydantic words for Python, by type."""


def form_of(fault: ErrorDetails) -> tuple[str, str]:
    """Form that a text must have, in English and Chinese, if its pattern is not kept."""
    return _FORMS.get(str(fault.get("ctx", {}).get("pattern")), (message(fault), "格式不对"))


def message(fault: ErrorDetails) -> str:
    """Pydantic's message without Python's words, and without the prefix of our own validators' messages."""
    plain = _PLAIN.get(fault["type"], fault["msg"])
    return plain.removeprefix("Value error, ").replace("Tuple should", "List should")


def causes(faults: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out lists that are too short only because faulty items do not count."""
    outer = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    return [fault for fault in faults if fault["type"] != "too_short" or fault["loc"] not in outer]


def key_at(location: ErrorPath) -> str:
    """As `services[2].clocks.reply`; empty for the whole file."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def table_at(root: type[BaseModel], location: ErrorPath) -> type[BaseModel]:
    """Innermost table of a place, as far as the place is known."""
    table = root
    for part in location:
        field = table.model_fields.get(part) if isinstance(part, str) else None
        table = (_nested(field.annotation) if field else None) or table
    return table


def tables_at(root: object, location: ErrorPath) -> list[type[BaseModel]]:
    """Models that an unknown key of a place may be meant for: of one of several roots if the place tells."""
    models = [model for part in get_args(root) or (root,) if (model := _nested(part))]
    known = [model for model in models if not location or location[0] in model.model_fields]
    return [table_at(model, location) for model in known or models]


def explain(fault: ErrorDetails, table: type[BaseModel], hidden: Container[str] = ()) -> str:
    """Say what is wrong with a key of a table, and what is accepted. An input that the fault has is quoted.

    `table` is the model that has the key, or should have it; `hidden` are fields that no file has.
    """

    def keys(model: type[BaseModel]) -> str:
        return ", ".join(name for name in model.model_fields if name not in hidden)

    if fault["type"] == "extra_forbidden":
        return f"is no key of this table; accepted: {keys(table)}"
    if fault["type"] == "missing":
        field = table.model_fields[str(fault["loc"][-1])]
        inner = _nested(field.annotation)
        return f"is missing; accepted: {field.description or (keys(inner) if inner else field.annotation)}"
    text = message(fault).replace("Input should be", "must be")
    given = fault.get("input")
    return f"{text}, not {given!r}" if isinstance(given, str | int | float) and fault["type"] != "value_error" else text


def _nested(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _nested(part))), None)
