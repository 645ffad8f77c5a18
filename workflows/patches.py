"""Every change of workflow code that recorded histories must not meet, by name.

To change what a running complaint does, add a member and branch on `workflow.patched(Patch.NAME)`; remove the branch
and call `workflow.deprecate_patch` once no history without it is left (see docs/development.md).
"""

from enum import StrEnum


class Patch(StrEnum):
    """The names given to `workflow.patched`."""

    TELL_FIRST = "tell-first"
    """A case tells the incident that it is linked, and publishes after that (docs/decisions/0004)."""
    PUBLISH_LAST = "publish-last"
    """An incident begins what an update asks for, and publishes after that; its errands come after both."""
