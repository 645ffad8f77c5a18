"""Shared part of the actions on complaints and incidents: one operation for each action of a table."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Body
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from api.backend import Backend
from api.codes import BY_NAME
from api.edge.limits import TOO_MANY_ACTIONS
from api.edge.problems import UNKNOWN, ProblemError, ProblemKind, kind_of, refusal_of
from api.naming import UNKNOWN_PEOPLE
from api.openapi import Operations
from api.routes.parameters import IdempotencyKey
from api.sign_in.security import RequestActor, digest_of, request_key
from api.temporal.client import EntityClient, key_reused
from api.versions import MATCH_ERRORS, IfMatch, versions_in
from domain.case.views import Outcome
from domain.kit.command import Command
from domain.kit.event import ActionBody, AnyAction
from domain.rights.rights import right_to
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.value import NamedCode
from workflows.incident.messages import IncidentOutcome

Turn = AbstractAsyncContextManager[None]
OutcomeT = TypeVar("OutcomeT", bound=Outcome | IncidentOutcome)


def _examples(action: AnyAction) -> dict[str, Any]:
    """Return the documented bodies of an action: the usual one, and those of other forms."""
    shown = {"usual": (action.zh, action.example)} | {
        name.replace(" ", "_"): (name, body) for name, body in action.further_examples
    }
    return {
        name: {"summary": summary, "value": body.model_dump(mode="json", exclude_unset=True)}
        for name, (summary, body) in shown.items()
    }


@dataclass(frozen=True, kw_only=True)
class ActionRoutes(Generic[OutcomeT]):
    """Operations that act on one kind of entity.

    Args:
        client: returns the client of their workflows.
        operation_id: format of an operation's id, with the name of the action.
        summary: format of an operation's summary, with the Chinese and the English name.
        number: annotation of the number in the path; `number_in` reads it, or raises ProblemError.
        example: name of the documented answer.
        check: checks what the entity cannot know. Raises ProblemError and UnknownCode.
        look_up: returns the body with what the entity cannot look up. Raises the same.
        forbidden: returns the refusal for a person who may not do this to the entity; None if they may, or if unknown.
        turns: return what is held while an action is done, by its name: its check counts what was done before.
        gone: returns the reason why no workflow took an action.
        answer: returns the entity as it is now.
    """

    client: Callable[[Backend], EntityClient[OutcomeT]]
    operations: Operations
    prefix: str
    operation_id: str
    summary: str
    number: Any
    number_in: Callable[[str], str] = str
    states: type[NamedCode]
    model: type[BaseModel]
    example: str
    errors: tuple[ProblemKind, ...]
    check: Callable[[Backend, str, Any, Actor], Awaitable[None]]
    gone: Callable[[Backend, str, str, Actor], Awaitable[ProblemError]]
    answer: Callable[[Backend, str, OutcomeT, Actor], Awaitable[Response]]
    look_up: Callable[[Backend, str, Any, Actor], Awaitable[ActionBody]] | None = None
    forbidden: Callable[[Backend, str, Any, Actor], Awaitable[ProblemError | None]] | None = None
    turns: Mapping[str, Callable[[Backend, str, Actor], Awaitable[Turn]]] = field(default_factory=dict)

    def add(self, action: AnyAction, checked: tuple[ProblemKind, ...] = ()) -> None:
        """Add the operation of one action; `checked` are the problems of this action that `check` raises."""
        act = self._endpoint(action, _examples(action))
        act.__doc__ = self._description(action)
        path, summary = f"{self.prefix}/{action.name}", self.summary.format(action.zh, action.name)
        fields = action.body.model_fields
        unknown = [
            kind for name, kind in {"department": UNKNOWN["department"], **UNKNOWN_PEOPLE}.items() if name in fields
        ]
        errors = (*self.errors, *MATCH_ERRORS, TOO_MANY_ACTIONS, *map(kind_of, action.problems), *checked, *unknown)
        shown = {200: self.example, 202: self.example}
        self.operations.post(path, summary, right_to(action), self.model, shown, errors)(act)

    def _endpoint(self, action: AnyAction, examples: Any) -> Callable[..., Awaitable[Response]]:  # noqa: ANN401 - as FastAPI takes them
        name, body_type = action.name, action.body
        able = {*action.roles, Role.ADMIN, *(OWNERS if Role.OWNER in action.roles else ())}
        command_type: type[Command[Any]] = Command.__class_getitem__(action.extended_body or body_type)  # type: ignore[assignment]  # known at run time only

        async def act(
            backend: Backend,
            number: str,
            actor: RequestActor,
            body: ActionBody,
            idempotency_key: IdempotencyKey = None,
            if_match: IfMatch = None,
        ) -> Response:
            wanted, if_versions = self.number_in(number), versions_in(if_match)
            refused, meant, people = None, body, dict[str, str]()

            async def prepare() -> None:
                nonlocal meant, people
                await self.check(backend, wanted, body, actor)
                meant, people = backend.naming.meant(body, actor)
                if self.look_up:
                    meant = await self.look_up(backend, wanted, meant, actor)

            sent = "" if idempotency_key is None else request_key(actor, idempotency_key)
            digest = digest_of(f"{name}\0{body.model_dump_json(exclude_unset=True)}")
            turn = self.turns.get(name)
            async with await turn(backend, wanted, actor) if turn else nullcontext():
                # The case refuses all others, who are told nothing else.
                if actor.role in able and (refused := await refusal_of(prepare())) and self.forbidden:
                    refused = await self.forbidden(backend, wanted, body, actor) or refused
                # Built of parts that have been validated already.
                command = command_type.model_construct(
                    actor=actor, body=meant, people=people, key=sent, digest=digest, if_versions=if_versions
                )
                client = self.client(backend)
                outcome = await client.act(wanted, name, command, refused)
                if outcome is None:
                    raise await self.gone(backend, wanted, name, actor)
                if (outcome.action, outcome.digest) != (name, digest):
                    raise key_reused(f"{client.noun}, for the action {outcome.action} or with another body")
                return await self.answer(backend, wanted, outcome, actor)

        act.__name__ = self.operation_id.format(name)
        usual = Body(openapi_examples=examples)
        act.__annotations__ |= {"number": self.number, "body": Annotated[body_type, usual, BY_NAME]}
        with suppress(ValidationError):  # if every field may be left out, so may the body
            act.__defaults__ = (body_type(), None, None)
        return act

    def _description(self, action: AnyAction) -> str:
        states: dict[Any, str] = {state: f"{state.zh} `{state}`" for state in self.states}
        sources = ", ".join(text for state, text in states.items() if state in action.sources)
        targets = ", ".join(states[state] for state in action.targets) or "the same state 状态不变"
        roles = ", ".join(f"{role.zh} `{role}`" for role in Role if role in action.roles)
        facts = f"* from 从: {sources}\n* to 到: {targets}\n* by 由: {roles}, 管理员 `admin`"
        return f"{action.description}\n\n{action.body.__doc__}\n\n{facts}"
