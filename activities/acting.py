"""People of an action from the Temporal UI or CLI: their roles and departments are those of the directory."""

import asyncio

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.shared.actors import Actor, PersonId, Role, shown_name
from domain.shared.value import Immutable
from readmodel.database import reading
from readmodel.people import Directory, Member, directory

FIND_ACTOR = "find_actor"
NOBODY = "Nobody"
"""Type of the failure for a person whom the directory does not have, or who cannot be named there."""


class Acting(Immutable):
    """Person who acts, and the people and the department that the body of the action names."""

    person: PersonId
    owner: str | None = None
    assignee: str | None = None
    department: str | None = None


class Found(Immutable):
    """Person who acts; the ids of the people named, by field; and the names of those, by id, where they differ."""

    actor: Actor
    ids: dict[str, str]
    people: dict[str, str]


class PeopleFinder:
    """Lookup of people by id, or by a name that only one has.

    Args:
        engine: engine of the read model, to read.
        takes_unknown: as an assignee, a name that nobody in the directory has is taken as it is.
    """

    def __init__(self, engine: Engine, *, takes_unknown: bool) -> None:
        self._engine = engine
        self._takes_unknown = takes_unknown

    @activity.defn(name=FIND_ACTOR)
    async def find_actor(self, acting: Acting) -> Found:
        """Return who acts, and the people named. Raises ApplicationError for one who is not accepted."""
        known = await asyncio.to_thread(self._read)
        actor = _find(known, "as", acting.person).actor
        named: dict[str, Member] = {}
        if acting.owner:
            named["owner"] = _owner(known, acting.owner)
        if acting.assignee and not (self._takes_unknown and not known.has_had(acting.assignee)):
            # Whoever names no department acts for the own one.
            named["assignee"] = _assignee(known, acting.assignee, acting.department or actor.department)
        ids = {field: person.id for field, person in named.items()}
        names = {person.id: shown_name(person.id, person.name) for person in named.values()}
        return Found(actor=actor, ids=ids, people={id_: name for id_, name in names.items() if name})

    def _read(self) -> Directory:
        with reading(self._engine) as connection:
            return directory(connection)


def _owner(known: Directory, text: str) -> Member:
    person = _find(known, "owner", text)
    if person.role is Role.CREW:
        zh = f"owner {person.id} 是抢修人员，不能担任首问责任人，请填其他人员的工号"
        en = f"owner: {person.id} is of a crew, which owns no case; accepted: the id of a person of no crew"
        raise _nobody(zh, en)
    return person


def _assignee(known: Directory, text: str, department: str | None) -> Member:
    person = _find(known, "assignee", text)
    if department not in (None, person.department):
        zh = f"assignee {person.id} 不是 {department} 部门的人员，请填该部门人员的工号"
        theirs = person.department or "no department"
        en = f"assignee: {person.id} is of {theirs}; accepted: the id of a person of {department}"
        raise _nobody(zh, en)
    return person


def _find(known: Directory, field: str, text: str) -> Member:
    """Return the one person who is meant. Raises ApplicationError."""
    found = known.named(text)
    if not found:
        zh = f"{field} {text} 不在在岗人员名录中，请填名录中的工号"
        accepted = "the id of a person who has not left, as `hotline person list` shows"
        raise _nobody(zh, f"{field}: {text!r} is nobody in the directory; accepted: {accepted}")
    if len(found) > 1:
        ids = ", ".join(person.id for person in found)
        zh = f"{field} {text} 有多人同名，请填其中一人的工号：{ids}"
        raise _nobody(zh, f"{field}: {text!r} is the name of several people; accepted: one of the ids {ids}")
    return found[0]


def _nobody(zh: str, en: str) -> ApplicationError:
    expected = ApplicationErrorCategory.BENIGN  # not worth a line in the log, which would quote what was sent
    return ApplicationError(f"{zh}。{en}.", type=NOBODY, non_retryable=True, category=expected)
