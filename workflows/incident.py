"""The durable host of one incident: one cause behind many calls, from the suspicion until every case is replied to.

It has no child workflow for a case: each case is a workflow already. Cases say by signals that they belong to it; when
it ends, an activity calls on them, portion by portion, while emergencies overtake (`urgency`).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.incident import PORTION, Incidents
    from domain.case.command import Command
    from domain.incident.batch import Gathering, HandingOn, IncidentBatch, Settling
    from domain.incident.incident import Incident
    from domain.incident.lifecycle import ABSORB, ENDS, IncidentAction, IncidentEvent, IncidentState
    from domain.incident.notices import News
    from domain.shared.actors import Actor
    from domain.shared.errors import Refused
    from workflows.cancellation import wait_or_note
    from workflows.incident_links import incident_id
    from workflows.messages import Absorbed, Done, IncidentOutcome, IncidentStart
    from workflows.presentation.complaint import updates
    from workflows.presentation.incident import incident_details, incident_shown
    from workflows.updates import with_incident_updates

RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))
PUBLISH_TIMEOUT = timedelta(seconds=5)
ROUND_TIMEOUT = timedelta(minutes=5)
"""One portion of cases, however busy the service is."""
HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""A worker that died in the middle of a portion is found out this late."""
BEHIND_ALL = Priority(priority_key=5)
"""Nobody on the telephone waits for a round: whatever else there is to do comes before it."""
LATER = timedelta(minutes=5)
"""When cases that did not answer are called on again, once all others are seen to."""
SECOND_LOOK = timedelta(seconds=15)
"""When cases are looked for again: by then SQL shows those that were registered while the incident was confirmed."""

_WIDENING = (IncidentAction.DECLARE, IncidentAction.CONFIRM, ABSORB)
"""The events after which cases are looked for that it explains."""
_SAID = ("message", "message_en", "expected_at")
"""What of the news callers are told."""


@workflow.defn(name="IncidentWorkflow")
@with_incident_updates
class IncidentWorkflow:
    """One incident, until the last of its cases has been seen to."""

    @workflow.init
    def __init__(self, start: IncidentStart) -> None:
        self._outbox: list[IncidentEvent] = []
        self._news: list[News] = []
        self._gather_after: str | None = "" if start.gather else None
        self._waiting = dict.fromkeys(start.waiting)
        self._counts = Counter(start.counts)
        self._seen = dict(start.seen)
        self._absorbed = start.absorbed
        self._names = start.names
        self._second_look = start.gather
        if isinstance(start.source, Incident):
            self._incident = start.source
        else:
            self._incident, first = Incident.open(start.source)
            self._note(first)
        self._publishing: asyncio.Task[None] | None = None
        self._errand: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None
        self._again: asyncio.Task[None] | None = None
        self._shown = incident_shown(self._incident)
        self._changed = True

    @workflow.run
    async def run(self, start: IncidentStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the incident until it is over and no case waits for it."""
        while not self._over():
            await wait_or_note(self._has_news, self._note_cancellation)
            self._changed = False
            self._collect()
            self._look_again()
            self._show()
            if self._may_carry_over() and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._carried_over())
            self._begin()
            self._publish()
        await workflow.wait_condition(workflow.all_handlers_finished)

    @workflow.query(description="The incident as it stands, without asking SQL. 突发事件现状")
    def incident(self, actor: Actor | None = None) -> IncidentOutcome:
        """The live incident, with what `actor` may do to it."""
        return self._outcome(Done(action="", digest="", version=self._incident.version), actor)

    @workflow.query(description="The outcome of the request with this key, if it was carried out. 按键查询")
    def done(self, key: str, actor: Actor) -> IncidentOutcome | None:
        """Return what an action with this key did, with the incident as it stands; None if there was none."""
        done = self._seen.get(key)
        return self._outcome(done, actor) if done else None

    @workflow.signal(description="A case belongs to it. 工单并入")
    def linked(self, number: str) -> None:
        """Keep the case's number."""
        self._waiting[number] = None
        self._changed = True

    @workflow.signal(description="A case belongs to it no longer. 工单撤出")
    def unlinked(self, number: str) -> None:
        """Forget the case's number."""
        self._waiting.pop(number, None)
        self._changed = True

    @workflow.signal(description="Another incident was merged into this one. 其他事件并入")
    def absorb(self, absorbed: Absorbed) -> None:
        """Explain its calls as well."""
        self._note(self._incident.absorb(absorbed.incident, absorbed.scope, workflow.now()))

    def check(self, command: Command[Any]) -> None:
        """Validator of every update: refuse before anything is recorded. Not a handler itself."""
        if command.key in self._seen:
            return
        try:
            self._incident.check(command)
        except Refused as refused:
            raise ApplicationError(
                refused.message,
                {"accepted": refused.accepted, "state": self._incident.state, "version": self._incident.version},
                type=f"{refused.kind}:{refused.code}",
                non_retryable=True,
            ) from refused

    def act(self, command: Command[Any]) -> IncidentOutcome:
        """Body of every update: change the incident, leave the rest to the main coroutine."""
        done = self._seen.get(command.key)
        if done is None:
            event = self._incident.apply(command, workflow.now())
            self._note(event)
            done = Done(action=event.action, digest=command.digest, version=event.seq)
            if command.key:
                self._seen[command.key] = done
        return self._outcome(done, command.actor)

    def _outcome(self, done: Done, actor: Actor | None) -> IncidentOutcome:
        return IncidentOutcome(
            **done.model_dump(),
            incident=self._incident,
            waiting=len(self._waiting),
            available_actions=self._incident.available_actions(actor) if actor else (),
        )

    def _note_cancellation(self, reason: str) -> None:
        self._note(self._incident.note_cancellation(reason, workflow.now()))

    def _note(self, event: IncidentEvent) -> None:
        self._outbox.append(event)
        self._changed = True
        data: dict[str, Any] = event.data
        if event.action in _WIDENING:
            self._gather_after = ""
            self._second_look = True
        elif event.action == IncidentAction.INFORM:
            said = {"message_en": data["message"]} | {name: data[name] for name in _SAID if name in data}
            said |= {"incident": self._incident.number, "timezone": self._incident.timezone}
            self._news.append(News(seq=event.seq, at=event.at, numbers=tuple(self._waiting), **said))

    def _look_again(self) -> None:
        if self._second_look and self._again is None:
            self._second_look = False
            self._again = asyncio.create_task(self._look_later())

    async def _look_later(self) -> None:
        await workflow.sleep(SECOND_LOOK, summary="looks for cases again 再次归集")
        self._again = None
        self._gather_after = ""
        self._changed = True

    def _under_way(self) -> list[asyncio.Future[None]]:
        return [each for each in (self._publishing, self._errand, self._round) if each is not None]

    def _has_news(self) -> bool:
        return self._changed or any(each.done() for each in self._under_way())

    def _over(self) -> bool:
        return self._incident.over and not self._waiting and self._idle()

    def _idle(self) -> bool:
        return not (self._outbox or self._news or self._under_way())

    def _may_carry_over(self) -> bool:
        """Nothing is under way, as between two rounds; no handler comes in between, as nothing is awaited any more."""
        return self._idle() and workflow.all_handlers_finished()

    def _carried_over(self) -> IncidentStart:
        return IncidentStart(
            source=self._incident,
            waiting=tuple(self._waiting),
            counts=dict(self._counts),
            seen=self._seen,
            gather=self._gather_after is not None or self._again is not None,
            absorbed=self._absorbed,
            names=self._names,
        )

    def _collect(self) -> None:
        """Let go of what is done."""
        if self._publishing and self._publishing.done():
            self._publishing.result()
            self._publishing = None
        self._errand, self._round = _unless_done(self._errand), _unless_done(self._round)

    def _publish(self) -> None:
        """One batch under way at a time, so that SQL sees the incident's versions in order."""
        if self._publishing or not self._outbox:
            return
        batch = IncidentBatch(incident=self._incident, events=tuple(self._outbox), counts=dict(self._counts))
        send = partial(
            workflow.start_activity_method,
            Incidents.publish,
            batch,
            start_to_close_timeout=PUBLISH_TIMEOUT,
            retry_policy=RETRY,
            summary=f"{batch.events[-1].action} → v{self._incident.version}",
        )
        # A task of its own comes after those that were begun before it: then it does not matter if SQL answers before
        # an update, or together with it. A worker that has forgotten the incident may take two tasks for one.
        self._publishing = asyncio.create_task(_result_of(send))
        self._outbox.clear()

    def _begin(self) -> None:
        """One errand and one round at a time. An errand needs SQL; a round goes on without, so it waits for none."""
        published = self._publishing is None and not self._outbox
        if self._errand is None and published and (errand := self._next_errand()):
            self._errand = asyncio.create_task(errand)
        if self._round is None and (step := self._next_step()):
            self._round = asyncio.create_task(step)

    def _next_errand(self) -> Any:  # noqa: ANN401 - a coroutine, or None
        """News first, then the cases of its scope."""
        if self._news:
            return self._inform()
        return self._gather() if self._may_gather() else None

    def _may_gather(self) -> bool:
        return self._gather_after is not None and self._incident.end in (None, IncidentState.RESOLVED)

    def _next_step(self) -> Any:  # noqa: ANN401 - a coroutine, or None
        """What the end of the incident means for each of its cases; it is over when no errand can bring another."""
        incident = self._incident
        if incident.state is IncidentState.MERGING and not self._absorbed:
            return self._ask_the_other()
        if incident.end and self._waiting:
            return self._see_to_cases()
        if incident.state in ENDS and self._errand is None and not self._news and not self._may_gather():
            return self._finish()
        return None

    async def _inform(self) -> None:
        news = self._news[0]
        await self._run(Incidents.inform, news, f"tells {len(news.numbers)} callers 通报来电人")
        self._news.pop(0)

    async def _ask_the_other(self) -> None:
        """The other incident takes over the scope, unless it has ended: then this one goes on as it was."""
        other = workflow.get_external_workflow_handle(incident_id(str(self._incident.into)))
        try:
            await other.signal("absorb", Absorbed(incident=self._incident.number, scope=self._incident.scope))
        except FailureError:
            self._note(self._incident.fail_merge(workflow.now()))
        else:
            self._absorbed = True

    async def _gather(self) -> None:
        incident, after = self._incident, self._gather_after or ""
        self._gather_after = None
        gathering = Gathering(incident=incident.number, scope=incident.scope, since=incident.since, after=after)
        found = await self._run(Incidents.gather, gathering, "links the cases of its scope 归集工单")
        if self._gather_after is None:  # else it begins anew: the scope has grown, or it is time for the second look
            self._gather_after = found.after

    async def _see_to_cases(self) -> None:
        numbers = tuple(self._waiting)[:PORTION]
        left = f"{len(self._waiting)} 件待办 cases left"
        incident = self._incident
        if incident.end is IncidentState.RESOLVED:
            settling = Settling(
                incident=incident.number,
                result=incident.result or "",
                message=incident.reply or "",
                follow_up_percent=incident.follow_up_percent,
                numbers=numbers,
            )
            answers = await self._run(Incidents.settle, settling, f"completes and replies 批量办结, {left}")
        else:
            to = incident.into if incident.end is IncidentState.MERGED else None
            handing = HandingOn(incident=incident.number, to=to, numbers=numbers)
            answers = await self._run(Incidents.relink, handing, f"hands cases on 转并工单, {left}")
        self._counts.update(answers.counts)
        for number in numbers:
            self._waiting.pop(number, None)
        self._waiting |= dict.fromkeys(answers.silent)
        if answers.silent and self._waiting.keys() <= {*answers.silent}:
            await workflow.sleep(LATER, summary=f"{len(answers.silent)} cases do not answer 工单无应答")

    async def _finish(self) -> None:
        self._note(self._incident.finish(workflow.now(), dict(self._counts)))

    async def _run(self, method: Any, argument: Any, summary: str) -> Any:  # noqa: ANN401 - as the SDK's own
        return await workflow.execute_activity_method(
            method,
            argument,
            start_to_close_timeout=ROUND_TIMEOUT,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RETRY,
            priority=BEHIND_ALL,
            summary=summary,
        )

    def _show(self) -> None:
        now = incident_shown(self._incident)
        if changed := updates(now, self._shown):
            workflow.upsert_search_attributes(changed)
            self._shown = now
        workflow.set_current_details(incident_details(self._incident, len(self._waiting), self._counts, self._names))


async def _result_of(send: Callable[[], Awaitable[None]]) -> None:
    await send()


def _unless_done(task: asyncio.Task[None] | None) -> asyncio.Task[None] | None:
    """The task while it is at work; an error of the workflow's own comes to light here."""
    if task is None or not task.done():
        return task
    task.result()
    return None
