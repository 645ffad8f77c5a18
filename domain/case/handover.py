"""Handover (全部移交) of all open cases of one person to another, and how far it is."""

from typing import Literal

from pydantic import Field

from domain.shared.actors import Actor, PersonId
from domain.shared.text import Text
from domain.shared.value import Immutable, omit_default


class Handover(Immutable):
    """Order of a supervisor: who owned the cases, and who is to own them."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    previous_owner: PersonId
    owner: PersonId
    reason: Text
    actor: Actor
    people: dict[str, str] = omit_default({}, "Name of the new owner by the id, if they differ.")


class HandoverProgress(Immutable):
    """Progress of a handover; `refused` has the reason by the number of each case that was not handed over."""

    handover: Handover
    handed_over: int = 0
    refused: dict[str, str] = Field(default={})
    state: Literal["running", "done", "ended"] = Field(
        default="running", description="`ended`: its workflow was ended by hand. What it has done stays."
    )


class OpenWork(Immutable):
    """Work on a case, or on a part of it, that a person is to do."""

    number: str
    department: str | None = Field(description="Department whose work it is, the case's own or that of a part.")
