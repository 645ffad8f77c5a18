"""Refusals of the domain and their types, and errors that end a command with a message for the operator."""

from collections.abc import Iterable
from typing import Literal, NamedTuple


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


class Refused(Exception):  # noqa: N818  (a refusal is an answer, and no error)
    """A command that is not accepted; nothing has changed. `accepted` lists what would be accepted instead."""

    def __init__(self, problem: ProblemType, message: str, accepted: tuple[str, ...] = ()) -> None:
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
    "conflict", "invalid_result", "Action would make the case invalid", "办理后工单数据将不合规定，未予办理"
)
"""The types that every action may be refused with; others are declared where they are raised."""
SAME_INCIDENT = ProblemType("invalid", "same_incident", "Incident unchanged", "所填突发事件与现有的相同")
"""For a case that is linked to the incident already, and for an incident merged into itself."""


class OperatorError(Exception):
    """Error that the operator can correct; its text says how."""


class FileError(OperatorError):
    """Error of an operator's file. `problems` names for each mistake the place and what is accepted."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
