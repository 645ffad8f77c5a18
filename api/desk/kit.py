"""Kit of the desk's pages: the reader's language, what was typed into a form, and its way to the API."""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from api import inner
from api.desk import words
from api.desk.effects import Effect
from api.desk.forms import Field, fields_of
from api.desk.timeline import Entry
from api.desk.words import Names
from api.edge.browsers import page, require_same_origin
from api.edge.chinese import before_accepted
from api.edge.language import reads_chinese
from api.edge.problems import (
    INVALID_REQUEST,
    URN,
    Fault,
    FieldError,
    Problem,
    ProblemError,
    ProblemKind,
    invalid_request,
    problem_of,
)
from api.incidents.routes import NUMBER
from api.responses import masked_for
from api.routing import BackendParts
from api.sign_in.security import WRONG_SCOPE
from api.sign_in.sessions import Session
from api.temporal.errors import KEY_REUSED
from api.temporal_ui.pages import TemporalPages
from domain.case.approvers import Approval
from domain.case.case import Case
from domain.case.lifecycle import PartBody
from domain.case.views import CaseView
from domain.incident.incident import Incident
from domain.incident.state import LINKABLE
from domain.kit.event import AnyAction, Command
from domain.rights.rights import READ_REPORTS, RIGHT_TO_REGISTER, masks_for
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.errors import Refused
from domain.shared.numbers import is_number
from domain.shared.value import MOST_CHARACTERS, RFC_3339, Phrase
from readmodel import incidents

DESK = "/desk"
ORDERS = "/w"
"""Pages that the link of a printed work order opens, below which it stands."""
MOST_DECIDERS = 5
"""Names of people who may decide on a request."""
MOST_INCIDENTS = 75
"""Open incidents to choose from."""
_ACCOUNTABLE = OWNERS - {Role.ADMIN, Role.TELEPHONY}
"""Roles of people who are offered as owners: whoever runs the system may own a case, and is not to be chosen."""
Typed = dict[str, list[str]]
"""Texts of a form, by input; `key` tells that it is the same form, sent again."""


class Form(NamedTuple):
    """Form of an action.

    `back` is the page that it leads back to, `page` that of its subject if it is another. `subject` is the name of
    what it is about, and `about` says more of that. `effect` tells what the action does beyond what its name says.
    `asked` is the request that it decides on. `version` is that of the subject as the form shows it: the action is for
    that one alone. `shown` are the present texts of inputs: left as they are, they change nothing. Above them stands
    what is known of the `case`. `effects` tell what becomes of its promises. What is not `possible` has no form.
    """

    words: Phrase
    fields: Sequence[Field]
    back: str
    subject: str
    about: str
    effect: Phrase | None = None
    asked: Entry | None = None
    version: int | None = None
    shown: Mapping[str, str] = MappingProxyType({})
    case: CaseView | None = None
    effects: Iterable[Effect] = ()
    possible: bool = True
    page: str = ""


_LATE: Phrase = (
    "（%(at)s 现场%(action)s，联网后提交）",
    "(%(action)s on the spot at %(at)s, sent once there was a network)",
)


class Answer(NamedTuple):
    """Answer of the API to a form. `refused` says why it has done nothing; empty if it has."""

    status: int
    content: Mapping[str, Any]
    refused: str

    @property
    def is_of_another(self) -> bool:
        """Return True if the key was used for something else."""
        return bool(self.content.get("type") == f"{URN}{KEY_REUSED.slug}")


@dataclass(frozen=True)
class DeskPages:
    """Pages for people who have signed in, and may read cases."""

    pages: TemporalPages
    backend: BackendParts

    def names(self, request: Request) -> Names:
        return Names(self.backend.catalogue, reads_chinese(request))

    def page(self, request: Request, name: str, actor: Actor, status: int = HTTPStatus.OK, **fields: Any) -> Response:  # noqa: ANN401 - of a template
        names = self.names(request)
        fields |= {"names": names, "say": names.say, "words": words, "actor": actor}
        asked = (request.scope[part].decode("latin-1") for part in ("raw_path", "query_string"))
        # A page that answers a form sent to another address names its own, by which it can be opened again.
        fields["here"] = fields.get("here") or "?".join(asked).removesuffix("?")
        fields["done"] = _done(request, names)
        case = request.query_params.get("case", "")
        fields["done_case"] = case if is_number(case) else None
        fields["order"] = order_of(request)
        # What a crew types stays in its browser until the network is there to send it.
        fields["keeps"] = actor.role is Role.CREW
        fields["registers"] = actor.role in RIGHT_TO_REGISTER.reach
        fields["reads_reports"] = actor.role in READ_REPORTS.reach
        return page(f"desk_{name}.html", status, {"Vary": "Accept-Language, Cookie"}, **fields)

    async def shown(
        self, request: Request, show: Callable[[Session], Awaitable[Response]], number: str | None = None
    ) -> Response:
        """Show a page to the person of the session, or within the desk why there is none."""

        async def within(session: Session) -> Response:
            try:
                return await show(session)
            except ProblemError as refused:
                zh, problem = self.names(request).zh, refused.problem
                said = problem.model_copy(update={"detail": refused.chinese().detail}) if zh else problem
                return self.not_shown(request, session.actor, said, number, refused.headers)

        return await self.pages.shown(request, within, number)

    def not_shown(
        self,
        request: Request,
        actor: Actor,
        problem: Problem,
        number: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Page of a refusal in the reader's language."""
        response = self.page(
            request,
            "not_shown",
            actor,
            problem.status,
            problem=problem,
            chinese=problem,
            number=number,
            zh=self.names(request).zh,
        )
        response.headers.update(headers or {})
        return response

    def unknown(
        self, request: Request, what: Phrase, name: str, known: Iterable[Phrase], kind: ProblemKind = INVALID_REQUEST
    ) -> ProblemError:
        """Refusal of a name in the address, with the words of what there is."""
        say = self.names(request).say
        there = [*map(say, known)]
        message = f"there is no {name[:40]!r}; there are: {', '.join(there) or 'none'}."
        zh = f"没有 {name[:40]}，现有：{'、'.join(there) or '无'}"
        return invalid_request([Fault(say(what), (zh, message))], kind)

    async def typed(self, request: Request, session: Session) -> Typed:
        """Read a form. Raises ProblemError for one of another site, and for who only reads."""
        require_same_origin(request, secure=self.pages.sessions.secure)
        if session.scope == "read":
            raise ProblemError(WRONG_SCOPE, "Your key is for reading alone.")
        return blank() | parse_qs((await request.body()).decode(errors="replace"))

    async def send(
        self, request: Request, actor: Actor, path: str, content: object, key: str, version: int | None = None
    ) -> Answer:
        """Send it to the API as this person, for this version or any; the same `key` counts once."""
        names = self.names(request)
        headers = {"Accept-Language": "zh" if names.zh else "en"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        answer = await inner.post(request, actor, path, to_json(content), key, headers)
        found: dict[str, Any] = answer.json()
        refused = "" if answer.is_success else self.refusal(Problem.model_validate(found), names)
        return Answer(answer.status_code, found, refused)

    async def send_form(  # noqa: PLR0913, PLR0917 - what `send` takes, and the form
        self,
        request: Request,
        actor: Actor,
        path: str,
        form: Form,
        body: dict[str, Any],
        given: Typed,
        version: int | None,
    ) -> Answer:
        """Send the body of a form; if a browser had to wait for the network, its note says when it was pressed."""
        key = given["key"][0]
        late = _with_time(body, form, given.get("pressed", [""])[0], self.backend.now, self.names(request))
        answer = await self.send(request, actor, path, late, key, version)
        # Taken at once, and its answer was lost.
        taken = late != body and answer.is_of_another
        return await self.send(request, actor, path, body, key, version) if taken else answer

    def form(
        self,
        request: Request,
        actor: Actor,
        form: Form,
        given: Typed,
        refused: str = "",
        status: int = HTTPStatus.OK,
    ) -> Response:
        given = {name: [text] for name, text in form.shown.items()} | given
        return self.page(request, "form", actor, status, form=form, given=given, refused=refused)

    def why_not(self, entity: Case | Incident, action: AnyAction, actor: Actor, names: Names) -> tuple[str, int]:
        """Say why an action is not possible now, with the status, as the API does."""
        try:
            entity.check(Command(actor=actor, body=action.example), self.backend.now)
        except Refused as refused:
            error = problem_of(refused)
            return self.refusal(error.chinese() if names.zh else error.problem, names), error.problem.status
        return names.say(("目前不能办理", "Not possible now")), HTTPStatus.CONFLICT

    def deciders(self, approval: Approval, names: Names) -> str:
        """Say who decides on a request now: the post if it is one's turn, and the people who may."""
        turn, barred = approval.next_approver, {*approval.approved_by, approval.requested_by}
        people = [
            person.name
            for person in self.backend.people.directory.people
            if (person.id == turn.holder if turn and turn.holder else person.role is Role.MANAGER)
            and person.left_at is None
            and person.id not in barred
        ]
        listed = names.say(("、", ", ")).join(people[:MOST_DECIDERS])
        post = names.post(turn.post) if turn else names.say(words.of_code(Role.MANAGER))
        return post + (names.say(("（%s）", " (%s)")) % listed if listed else "")

    def inputs(self, body: type[BaseModel], actor: Actor) -> list[Field]:
        """Return the inputs of a body, without what follows of the person or is masked for them."""
        # A form is for the version that it shows, whose owner it knows.
        hidden = {*masks_for(actor.role, ended=False), "previous_owner"}
        if actor.department and issubclass(body, PartBody):
            hidden.add("department")
        found = (field for field in fields_of(body, self.backend.catalogue) if field.name not in hidden)
        return [self._among_people(field, actor) if field.name in ("assignee", "owner") else field for field in found]

    def _among_people(self, field: Field, actor: Actor) -> Field:
        """Offer the people who may own cases, or who work in departments; a department's own people to its own."""
        names = [Names(self.backend.catalogue, zh) for zh in (True, False)]
        choices = []
        for person in self.backend.people.directory.people:
            works = person.department is not None and actor.department in (None, person.department)
            if person.left_at is None and (person.role in _ACCOUNTABLE if field.name == "owner" else works):
                text = " ".join(dict.fromkeys((person.name, person.id)))
                zh, english = (f"{text} {each.department(person.department)}".strip() for each in names)
                choices.append((person.id, (zh, english)))
        return field._replace(kind="choice", choices=tuple(choices)) if choices else field

    async def among_incidents(
        self, fields: Iterable[Field], actor: Actor, but: str | None, *more: tuple[str, Phrase]
    ) -> list[Field]:
        """Offer the open incidents but this one, and what else there is, where one is asked for."""
        found = (await self.backend.reader.ask(incidents.page, [*LINKABLE], None, MOST_INCIDENTS)).items
        named = [(each.number, f"{each.number} {masked_for(actor, each.title)}") for each, _ in found]
        choices = (*more, *((number, (text, text)) for number, text in named if number != but))
        asked = ("incident", "into")
        return [each._replace(kind="choice", choices=choices) if each.name in asked else each for each in fields]

    def refusal(self, problem: Problem, names: Names) -> str:
        """Say why nothing was done, and what would be accepted, by what the problem is about: no code is shown."""
        if problem.errors:
            return names.say(("；", "; ")).join(self._fault(each, names) for each in problem.errors)
        # Where the state is in the way, the actions are for people, and what is accepted beside them for programs.
        accepted = (problem.accepted if problem.available_actions is None else problem.available_actions) or ()
        people = {code: person.name for code in accepted if (person := self.backend.people.get(code))}
        listed = names.say(("、", ", ")).join(people.get(each) or names.word(each) for each in accepted)
        before = before_accepted(problem.status, accepted)
        return problem.title + (names.say(("，%s：%s", "; %s: %s")) % (names.say(before), listed) if listed else "")

    def _fault(self, fault: FieldError, names: Names) -> str:
        """Say what is wrong with an input, by its name; with several together, it stands for itself."""
        inputs = [words.words_of(part) for part in fault.field.split(".") if part in words.FIELDS]
        message = fault.message
        if fault.accepted:
            is_instant = RFC_3339.fullmatch(fault.accepted[0])
            example = names.say(("应填日期和时间，如 ", "a date and time, as ")) + names.word(fault.accepted[0])
            message = example if is_instant else names.say(("请从所列中选择", "choose one of those listed"))
        return names.say(("：", ": ")).join((*map(names.say, inputs[-1:]), message))


def order_of(request: Request) -> str | None:
    """Return the address of the work order whose page or form this is; None for pages of who has signed in."""
    order = request.path_params.get("order")
    return f"{ORDERS}/{order}" if order else None


def _with_time(body: dict[str, Any], form: Form, pressed: str, now: datetime, names: Names) -> dict[str, Any]:
    """Add to the note when the form was `pressed`, which a browser tells that sends it later; if it fits."""
    has_note = any(field.name == "note" for field in form.fields)
    try:
        at = datetime.fromisoformat(pressed).astimezone(UTC)
    except (ValueError, OverflowError):
        return body
    said = names.say(_LATE) % {"at": names.local(at), "action": names.say(form.words)}
    text = " ".join(filter(None, (body.get("note"), said)))
    fits = has_note and at < now and len(text) <= MOST_CHARACTERS
    return body | {"note": text} if fits else body


def _done(request: Request, names: Names) -> str:
    """Say what was done, as the address tells, and what it left; empty if it tells nothing."""
    done, left = (request.query_params.get(name, "") for name in ("done", "left"))
    department = names.department(left)
    if done in words.UNDO and (NUMBER.fullmatch(left) or department != left):
        return names.say(words.UNDO[done]) + names.say(("（原 %s）", " (formerly %s)")) % department
    return names.say(words.of_action(done)) if done in words.ACTIONS else ""


def blank() -> Typed:
    """Return a form into which nothing was typed yet."""
    return {"key": [str(uuid.uuid4())]}
