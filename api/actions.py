"""Actions on complaints, incidents and assessments; of the first two, one operation for each action of a table."""

import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractAsyncContextManager, nullcontext
from inspect import Parameter
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from fastapi import APIRouter, Body
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from api.directory import UNKNOWN_PEOPLE
from api.edge.limits import TOO_MANY_ACTIONS
from api.edge.problems import UNKNOWN, ProblemError, ProblemKind, kind_of, refusal_of
from api.parameters import IfMatch, RequestKey, versions_in
from api.responses import Versioned, also, describe, problems
from api.routing import BY_NAME, BackendParts, needs
from api.sign_in.security import digest_of
from api.temporal.client import EntityClient
from api.temporal.errors import key_reused
from domain.case.views import Outcome
from domain.kit.event import ActionBody, AnyAction, Command
from domain.rights.rights import right_to
from domain.shared.actors import OWNERS, Actor, Role
from domain.shared.value import NamedCode
from workflows.kit.entity import EntityOutcome

ActionLock = AbstractAsyncContextManager[None]
OutcomeT = TypeVar("OutcomeT", bound=Outcome | EntityOutcome)
ItemT = TypeVar("ItemT", bound=Versioned)


class Actions(ABC, Generic[OutcomeT, ItemT]):
    """Actions on one kind of entity. `looked_up`: fields of bodies that the API fills in, and no digest has."""

    looked_up: ClassVar[AbstractSet[str]] = frozenset()
    client: EntityClient[OutcomeT]
    backend: BackendParts

    async def check(self, number: str, body: ActionBody, actor: Actor) -> None:
        """Check what the entity cannot know. Raises ProblemError and UnknownCode."""

    async def look_up(self, number: str, body: ActionBody, actor: Actor) -> ActionBody:  # noqa: ARG002 - for subclasses
        """Add what the entity cannot look up. Raises ProblemError and UnknownCode."""
        return body

    async def forbidden(self, number: str, body: ActionBody, actor: Actor) -> ProblemError | None:  # noqa: ARG002 - for subclasses
        """Refusal for a person who may not do this to the entity; None if they may, or if that is unknown."""
        return None

    async def lock(self, name: str, number: str, actor: Actor) -> ActionLock:  # noqa: ARG002 - for those that count
        """Lock to hold while an action is done, if its check counts what was done before."""
        return nullcontext()

    @abstractmethod
    async def gone(self, number: str, name: str, actor: Actor) -> ProblemError:
        """Reason why no workflow took the action."""

    @abstractmethod
    async def answer(self, number: str, outcome: OutcomeT, actor: Actor) -> tuple[ItemT, bool]:
        """Entity as it is now, and True if lists show it."""

    async def act(
        self, number: str, action: AnyAction, body: ActionBody, actor: Actor, key: str, if_match: str | None = None
    ) -> tuple[ItemT, bool]:
        """Have the workflow act once for a key, however often it is sent; return as `answer`. Raises ProblemError."""
        if_versions = versions_in(if_match)
        refused, resolved, people = None, body, dict[str, str]()

        async def prepare() -> None:
            nonlocal resolved, people
            await self.check(number, body, actor)
            resolved, people = self.backend.person_finder.resolved(body, actor)
            resolved = await self.look_up(number, resolved, actor)

        able = {*action.roles, Role.ADMIN, *(OWNERS if Role.OWNER in action.roles else ())}
        digest = digest_of(f"{action.name}\0{body.model_dump_json(exclude={*self.looked_up}, exclude_unset=True)}")
        async with await self.lock(action.name, number, actor):
            # The entity refuses all others, who are told nothing else.
            if actor.role in able and (refused := await refusal_of(prepare())):
                refused = await self.forbidden(number, body, actor) or refused
            model: type[Command[Any]] = Command.__class_getitem__(action.extended_body or action.body)  # type: ignore[assignment]  # known at run time only
            # Built of parts that have been validated already.
            command = model.model_construct(
                actor=actor, body=resolved, people=people, key=key, digest=digest, if_versions=if_versions
            )
            outcome = await self.client.act(number, action.name, command, refused)
            if outcome is None:
                raise await self.gone(number, action.name, actor)
            if (outcome.action, outcome.digest) != (action.name, digest):
                raise key_reused(f"{self.client.noun}, for the action {outcome.action} or with another body")
            return await self.answer(number, outcome, actor)


def add_actions(  # noqa: PLR0913 - what differs between cases and incidents
    router: APIRouter,
    prefix: str,
    table: Mapping[str, AnyAction],
    actions: Any,  # noqa: ANN401 - an annotation
    *,
    number: Any,  # noqa: ANN401 - an annotation
    number_in: Callable[[str], str] = str,
    states: type[NamedCode],
    model: type[BaseModel],
    noun: str,
    summary: str = "{} {}",
    errors: Sequence[ProblemKind],
    checked: Mapping[str, Sequence[ProblemKind]],
) -> None:
    """Add an operation for each action of the table.

    `actions` and `number` are annotations: of the dependency on `Actions`, and of the number in the path, which
    `number_in` reads. `noun` is the entity in the ids of operations, `summary` the format of
    their summaries, with the Chinese and the English name. `errors` are problems of all actions, `checked` those that
    `Actions.check` raises, by action.
    """
    for action in table.values():
        fields = action.body.model_fields
        unknown = [
            kind for field, kind in {"department": UNKNOWN["department"], **UNKNOWN_PEOPLE}.items() if field in fields
        ]
        own = (*map(kind_of, action.problems), *checked.get(action.name, ()), *unknown)
        router.add_api_route(
            f"{prefix}/{action.name}",
            endpoint_of(action, actions, number, number_in),
            methods=["POST"],
            name=operation_id(action.name, noun),
            summary=summary.format(action.zh, action.name),
            description=_description(action, states),
            response_model=model,
            responses=also(202, model) | problems(*errors, TOO_MANY_ACTIONS, *own),
        )


def operation_id(action: str, noun: str) -> str:
    """Id of an operation, which reads alone: `complete_complaint`, `decide_credit_of_complaint`."""
    _, _, rest = action.partition("_")
    return f"{action}_of_{noun}" if rest and not _PARTICLES.fullmatch(rest) else f"{action}_{noun}"


_PARTICLES = re.compile(
    "across|after|ahead|along|apart|aside|away|back|by|down|for|forth|in|into|off|on|out|over|to|under|up"
)
"""Second words of English verbs such as `hand_over`, all of them; any other second word of an action is its object."""


def endpoint_of(
    action: AnyAction,
    the_actions: Any,  # noqa: ANN401 - an annotation
    path_number: Any,  # noqa: ANN401 - an annotation
    number_in: Callable[[str], str],
) -> Callable[..., Awaitable[Versioned]]:
    body_type: Any = action.body
    try:
        default = body_type()  # if every field may be left out, so may the body
    except ValidationError:
        default = Parameter.empty
    # The usual body, and those of other forms.
    shown = {"usual": (action.zh, action.example)} | {
        name.replace(" ", "_"): (name, body) for name, body in action.further_examples
    }
    examples: Any = {
        name: {"summary": summary, "value": body.model_dump(mode="json", exclude_unset=True)}
        for name, (summary, body) in shown.items()
    }
    right, described = needs(right_to(action)), Body(openapi_examples=examples)

    # FastAPI reads the annotations as they are when the function is made: of this action.
    async def act(  # noqa: PLR0913, PLR0917 - what the document says of each action
        number: path_number,
        actor: Annotated[Actor, right],
        actions: the_actions,
        response: Response,
        key: RequestKey,
        body: Annotated[body_type, described, BY_NAME] = default,
        if_match: IfMatch = None,
    ) -> Versioned:
        item: Versioned
        item, shown = await actions.act(number_in(number), action, body, actor, key, if_match)
        describe(response, item, shown=shown)
        return item

    return act


def _description(action: AnyAction, states: type[NamedCode]) -> str:
    named: dict[Any, str] = {state: f"{state.zh} `{state}`" for state in states}
    sources = ", ".join(text for state, text in named.items() if state in action.sources)
    targets = ", ".join(named[state] for state in action.targets) or "unchanged 不变"
    roles = ", ".join(f"{role.zh} `{role}`" for role in Role if role in action.roles)
    return f"{action.description}\n\n* from 从: {sources}\n* to 到: {targets}\n* by 由: {roles}, 管理员 `admin`"
