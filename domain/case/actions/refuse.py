"""refuse 不予受理: the matter is not one for the company."""

from domain.case.lifecycle import TO_DISPATCH
from domain.case.state import Action, Reasoned, Role, State


class Refuse(Reasoned):
    """不予受理, with the reason."""


ACTION = Action(
    name="refuse",
    zh="不予受理",
    description="The matter is not one for the company; the reason is given.",
    roles={Role.DISPATCHER},
    sources=TO_DISPATCH,
    targets=(State.REFUSED,),
    example=Refuse(reason="The pipe belongs to the heating company; the caller was given their number."),
    notifies=("caller", "owner"),
)
