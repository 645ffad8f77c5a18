"""Command: what a person asks of a complaint, or of an incident."""

from typing import Generic, TypeVar

from pydantic import BaseModel, Field, model_validator

from domain.shared.actors import Actor, Role
from domain.shared.value import Immutable, omit_default

B = TypeVar("B", bound=BaseModel)


class Command(Immutable, Generic[B]):
    """Body of an action, who sends it, and how to know it again: `key` repeats with a retry, `digest` with the body.

    In the Temporal UI it is the plain body with the id of the person in `as`.
    """

    actor: Actor
    body: B
    key: str = Field(default="", max_length=100)
    digest: str = Field(default="", max_length=100)
    people: dict[str, str] = omit_default({}, "Names of the people that the body names, by id, where they differ.")

    if_versions: tuple[int, ...] | None = omit_default(None, "Versions that it is for; None: whatever the version is.")

    @model_validator(mode="before")
    @classmethod
    def _written_by_hand(cls, sent: object) -> object:
        """Take the plain body with `as`, as people write it in the Temporal UI; the role is looked up."""
        if not isinstance(sent, dict) or ("actor" in sent and "as" not in sent):
            return sent
        body = {name: value for name, value in sent.items() if name != "as"}
        return {"actor": {"role": Role.CALLER} | ({"id": sent["as"]} if "as" in sent else {}), "body": body}

    acknowledged: int | None = Field(
        default=None,
        ge=0,
        description="The version that the sender knows SQL to have. With it, the sender writes the batch that the"
        " update returns; without it, the workflow publishes.",
    )
