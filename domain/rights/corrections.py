"""Right to correct (更正): nobody corrects what they see masked, whatever the way of the command."""

from typing import Any

from domain.case.actions.correct import Correct
from domain.rights.masking import masks_for
from domain.shared.command import Command
from domain.shared.errors import WRONG_ROLE, Refused


def refuse_masked(command: Command[Any]) -> None:
    """Raise Refused for facts that the person sees masked: that nothing changes would confirm a guess."""
    body, role = command.body, command.actor.role
    if not isinstance(body, Correct):
        return
    masks = masks_for(role, ended=False)
    if body.caller is not None and "caller.phone" in masks:
        message = f"The caller is masked for the role {role}; correct it without the caller."
        raise Refused(WRONG_ROLE, message, ("a correction without caller",))
    if body.location is not None and "location.address" in masks and body.location.model_fields_set - {"district"}:
        message = f"The address is masked for the role {role}; correct the district alone."
        raise Refused(WRONG_ROLE, message, ("a location with district alone",))
