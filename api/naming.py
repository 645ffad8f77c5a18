"""People whom a request names, by id or by shown name: the new owner of a case, and the person who works on it."""

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple, TypeVar, assert_never

from pydantic import BaseModel

from api.directory import People
from api.edge.problems import ProblemError, declare
from domain.shared.actors import Actor, shown_name
from readmodel.people.people import Member, NamingFault

BodyT = TypeVar("BodyT", bound=BaseModel)
UNKNOWN_OWNER = declare("unknown-owner", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown owner")
UNKNOWN_ASSIGNEE = declare("unknown-assignee", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown assignee")
UNKNOWN_AGENT = declare("unknown-agent", HTTPStatus.UNPROCESSABLE_ENTITY, "Unknown agent")
UNKNOWN_PEOPLE = {"owner": UNKNOWN_OWNER, "assignee": UNKNOWN_ASSIGNEE, "agent": UNKNOWN_AGENT}
"""Fields of a body that name a person, and the problem of one who is not known."""
ACCEPTED = ["an id that GET /v1/people lists", "a name that only one person has"]


class PersonMeant(NamedTuple):
    """Person who is meant: the id, the shown name and the department; for free text, the text and nothing."""

    id: str
    name: str = ""
    department: str | None = None

    @property
    def people(self) -> dict[str, str]:
        """The name by the id, where they differ."""
        return {self.id: self.name} if self.name else {}


class Naming:
    """Finds the people whom requests name.

    Args:
        people: the directory.
        takes_unknown: at a registration, of assignees and of agents on calls, a name that nobody in the directory has
            is taken as it is.
    """

    def __init__(self, people: People, *, takes_unknown: bool) -> None:
        self._people = people
        self._takes_unknown = takes_unknown

    def first_owner(self, text: str) -> PersonMeant:
        """Return the person whom an administrator names as owner of a new case. Raises ProblemError 422."""
        return self._owner(text, takes_unknown=self._takes_unknown)

    def new_owner(self, text: str) -> PersonMeant:
        """Return the person of no crew who is to own cases. Raises ProblemError 422."""
        return self._owner(text, takes_unknown=False)

    def former_owner(self, text: str) -> PersonMeant:
        """Return the person who owns cases, also one who has left, or else the text."""
        person = self._people.get(text)
        return _named(person) if person else self.known(text)

    def agent(self, text: str) -> PersonMeant:
        """Return the person who answered a call, also one who has left, by the id. Raises ProblemError 422."""
        if person := self._people.get(text):
            return _named(person)
        return self._named("agent", text, self._people.directory.one, takes_unknown=self._takes_unknown)

    def known(self, text: str) -> PersonMeant:
        """Return the one person who is meant, or else the text."""
        found = self._people.directory.named(text)
        return _named(found[0]) if len(found) == 1 else PersonMeant(text)

    def meant(self, body: BodyT, actor: Actor) -> tuple[BodyT, dict[str, str]]:
        """Return the body with ids in place of names, and the names by id. Raises ProblemError 422."""
        people: dict[str, str] = {}
        if text := getattr(body, "previous_owner", None):
            body = body.model_copy(update={"previous_owner": self.former_owner(text).id})
        for field in UNKNOWN_PEOPLE.keys() & body.model_fields_set:
            if text := getattr(body, field):
                is_owner = field == "owner"
                named = self._owner(text, takes_unknown=False) if is_owner else self._assignee(text, body, actor)
                body, people = body.model_copy(update={field: named.id}), people | named.people
                # If nobody tells the department, it is that of the assignee: the case knows if it has work there.
                if getattr(body, "department", "") is None and actor.department is None and named.department:
                    body = body.model_copy(update={"department": named.department})
        return body, people

    def _owner(self, text: str, *, takes_unknown: bool) -> PersonMeant:
        return self._named("owner", text, self._people.directory.owner, takes_unknown=takes_unknown)

    def _assignee(self, text: str, body: BaseModel, actor: Actor) -> PersonMeant:
        # An actor who names no department acts for their own.
        department = getattr(body, "department", None) or actor.department

        def find(wanted: str) -> Member:
            return self._people.directory.assignee(wanted, department)

        return self._named("assignee", text, find, department, takes_unknown=self._takes_unknown)

    def _named(
        self,
        field: str,
        text: str,
        find: Callable[[str], Member],
        department: str | None = None,
        *,
        takes_unknown: bool,
    ) -> PersonMeant:
        """Return the person whom `find` finds, or the text if it may be taken as it is. Raises ProblemError 422."""
        try:
            return _named(find(text))
        except NamingFault as fault:
            if fault.kind == "nobody" and takes_unknown and not self._people.directory.has_had(text):
                return PersonMeant(text)
            raise _problem(field, text, fault, department) from None


def _problem(field: str, text: str, fault: NamingFault, department: str | None) -> ProblemError:
    match fault.kind:
        case "nobody":
            detail, accepted = f"{text!r} is nobody in the directory.", ACCEPTED
        case "several":
            ids = ", ".join(person.id for person in fault.people)
            detail, accepted = f"{text!r} is several people: {ids}.", ACCEPTED
        case "crew":
            detail = f"{fault.people[0].id} is of a crew, which works for its department and owns no case."
            accepted = ["a person of no crew"]
        case "elsewhere":
            [person] = fault.people
            work = f"the work is that of {department or 'a department'}"
            detail = f"{person.id} is of {person.department or 'no department'}, and {work}."
            accepted = [f"a person of {department or 'the department'}"]
        case _:
            assert_never(fault.kind)
    return ProblemError(UNKNOWN_PEOPLE[field], detail, accepted=accepted)


def _named(person: Member) -> PersonMeant:
    return PersonMeant(person.id, shown_name(person.id, person.name), person.department)
