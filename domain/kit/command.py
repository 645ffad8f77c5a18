"""Command: what a person asks of a complaint, or of an incident."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

from domain.shared.actors import Actor
from domain.shared.value import Immutable, omit_default

B = TypeVar("B", bound=BaseModel)


class Command(Immutable, Generic[B]):
    """Body of an action, who sends it, and how to know it again: `key` repeats with a retry, `digest` with the body."""

    actor: Actor
    body: B
    key: str = Field(default="", max_length=100)
    digest: str = Field(default="", max_length=100)
    people: dict[str, str] = omit_default({}, "Names of the people that the body names, by id, where they differ.")
    if_versions: tuple[int, ...] | None = omit_default(None, "Versions that it is for; None: whatever the version is.")
    acknowledged: int | None = Field(
        default=None,
        ge=0,
        description="The version that the sender knows SQL to have. With it, the sender writes the batch that the"
        " update returns; without it, the workflow publishes.",
    )
