"""People of an action from the Temporal UI or CLI: their roles and departments are those of the directory."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from domain.shared.actors import Actor, PersonId, shown_name
from domain.shared.value import Immutable
from readmodel.database import read_in_thread
from readmodel.people import Directory, Member, NamingFault, members

FIND_ACTOR = "find_actor"
NOBODY = "Nobody"
"""Type of the failure for a person whom the directory does not have, or who cannot be named there."""


class Acting(Immutable):
    """Person who acts, and the people and the department that the body of the action names.

    `takes_department`: the body may name one.
    """

    person: PersonId
    owner: str | None = None
    assignee: str | None = None
    department: str | None = None
    takes_department: bool = False


class Found(Immutable):
    """Person who acts; the changes of the body; and the names of the people in it, by id, where they differ."""

    actor: Actor
    changes: dict[str, str]
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
        known = await read_in_thread(self._engine, lambda sql: Directory(people=members(sql)))
        actor = _found("as", acting.person, known.one).actor
        changes, names = dict[str, str](), dict[str, str]()
        named: list[tuple[str, Member]] = []
        if acting.owner:
            named.append(("owner", _found("owner", acting.owner, known.owner)))
        if acting.assignee and not (self._takes_unknown and not known.has_had(acting.assignee)):
            # An actor who names no department acts for their own; else the work is that of the assignee's.
            department = acting.department or actor.department
            find = partial(known.assignee, department=department)
            person = _found("assignee", acting.assignee, find, department)
            named.append(("assignee", person))
            if acting.takes_department and department is None and person.department:
                changes["department"] = person.department
        for field, person in named:
            changes[field] = person.id
            names |= {person.id: name} if (name := shown_name(person.id, person.name)) else {}
        return Found(actor=actor, changes=changes, people=names)


def _found(field: str, text: str, find: Callable[[str], Member], department: str | None = None) -> Member:
    """Return the person whom `find` finds. Raises ApplicationError."""
    try:
        return find(text)
    except NamingFault as fault:
        raise _refusal(field, text, fault, department) from None


def _refusal(field: str, text: str, fault: NamingFault, department: str | None = None) -> ApplicationError:
    match fault.kind:
        case "nobody":
            zh = f"{field} {text} 不在在岗人员名录中，请填名录中的工号"
            accepted = "the id of a person who has not left, as `hotline person list` shows"
            return _nobody(zh, f"{field}: {text!r} is nobody in the directory; accepted: {accepted}")
        case "several":
            ids = ", ".join(person.id for person in fault.people)
            zh = f"{field} {text} 有多人同名，请填其中一人的工号：{ids}"
            return _nobody(zh, f"{field}: {text!r} is the name of several people; accepted: one of the ids {ids}")
        case "crew":
            [person] = fault.people
            zh = f"{field} {person.id} 是抢修人员，不能担任首问责任人，请填其他人员的工号"
            en = f"{field}: {person.id} is of a crew, which owns no case; accepted: the id of a person of no crew"
            return _nobody(zh, en)
        case "elsewhere":
            [person] = fault.people
            zh = f"{field} {person.id} 不是 {department or '办理'} 部门的人员，请填该部门人员的工号"
            theirs, ours = person.department or "no department", department or "the department"
            return _nobody(zh, f"{field}: {person.id} is of {theirs}; accepted: the id of a person of {ours}")


def _nobody(zh: str, en: str) -> ApplicationError:
    expected = ApplicationErrorCategory.BENIGN  # not worth a line in the log, which would quote what was sent
    return ApplicationError(f"{zh}。{en}.", type=NOBODY, non_retryable=True, category=expected)
