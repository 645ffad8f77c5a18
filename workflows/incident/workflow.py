"""The workflow of one incident: one cause behind many calls, until every case is replied to.

It has no child workflow for a case: each case is a workflow already. Cases signal that they belong to it; when it ends,
activities act on a batch of cases at a time, at the lowest priority.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, cast

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.incidents import BATCH, LINKED, IncidentActivities, IncidentMessages
    from activities.names import ABSORB
    from domain.case.actions.link_incident import OVER
    from domain.incident.actions import CONFIRM, DECLARE, Confirmed
    from domain.incident.incident import (
        ABSORPTION,
        Absorbed,
        Asking,
        Gathering,
        Incident,
        IncidentBatch,
        NamedCases,
        News,
        Relinking,
        Settling,
    )
    from domain.incident.state import ENDS, IncidentEvent, IncidentState
    from domain.kit.event import BaseEvent
    from domain.shared.actors import Actor
    from domain.shared.errors import OUT_OF_TURN, Refused
    from domain.shared.numbers import is_number
    from workflows.incident import messages
    from workflows.kit.entity import Done, PublishingWorkflow
    from workflows.kit.search_attributes import Values
    from workflows.kit.words import WorkerNames

SILENT_CASE_PAUSE = timedelta(minutes=5)
"""Pause before cases that did not answer are asked again, after all others."""
LONGEST_SILENCE = timedelta(hours=1)
"""Time after which the end no longer waits for a silent case that SQL does not show as linked, as SQL may lag."""
SECOND_SEARCH = timedelta(seconds=15)
"""Pause before the second search: then SQL shows cases that were registered while the incident was confirmed."""

MOST_WAITING = 100_000
"""Cases that wait at most: their numbers travel in the next run's start message, for which Temporal allows 2 MB."""
MOST_IN_SIGNAL = 1000
"""Numbers that one signal names at most: a worker tells an incident of at most 100 cases at a time (the SDK's limit of
local activities). Somebody else's signal alone must leave room for those."""

_WIDENING = (DECLARE.name, CONFIRM.name, ABSORPTION.name)
"""Events after which cases of the scope are searched for."""
NO_CASES = messages.CaseNumbers(())
_SQL, _ASKING, _CASES = "work that needs SQL", "questions to cases", "work on cases"


@workflow.defn(name="IncidentWorkflow")
class IncidentWorkflow(PublishingWorkflow):
    """One incident, until the last of its cases is completed or has left it."""

    LONGEST = timedelta(minutes=5)

    @workflow.init
    def __init__(self, start: messages.IncidentStart) -> None:
        opened: tuple[IncidentEvent, ...] = ()
        if isinstance(start.source, Incident):
            self._incident = start.source
        else:
            self._incident, first = Incident.open(start.source)
            opened = (first,)
        self._news: list[News] = []
        self._named, self._named_due = start.named, start.named is not None
        self._named_timer: asyncio.Task[None] | None = None
        self._search_after: str | None = "" if start.gather else None
        self._second_search_due = start.gather
        self._second_search_at: datetime | None = None
        self._second_searches: list[asyncio.Task[None]] = []
        self._waiting = dict.fromkeys(start.waiting)
        self._silent = set[str]()
        self._unlinked_since = dict[str, datetime]()  # silent cases that SQL does not show as linked
        self._doubtful, self._asked = dict[str, None](), dict[str, None]()  # are said to belong to it no longer
        self._counts = Counter(start.counts)
        self._absorbed = start.absorbed
        self._names = start.names
        self._recent: tuple[str | IncidentEvent, ...] = start.recent
        super().__init__(self._incident, opened, start)

    @workflow.run
    async def run(self, start: messages.IncidentStart) -> None:  # noqa: ARG002 - taken by __init__, as the SDK wants both
        """Keep the incident until it is over and no case waits for it."""
        while self._waiting or not (self._incident.over and self._idle()):
            await self._wait_for_work()
            # What a task asks Temporal for, in this order: docs/decisions/0004 says why it matters.
            self._plan_second_search()
            self._show()
            self._continue_as_new_if_suggested()
            self._inform_callers_or_search_cases()
            self._act_on_cases()
            # The answers of doubtful cases may come with an update or, at a replay, before it.
            if _ASKING not in self._tasks:
                self._publish(IncidentActivities.publish, self._batch)
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _idle(self) -> bool:
        return super()._idle() and not self._news

    def _may_continue(self) -> bool:
        # At its end nobody asks the doubtful: every case is asked then.
        return self._idle() and (self._incident.end is not None or not self._doubtful)

    def _plan_second_search(self) -> None:
        # A timer whose time has passed is none, as in `DeadlineTimer`: an update may come before its event.
        now, running = workflow.now(), self._second_search_at
        if self._second_search_due and (running is None or running <= now):
            self._second_search_due = False
            self._second_search_at = now + SECOND_SEARCH
            self._second_searches.append(asyncio.create_task(self._search_again()))

    async def _search_again(self) -> None:
        await workflow.sleep(SECOND_SEARCH, summary="looks for cases again 再次归集")
        self._search_after = ""
        self._wake()

    def _inform_callers_or_search_cases(self) -> None:
        """Begin what needs SQL, one activity at a time, after SQL has the incident."""
        if _SQL in self._tasks or self._outbox:
            return
        if self._news:
            self._begin(_SQL, self._inform())
        elif self._may_search():
            self._begin(_SQL, self._gather())

    def _may_search(self) -> bool:
        """Return True if cases are still to be looked for; a suspicion takes none, whatever was merged into it."""
        incident = self._incident
        open_or_resolved = incident.end in (None, IncidentState.RESOLVED)
        return self._search_after is not None and open_or_resolved and incident.state is not IncidentState.SUSPECTED

    def _act_on_cases(self) -> None:
        """Begin what the end of the incident means for its cases, one batch at a time. It does not wait for SQL."""
        if self._tasks.keys() & {_ASKING, _CASES}:
            return
        if self._doubtful and not self._incident.end:
            self._begin(_ASKING, self._ask_doubtful())
        elif step := self._next_step():
            self._begin(_CASES, step)

    def _next_step(self) -> Coroutine[Any, Any, None] | None:
        """Next step to the end; the last one comes when nothing can bring another case."""
        incident = self._incident
        if incident.state is IncidentState.MERGING and not self._absorbed:
            return self._merge_into_other()
        if incident.end and self._waiting:
            return self._settle_or_relink()
        if self._named and (self._named_due or incident.end):
            return self._link_named(self._named)
        if incident.state in ENDS and _SQL not in self._tasks and not self._news and not self._may_search():
            return self._finish()
        return None

    async def _inform(self) -> None:
        news = self._news[0]
        await self._execute(IncidentActivities.inform, news, f"tells {len(news.numbers)} callers 通报来电人")
        self._news.pop(0)

    async def _gather(self) -> None:
        incident, after = self._incident, self._search_after or ""
        self._search_after = None
        gathering = Gathering(incident=incident.number, scope=incident.scope, since=incident.since, after=after)
        found = await self._execute(IncidentActivities.gather, gathering, "links the cases of its scope 归集工单")
        if self._search_after is None:  # else it begins anew: the scope has grown, or the second search is due
            self._search_after = found.after

    async def _link_named(self, naming: NamedCases) -> None:
        """Link the cases that somebody has named; those that do not answer later again, or once all others ended."""
        self._named, self._named_due = None, False
        summary = f"links {len(naming.numbers)} named cases 点名并案"
        answers = await self._execute(IncidentActivities.link_named, naming, summary)
        answered = {number: None for number in naming.numbers if number not in answers.silent}
        # They go where the incident goes, also if it ends before they have told it.
        self._waiting |= answered
        if answers.counts.keys() - {LINKED}:  # some refused, or are gone: they are asked which
            self._doubtful |= answered
        if answers.silent and not self._incident.end:
            self._named = naming.model_copy(update={"numbers": answers.silent})
            self._named_timer = asyncio.create_task(self._name_again(len(answers.silent)))

    async def _name_again(self, silent: int) -> None:
        """Wait as a task of its own: neither the end of the incident nor its next run waits for silent cases."""
        await workflow.sleep(SILENT_CASE_PAUSE, summary=f"{silent} cases do not answer 工单无应答")
        self._named_due = True
        self._wake()

    async def _merge_into_other(self) -> None:
        """Hand the scope to the other incident; if that has ended, this one goes on as before."""
        incident, into = self._incident, str(self._incident.into)
        absorbed = Absorbed(incident=incident.number, into=into, scope=incident.scope)
        if await self._execute(IncidentMessages.merge, absorbed, f"is merged 并入 {into}"):
            self._absorbed = True
        else:
            self._note(incident.fail_merge(workflow.now()))

    async def _settle_or_relink(self) -> None:
        numbers = tuple(self._waiting)[:BATCH]
        left = f"{len(self._waiting)} 件待办 cases left"
        incident = self._incident
        activity: Any
        page: Settling | Relinking
        if incident.end is IncidentState.RESOLVED:
            activity, what = IncidentActivities.settle, "completes and replies 批量办结"
            page = Settling(
                incident=incident.number,
                result=incident.result or "",
                message=incident.reply or "",
                follow_up_percent=incident.follow_up_percent,
                numbers=numbers,
            )
        else:
            activity, what = IncidentActivities.relink, "links cases to another incident 转并工单"
            to = incident.into if incident.end is IncidentState.MERGED else None
            page = Relinking(incident=incident.number, to=to, numbers=numbers)
        answers = await self._execute(activity, page, f"{what}, {left}")
        self._counts.update(answers.counts)
        for number in numbers:
            self._waiting.pop(number, None)
        self._waiting |= dict.fromkeys(answers.silent)
        self._silent |= {*answers.silent}
        now = workflow.now()
        for number in answers.unlinked:
            if now - self._unlinked_since.setdefault(number, now) >= LONGEST_SILENCE:
                del self._waiting[number]
                self._counts[OVER] += 1
        if self._waiting and self._waiting.keys() <= self._silent:
            await workflow.sleep(SILENT_CASE_PAUSE, summary=f"{len(self._waiting)} cases do not answer 工单无应答")
            self._silent.clear()

    async def _ask_doubtful(self) -> None:
        """Forget the cases that say themselves that they are not linked to it."""
        numbers = tuple(self._doubtful)[:BATCH]
        self._asked = {number: self._doubtful.pop(number) for number in numbers}
        asking = Asking(incident=self._incident.number, numbers=numbers)
        unlinked = await self._execute(IncidentActivities.find_unlinked, asking, f"asks {len(numbers)} cases 核对工单")
        # Those that were linked again meanwhile are asked no longer.
        for number in self._asked.keys() & unlinked:
            self._waiting.pop(number, None)

    async def _finish(self) -> None:
        self._note(self._incident.finish(workflow.now(), dict(self._counts)))

    @workflow.query(description="The incident as it stands, without asking SQL. 突发事件现状")
    def incident(self, actor: Actor | None = None) -> messages.IncidentOutcome:
        done = Done(action="", digest="", version=self._incident.version, done_at=workflow.now())
        return self._outcome(done, actor)

    @workflow.signal(description="内部 Internal: Cases say that they belong to it. 工单并入")
    def linked(self, numbers: messages.CaseNumbers = NO_CASES) -> None:
        """Keep the numbers. Anybody may have sent it: a case that is not linked refuses what the incident does."""
        room = min(MOST_IN_SIGNAL, MOST_WAITING - len(self._waiting))
        for number in islice(filter(is_number, numbers.root), max(room, 0)):
            self._waiting[number] = None
            self._doubtful.pop(number, None)
            self._asked.pop(number, None)
        self._wake()

    @workflow.signal(description="内部 Internal: Cases say that they belong to it no longer. 工单撤出")
    def unlinked(self, numbers: messages.CaseNumbers = NO_CASES) -> None:
        """Have the cases asked. Anybody may have sent the signal; at the end, every case is asked in any case."""
        room = max(BATCH - len(self._doubtful), 0)  # news wait for them: cases that do not answer must not be many
        self._doubtful |= dict.fromkeys(islice((each for each in numbers.root if each in self._waiting), room))
        self._wake()

    @workflow.update(name=ABSORB, description="内部 Internal: Another incident was merged into this one. 其他事件并入")
    def absorb(self, absorbed: Absorbed) -> messages.IncidentOutcome:
        """Widen the scope by that of the other incident, once. The answer is for a rebuild: SQL may not have it yet."""
        self._note(*self._incident.absorb(absorbed.incident, absorbed.scope, workflow.now()))
        done = Done(action=ABSORPTION.name, digest="", version=self._incident.version, done_at=workflow.now())
        return self._outcome(done, None).model_copy(update={"events": tuple(self._outbox)})

    @absorb.validator
    def check_absorb(self, absorbed: Absorbed) -> None:
        """Refuse it if this incident is over, or is not the one that is meant. Raises ApplicationError."""
        number = self._incident.number
        if absorbed.into != number or self._incident.over:
            raise self._refusal(Refused(OUT_OF_TURN, f"The incident {number} is over, or not {absorbed.into}."))

    def _record(self, *events: BaseEvent) -> None:
        super()._record(*events)
        self._recent = (*self._recent, *cast("tuple[IncidentEvent, ...]", events))[-messages.RECENT :]
        for event in events:
            data, number = event.data, self._incident.number
            if isinstance(data, Confirmed) and data.cases:
                actor = Actor(id=event.actor, name=event.people.get(event.actor, ""), role=event.role)
                numbers = tuple(dict.fromkeys(data.cases))
                self._named, self._named_due = NamedCases(incident=number, actor=actor, numbers=numbers), True
            if event.action in _WIDENING:
                self._search_after = ""
                self._second_search_due = True
            elif news := News.of(self._incident, event, tuple(self._waiting)):
                self._news.append(news)

    def _batch(self) -> IncidentBatch:
        incident, events = self._incident.model_copy(), tuple(self._outbox)
        return IncidentBatch(incident=incident, events=events, counts=dict(self._counts))

    def _search_attributes(self) -> Values:
        return messages.search_attributes(self._incident, self._names)

    def details(self, names: WorkerNames) -> str:  # noqa: ARG002 - it has what it shows
        return messages.details(self._incident, (*self._waiting,), self._counts, self._names, self._recent)

    def _outcome(self, done: Done, actor: Actor | None) -> messages.IncidentOutcome:
        return messages.IncidentOutcome(
            **done.model_dump(),
            incident=self._incident,
            counts=dict(self._counts),
            waiting=len(self._waiting),
            available_actions=self._incident.available_actions(actor) if actor else (),
        )

    def _carried_over(self) -> messages.IncidentStart:
        return messages.IncidentStart(
            source=self._incident,
            waiting=tuple(self._waiting),
            counts=dict(self._counts),
            seen=self._seen,
            changed_at=self._changed_at,
            rebuilt_at=self.rebuilt_at,
            gather=self._search_after is not None or not all(task.done() for task in self._second_searches),
            absorbed=self._absorbed,
            names=self._names,
            named=self._named,
            recent=tuple(messages.lines(self._recent, self._incident, self._names)),
        )
