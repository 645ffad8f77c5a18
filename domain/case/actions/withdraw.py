"""withdraw 撤销: the caller wishes the case ended."""

from domain.case.kind import Action
from domain.case.lifecycle import OPEN, State
from domain.shared.actors import Role
from domain.shared.event import Reasoned


class Withdraw(Reasoned):
    """撤销, with the reason."""


ACTION = Action(
    name="withdraw",
    zh="撤销",
    description="The caller wants the case ended.",
    roles={Role.AGENT},
    sources=OPEN,
    targets=(State.WITHDRAWN,),
    body=Withdraw,
    example=Withdraw(reason="The caller found the stopcock shut."),
    notifies=("department", "owner"),
)
