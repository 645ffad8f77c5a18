"""Command: what a person asks of a complaint, or of an incident."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from domain.shared.actors import Actor

B = TypeVar("B", bound=BaseModel)


class Command(BaseModel, Generic[B]):
    """Body of an action, who sends it, and how to know it again: `key` repeats with a retry, `digest` with the body."""

    model_config = ConfigDict(frozen=True)

    actor: Actor
    body: B
    key: str = ""
    digest: str = ""
