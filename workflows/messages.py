"""What starts a complaint's workflow, and what it carries from run to run.

A module of its own, for the reason of `workflows.updates`: a model defined in the workflow's module would be built
anew for every run.
"""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from domain.case import Case
from domain.intake import Registration

TASK_TIMEOUT = timedelta(seconds=2.5)
"""A task whose worker died is given to another after so long (the default is 10 s); a task takes milliseconds."""


class Done(BaseModel):
    """What became of a command: kept as long as the case, so that its key is known in every later run."""

    model_config = ConfigDict(frozen=True)

    action: str
    digest: str
    version: int


class ComplaintStart(BaseModel):
    """How a complaint's workflow starts: with the registration, or with the case that an earlier run carried over."""

    model_config = ConfigDict(frozen=True)

    source: Registration | Case
    seen: dict[str, Done] = {}
