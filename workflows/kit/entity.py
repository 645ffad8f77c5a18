"""The shared part of the workflows of complaints, incidents and assessments.

An entity is a pure object: commands go in, events come out. Its workflow makes it durable: it knows repeated commands
by their keys, shows the entity in the Temporal UI, publishes its events to SQL, and carries it from run to run.
"""

import asyncio
import math
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, Field
from temporalio import workflow
from temporalio.common import Priority, RawValue, RetryPolicy
from temporalio.exceptions import ApplicationError

from activities.names import ACTIONS, example
from domain.kit.entity import EntityRules
from domain.kit.event import AnyAction, BaseEvent, Command
from domain.rights.rights import refuse_masked
from domain.shared.actors import Actor
from domain.shared.errors import BEHIND_SQL, VERSION_CHANGED, Refused
from domain.shared.value import Immutable, Start, omit_default, to_milliseconds
from workflows.kit.search_attributes import Values, changes
from workflows.kit.words import WorkerNames

PUBLISH_TIMEOUT = timedelta(seconds=5)
"""Longest duration of one attempt to write a batch; a worker that died during it is noticed this late."""
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
"""Without end: while SQL or the worker is down, entities go on, and all that an activity is to do waits."""
LOWEST = Priority(priority_key=5)
"""Priority of work on many cases, for which no caller waits: all other work comes before it."""
LONGEST_REASON = 2000
"""Characters of the reason of a cancellation that are kept."""
KEYS_KNOWN_FOR = timedelta(hours=48)
"""Time for which the key of a command is known: a client that repeats a request does so within minutes."""
MOST_KEYS = 2000
"""Keys that are known at the same time. They and their outcomes, 155 bytes each, travel in the next run's start
message, for which Temporal allows 2 MB."""
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""A worker that died in the middle of a batch or a computation is noticed this late."""
LONG_HISTORY = 500
"""Events after which a run is followed by the next, though Temporal suggests it at 4,096 only: Temporal refuses the end
if a signal has come during the task; all of the run is replayed, at 0.35 ms an event, while the next one comes."""
MILLISECOND = timedelta(milliseconds=1)
_PUBLICATION = "publication"
_SHOWN_OTHERWISE = "shown otherwise"
Publish = Callable[[Any, Any], Coroutine[Any, Any, int | None]]
"""Activity that writes a batch to SQL; it may return the version that SQL has, if that is a later one."""


class Done(Immutable):
    """Outcome of a command, which is kept so that its key is known in every later run."""

    action: str
    digest: str
    version: int
    done_at: datetime


class EntityStart(Start):
    """Shared part of the start messages: what runs carry over, apart from the entity."""

    seen: dict[str, Done] = Field({})
    sender_version: int = omit_default(0, "Version up to which the sender of an update writes the events to SQL.")
    changed_at: datetime | None = omit_default(None, "When the entity changed last; null in the first run.")
    rebuilt_at: datetime | None = omit_default(None, "When a run before it was rebuilt from SQL; null if none was.")


class EntityOutcome(BaseModel):
    """Answer of an update or query of an incident or assessment; see `domain.case.views.Outcome`."""

    action: str
    digest: str
    version: int
    available_actions: tuple[str, ...] = ()


async def execute(method: Any, argument: Any, longest: timedelta, summary: str, **options: Any) -> Any:  # noqa: ANN401 - as the SDK's own
    """Run an activity for which no caller waits, until it succeeds; one attempt takes so long at most."""
    options |= {"start_to_close_timeout": longest, "retry_policy": RETRY, "priority": LOWEST, "summary": summary}
    return await workflow.execute_activity_method(method, argument, **options)


def is_long() -> bool:
    """Return True if the run has more than LONG_HISTORY events, or Temporal suggests the next one."""
    run = workflow.info()
    return run.is_continue_as_new_suggested() or run.get_current_history_length() > LONG_HISTORY


def describe(action: AnyAction) -> str:
    """Say what an action does, and what to send, for the list of updates in the Temporal UI."""
    return f"{action.zh}: {action.description} 示例 Example: {example(action)}"


def _update(action: AnyAction) -> Any:  # noqa: ANN401 - the SDK has no public type of it
    sent: Any = Command.__class_getitem__(action.extended_body or action.body)

    # The SDK decodes by annotation, and takes a first parameter for `self` only if it has none.
    @workflow.update(name=action.name, description=describe(action))
    async def handle(self, command: sent) -> Any:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN401 - a type made at run time
        return self.act(action.name, command)

    @handle.validator
    def check(self, command: sent) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - same
        self.check(command)

    return handle


# Made once: the sandbox loads the module of a workflow anew for every run, but not this one.
UPDATES = {
    workflow: {f"update_{name}": _update(action) for name, action in actions.items()}
    for workflow, actions in ACTIONS.items()
}
"""Updates of each type of workflow: every action but the one that starts it."""


class EntityWorkflow:
    """Base of a workflow that keeps one entity, which it changes in place.

    Handlers change the entity and await nothing. The main coroutine alone asks Temporal for something, in an order that
    docs/decisions/0004 explains. The class is not generic and its metaclass is Python's own: at every start of a
    run, the SDK looks at all members of a workflow class and of its bases.

    `events` led to the entity, and SQL is not known to have them. `start` has what an earlier run carried over.
    """

    def __init_subclass__(cls) -> None:
        for name, update in UPDATES.get(cls.__name__, {}).items():
            setattr(cls, name, update)

    def __init__(self, entity: EntityRules[Any], events: tuple[BaseEvent, ...], start: EntityStart) -> None:
        self._entity = entity
        self._seen = dict(start.seen)
        self._outbox: list[Any] = []
        # Up to this version somebody writes the events of the outbox: the sender of an update, or the activity.
        self._sender_version = start.sender_version
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed_at = start.changed_at or to_milliseconds(events[0].at)
        # A first run that brings no events was rebuilt. By Temporal's clock, with which that of the API is compared.
        is_rebuilt = not (events or workflow.info().continued_run_id)
        self.rebuilt_at = workflow.info().workflow_start_time if is_rebuilt else start.rebuilt_at
        """An update that was sealed before this instant is not taken: the run that was lost may have done it."""
        own = self._search_attributes()
        # No value is `...`: then the first change also unsets those that are to have none.
        self._shown = dict.fromkeys(own, ...) if _is_shown_otherwise(own) else own
        self._record(*events)

    @abstractmethod
    def _search_attributes(self) -> Values: ...

    @abstractmethod
    def details(self, names: WorkerNames) -> str:
        """As Markdown."""

    @abstractmethod
    def _outcome(self, done: Done, actor: Actor | None) -> BaseModel:
        """With the entity as `actor` sees it."""

    @abstractmethod
    def _answer(self, done: Done, command: Command[Any]) -> BaseModel:
        """Outcome, with the batch that its sender writes."""

    @abstractmethod
    def _carried_over(self) -> EntityStart: ...

    def check(self, command: Command[Any]) -> None:
        """Validate an update of the table: raise ApplicationError before anything is recorded."""
        self._check_acknowledged(command.acknowledged or 0)
        if command.key in self._seen:
            return
        changed = self._version_refusal(command)
        try:
            refuse_masked(command)
            self._entity.check(command, workflow.now())
        except Refused as refused:
            # Who may not do it is not told the version.
            reason = changed if changed and refused.kind != "forbidden" else refused
            raise self._refusal(reason) from None
        if changed:
            raise self._refusal(changed)

    def _version_refusal(self, command: Command[Any]) -> Refused | None:
        """None if the command is for this version, or for any."""
        if command.if_versions is None or self._entity.version in command.if_versions:
            return None
        own = self._entity.version
        message = f"The present version is {own}, and not the one that the request is for. Read it, and decide anew."
        return Refused(VERSION_CHANGED, message, (f'If-Match: "{own}"', ("不带 If-Match", "no If-Match")))

    def act(self, action: str, command: Command[Any]) -> BaseModel:
        """Handle an update of the table; a command whose key was seen is not carried out again."""
        self._acknowledge(command.acknowledged or 0)
        done = self._seen.get(command.key)
        if done is None:
            now = workflow.now()
            self._note(*self._entity.apply(command, now))
            done = Done(action=action, digest=command.digest, version=self._entity.version, done_at=now)
            if command.key:
                self._remember(command.key, done)
        return self._answer(done, command)

    def _remember(self, key: str, done: Done) -> None:
        """Keep the outcome of this key; forget those that are older than KEYS_KNOWN_FOR, or more than MOST_KEYS."""
        self._seen[key] = done
        while len(self._seen) > MOST_KEYS or done.done_at - next(iter(self._seen.values())).done_at > KEYS_KNOWN_FOR:
            del self._seen[next(iter(self._seen))]

    def _check_acknowledged(self, version: int) -> None:
        """Raise ApplicationError if SQL has more than the workflow, which was reset or replaced."""
        if version > self._entity.version:
            # Neither version nor state: roles are not checked yet, and by those of a workflow that was reset cannot be.
            message = (
                "SQL has more than its workflow, which was reset or replaced. An operator brings it back by"
                " `hotline rebuild workflows --case NUMBER`."
            )
            raise ApplicationError(message, type=BEHIND_SQL.error_type, non_retryable=True)

    def _refusal(self, refused: Refused) -> ApplicationError:
        return ApplicationError(
            refused.message,
            {"accepted": refused.accepted, "state": self._entity.state, "version": self._entity.version},
            type=f"{refused.kind}:{refused.code}",
            non_retryable=True,
        )

    @workflow.query(description="The outcome of the request with this key, if it was carried out. 按键查询")
    def done(self, key: str, actor: Actor) -> BaseModel | None:
        """None if no command had this key; the entity is as it is now."""
        done = self._seen.get(key)
        return self._outcome(done, actor) if done else None

    def _note(self, *events: BaseEvent) -> None:
        """Record events that happen now, and wake the main coroutine."""
        if events:
            # Later with every change, even if the clock of the machine is set back.
            self._changed_at = max(to_milliseconds(workflow.now()), self._changed_at + MILLISECOND)
        self._record(*events)

    def _record(self, *events: BaseEvent) -> None:
        """Add events to the outbox, in which they stay until SQL is known to have them."""
        self._outbox.extend(events)
        self._wake()

    def _acknowledge(self, version: int) -> None:
        """Drop the events that SQL is known to have."""
        self._outbox = [event for event in self._outbox if event.seq > version]

    def _wake(self) -> None:
        self._changed = True

    async def _wait_for_work(self) -> None:
        """Wait for a change or the end of a task. Raises what the task raised.

        A requested cancellation, the most prominent button of the Temporal UI, is noted and ends nothing. Temporal
        cancels the main coroutine once, wherever it waits: it must wait nowhere else as long as there is work.
        """
        try:
            await workflow.wait_condition(self._has_work)
        except asyncio.CancelledError:
            reason = workflow.cancellation_reason()
            if reason is None:  # a worker that forgets the workflow cancels as well
                raise
            # PostgreSQL keeps no NUL.
            reason = reason.replace("\0", "")[:LONGEST_REASON]
            self._note(*self._entity.note_cancellation(reason, workflow.now()))
        for name in [name for name, task in self._tasks.items() if task.done()]:
            self._tasks.pop(name).result()

    def _has_work(self) -> bool:
        return self._changed or any(task.done() for task in self._tasks.values()) or self._is_to_continue()

    def _idle(self) -> bool:
        """Return True if nothing is under way and SQL is known to have every event."""
        return not (self._tasks or self._outbox)

    def _begin(self, name: str, task: Coroutine[Any, Any, None]) -> None:
        """Begin a task of its own: it asks Temporal for something after all that the present coroutine asks for."""
        self._tasks[name] = asyncio.create_task(task)

    def _show(self) -> None:
        """Show a changed entity in the lists. An upsert is a billable action: only what differs is upserted."""
        if not self._changed:
            return
        self._changed = False
        now = self._search_attributes()
        if changed := changes(self._shown, now):
            workflow.upsert_search_attributes(changed)
            self._shown = now

    def _publish(self, activity: Publish, make: Callable[[], Any]) -> None:
        """Publish the outbox, one batch at a time, if it has events that nobody else writes."""
        if _PUBLICATION in self._tasks or not self._outbox or self._entity.version <= self._sender_version:
            return
        self._sender_version = self._entity.version
        self._begin(_PUBLICATION, self._publication(activity, make()))

    async def _publication(self, activity: Publish, batch: Any) -> None:  # noqa: ANN401 - of an entity
        last = batch.events[-1]
        later = await workflow.execute_activity_method(
            activity,
            batch,
            start_to_close_timeout=PUBLISH_TIMEOUT,
            retry_policy=RETRY,
            summary=f"{last.action} → v{last.seq}",
        )
        # What the sender of an update has written meanwhile is known here. A run that SQL is ahead of was reset or
        # started again: its events are kept, so nothing begins that waits for SQL to have them.
        self._acknowledge(last.seq if (later or 0) <= self._entity.version else 0)

    @workflow.signal(dynamic=True, description="内部 Internal: Any other name does nothing. 其他信号无效")
    def ignore(self, name: str, arguments: Sequence[RawValue]) -> None:
        """Take a signal of a name that the service does not give: the SDK would keep it, and wake nothing."""

    def _may_continue(self) -> bool:
        return self._idle()

    def _is_to_continue(self) -> bool:
        """Return True if this run is long and the next one may begin.

        The run wakes for it: Temporal takes 10,000 signals in a run, among them those that wake nothing.
        """
        return is_long() and self._may_continue() and workflow.all_handlers_finished()

    def _continue_as_new_if_suggested(self) -> None:
        """Begin the next run if this one is long. No handler comes between: nothing is awaited before it."""
        if self._is_to_continue():
            workflow.continue_as_new(self._carried_over())


class PublishingWorkflow(EntityWorkflow):
    """Base of the workflows of incidents and assessments, whose activity alone tells what SQL has.

    It writes what the sender of an update writes as well, so that lists show it with the answer.
    """

    LONGEST: ClassVar[timedelta]
    """Longest duration of one of its other activities, however busy the service is."""

    def act(self, action: str, command: Command[Any]) -> BaseModel:
        return super().act(action, command.model_copy(update={"acknowledged": None}))

    def _answer(self, done: Done, command: Command[Any]) -> BaseModel:
        return self._outcome(done, command.actor).model_copy(update={"events": tuple(self._outbox)})

    async def _execute(self, method: Any, argument: Any, summary: str) -> Any:  # noqa: ANN401 - as the SDK's own
        return await execute(method, argument, self.LONGEST, summary, heartbeat_timeout=HEARTBEAT_TIMEOUT)


def _is_shown_otherwise(own: Values) -> bool:
    """Return True if the run began with other search attributes than its own: who has a copied start chooses them.

    A replay does not look at them: once somebody has removed an attribute, the event of the start may have none, or
    that of another name. So the history has a marker if they differ, and nothing if they do not.
    """
    return (workflow.unsafe.is_replaying() or _began_otherwise(own)) and workflow.patched(_SHOWN_OTHERWISE)


def _began_otherwise(own: Values) -> bool:
    began_with = workflow.info().typed_search_attributes
    return any(began_with.get(key) != value for key, value in own.items())


class DeadlineTimer:
    """The one timer of an entity: it calls `wake` at or before the next deadline.

    One that ends early does nothing, and costs less than to set another one.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._at: datetime | None = None
        self._sleep: asyncio.Task[None] | None = None

    def set(self, deadline: datetime | None, state: str) -> None:
        """Set the timer for this deadline, or leave an earlier one. The UI shows `state` beside it."""
        # A timer whose time has passed is none, even before its event arrives: then it makes no difference if the
        # event arrives before an update or together with it.
        at = self._at if self._at and self._at > workflow.now() else None
        if deadline is None or (at and at <= deadline):
            return
        if self._sleep and at:
            self._sleep.cancel()
        self._at = deadline
        self._sleep = asyncio.create_task(self._wake_at(deadline, f"{state} → {deadline:%m-%d %H:%M:%S}Z"))

    async def _wake_at(self, deadline: datetime, summary: str) -> None:
        left = (deadline - workflow.now()).total_seconds()
        # The server's timers know whole milliseconds; rounded down, a timer would fire in vain.
        await workflow.sleep(math.ceil(max(left, 0) * 1000) / 1000, summary=summary)
        if self._at == deadline:
            self._at = None
        self._wake()
