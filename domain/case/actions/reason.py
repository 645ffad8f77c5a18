"""Body of the actions that need a reason, and nothing else."""

from domain.shared.event import ActionBody
from domain.shared.text import Text


class Reasoned(ActionBody):
    """Body with a reason."""

    reason: Text
