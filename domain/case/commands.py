"""What people ask of a case: one body for each action of the table, and the envelope that says who asks.

The bodies are the HTTP bodies as well.
"""

from typing import Annotated, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.case.intake import Actor, IncidentNumber, Instant, Name, Text
from domain.case.lifecycle import Action
from domain.catalogue.terms import unsaid
from domain.shared.codes import Code, DepartmentCode
from domain.shared.money import Money


class Body(BaseModel):
    """What every action may carry: a note for the record."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    action: ClassVar[Action]

    note: Text | None = None


class _Reasoned(Body):
    reason: Text


class Answer(Body):
    """直接答复: what the caller was told."""

    action = Action.ANSWER
    message: Text


class Dispatch(Body):
    """派单 to a department of the catalogue, to a person there if known; again before it is signed for, 改派."""

    action = Action.DISPATCH
    department: DepartmentCode
    assignee: Name | None = None


class Refuse(_Reasoned):
    """不予受理, with the reason."""

    action = Action.REFUSE


class OfPart(Body):
    """What is done to the case, or to the part in it that a further department has."""

    department: DepartmentCode | None = Field(
        default=None, description="Whose part it is (协办), where it is not your own department's."
    )


class SignFor(OfPart):
    """签收; the assignee is the signer unless another is named."""

    action = Action.SIGN_FOR
    assignee: Name | None = None


class Return(OfPart, _Reasoned):
    """退单, with the reason."""

    action = Action.RETURN


class RejectReturn(_Reasoned):
    """驳回退单, with the reason."""

    action = Action.REJECT_RETURN


class Arrive(OfPart):
    """到场."""

    action = Action.ARRIVE


class Suspend(_Reasoned):
    """挂起: we wait for the caller, until `wake_at` at the latest where one is given; any offset, kept in UTC."""

    action = Action.SUSPEND
    wake_at: Instant | None = None


class Resume(Body):
    """恢复."""

    action = Action.RESUME


class RequestApproval(Body):
    """报批: what for, how much, of which kind (公司出资维修, 减免, 结清欠费), and on which grounds.

    The amount is in the currency of the catalogue. With a kind, `amount` and `grounds` are needed.
    """

    action = Action.REQUEST_APPROVAL
    subject: Text
    amount: Money | None = None
    kind: Literal["funded_repair", "waiver", "settlement"] | None = None
    grounds: Text | None = None


class DecideApproval(Body):
    """批准 or 驳回. What was asked for with a kind is decided on with a reason, or a note that gives it."""

    action = Action.DECIDE_APPROVAL
    approved: bool
    reason: Text | None = None


class DecideCredit(Body):
    """补偿审批: one of the credits that the company owes, by its serial; a rejection with its reason, or a note."""

    action = Action.DECIDE_CREDIT
    credit: Annotated[int, Field(ge=1)]
    approved: bool
    reason: Text | None = None
    ground: Literal["limit_reached"] | None = Field(
        default=None,
        exclude_if=unsaid,
        description="It is owed, and the account has had the most of its time; a rejection without it: not owed.",
    )

    @model_validator(mode="after")
    def _ground_of_a_rejection(self) -> Self:
        if self.approved and self.ground:
            raise ValueError("ground says why a credit is rejected; accepted: approved: false, or no ground")
        return self


class Complete(OfPart):
    """处理完成: what was done, and what was found (查实) that the company owes a credit for."""

    action = Action.COMPLETE
    result: Text
    findings: tuple[Code, ...] = Field(
        default=(), exclude_if=unsaid, max_length=20, description="Codes of findings (查实事项) of the catalogue."
    )


class SendBack(OfPart, _Reasoned):
    """审核退回, with the reason; of the case, or of the part of the department that is named."""

    action = Action.SEND_BACK


class Reply(Body):
    """回复: what the caller is told."""

    action = Action.REPLY
    message: Text


class FollowUp(Body):
    """回访: how it went."""

    action = Action.FOLLOW_UP
    outcome: Literal["satisfied", "dissatisfied", "unreachable"]


class Reopen(_Reasoned):
    """重开, with the reason."""

    action = Action.REOPEN


class Withdraw(_Reasoned):
    """撤销, with the reason."""

    action = Action.WITHDRAW


class Comment(Body):
    """补充: the note is the comment."""

    action = Action.COMMENT
    note: Text


class Urge(Body):
    """催办."""

    action = Action.URGE


class Supervise(Body):
    """督办."""

    action = Action.SUPERVISE


class RequestExtension(_Reasoned):
    """申请延期: working days asked for (a working day of a round-the-clock clock is 24 h)."""

    action = Action.REQUEST_EXTENSION
    working_days: int = Field(ge=1)


class DecideExtension(Body):
    """延期审批."""

    action = Action.DECIDE_EXTENSION
    approved: bool


class HandOver(Body):
    """移交 to the new owner."""

    action = Action.HAND_OVER
    owner: Name


class Involve(Body):
    """协办: what a further department is to do; in the place of another, where one is named."""

    action = Action.INVOLVE
    department: DepartmentCode
    task: Text
    takes_over: DepartmentCode | None = None


class Release(_Reasoned):
    """撤回协办: the part of this department, with the reason."""

    action = Action.RELEASE
    department: DepartmentCode


class LinkIncident(Body):
    """并案 with an incident; null takes the case out of it again (撤销并案)."""

    action = Action.LINK_INCIDENT
    incident: IncidentNumber | None


BODIES: dict[Action, type[Body]] = {
    body.action: body
    for body in (
        Answer,
        Dispatch,
        Refuse,
        SignFor,
        Return,
        RejectReturn,
        Arrive,
        Suspend,
        Resume,
        RequestApproval,
        DecideApproval,
        Complete,
        SendBack,
        Reply,
        FollowUp,
        Reopen,
        Withdraw,
        Comment,
        Urge,
        Supervise,
        RequestExtension,
        DecideExtension,
        HandOver,
        Involve,
        Release,
        LinkIncident,
        DecideCredit,
    )
}
"""The body of every action that the service offers; `register` has the start message instead."""

B = TypeVar("B", bound=BaseModel)


class Command(BaseModel, Generic[B]):
    """A body, who sends it, and how to know it again: `key` repeats with a retry, `digest` with the same words."""

    model_config = ConfigDict(frozen=True)

    actor: Actor
    body: B
    key: str = ""
    digest: str = ""
