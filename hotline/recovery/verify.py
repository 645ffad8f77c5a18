"""Comparison of the two stores, case by case: SQL's rows with the search attributes of workflows in Temporal's list.

To ask each workflow would take a worker a replay for each case. Search attributes hold what lists show, and
`ChangedAt`, which is later with every version, stands for the version. The list may lag behind: before a difference is
reported, the workflow is described, which is exact, and SQL is read again.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from pydantic.alias_generators import to_snake
from sqlalchemy import Engine
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeIndexedValueType as Kind
from temporalio.common import SearchAttributeKey

from activities.cases import BulkThrottle, for_each
from activities.names import complaint_id, incident_id
from activities.poller import now
from activities.recovery.case_workflows import CHUNK, IS_OVER, CaseRun, CaseWorkflows
from activities.run_status import NOT_OVER, PAUSED, UnreadableError, instant, is_lost, is_over
from domain.incident.state import IncidentEvent
from domain.shared.value import exhaustive, to_milliseconds
from hotline.recovery.histories import chains, read_case, read_incident
from readmodel import incidents, recovery
from readmodel.base.database import ReadConnection, read_in_thread
from readmodel.incidents import incident_timeline
from readmodel.recovery import CaseFacts, all_facts, facts_of, incidents_not_over
from workflows.incident.workflow import IncidentWorkflow
from workflows.kit import search_attributes as keys

TRIES = 2
"""Comparisons of a case that seems to differ, before that is reported: it may change meanwhile."""
AT_ONCE = 8
"""Cases that are compared again at the same time."""
PAUSE_SECONDS = 1.0
_ATTRIBUTES = {to_snake(key.name): key for key in keys.REGISTRY if key is not keys.HEADLINE}
"""Search attributes by the field of `CaseFacts` that has the same; the headline says some of them in words."""
exhaustive("CaseFacts of readmodel.recovery", _ATTRIBUTES, CaseFacts._fields)


class Difference(NamedTuple):
    """Fact of a case or incident that the two stores have otherwise."""

    number: str
    what: str
    in_sql: str
    in_temporal: str


class Verified(NamedTuple):
    """Result of a comparison.

    `compared` counts cases that both stores have, `past_retention` ended ones that Temporal no longer has, `incidents`
    those that are not over. `paused` are the cases and incidents whose workflow somebody has paused.
    """

    compared: int
    past_retention: int
    incidents: int
    differences: list[Difference]
    paused: Sequence[str] = ()


class _InTemporal(NamedTuple):
    """Latest run of a case: its status, its start, and its search attributes in the order of `_ATTRIBUTES`."""

    status: WorkflowExecutionStatus
    started_at: datetime
    facts: tuple[Any, ...]


async def verify(
    client: Client, engine: Engine, task_queue: str, progress: Callable[[int], None] = lambda _: None
) -> Verified:
    """Compare every case in both stores, and every incident that is not over. Raises RPCError and DBAPIError."""
    workflows = CaseWorkflows(client, BulkThrottle(), task_queue)
    there, incomplete = dict[str, _InTemporal](), set[str]()
    for chunks in (workflows.chunks(NOT_OVER), workflows.chunks(IS_OVER)):
        async for chunk in chunks:
            for number, seen in chunk.items():
                run = _in_temporal(seen)
                if number not in there or _is_later(run, there[number]):
                    there[number] = run
            changes = {number: seen.changes for number, seen in chunk.items() if seen.changes}
            incomplete |= await read_in_thread(engine, partial(recovery.lacking, changes=changes))
            progress(len(there))
    compared, past, doubtful = await read_in_thread(engine, partial(_compare_all, there=there))
    doubtful += incomplete.difference(doubtful)

    async def compare(number: str) -> list[Difference]:
        seen = await workflows.get(number)
        facts = await read_in_thread(engine, partial(facts_of, at=now(), number=number))
        unreadable = await read_in_thread(engine, partial(recovery.unreadable, numbers=[number]))
        faulty = [Difference(number, "unreadable", why, "-") for why in unreadable.values()]
        if facts and number in incomplete and (lost := await _lost(client, number)):
            faulty.append(Difference(number, "history", f"v{facts.version}", lost))
        return [*faulty, *_differences(number, facts, _in_temporal(seen) if seen else None)]

    differences = list[Difference]()
    for attempt in range(TRIES):
        await asyncio.sleep(PAUSE_SECONDS if attempt and doubtful else 0)
        differences = [*chain.from_iterable(await for_each(doubtful, compare, AT_ONCE))]
        doubtful = list(dict.fromkeys(one.number for one in differences))
    paused = [number for number, seen in there.items() if seen.status == PAUSED]
    count, of_incidents, paused_incidents = await _verify_incidents(client, engine)
    return Verified(compared, past, count, differences + of_incidents, (*sorted(paused), *paused_incidents))


async def _lost(client: Client, number: str) -> str | None:
    """Version that ended runs of a case had; None if the present run has all that they had."""
    try:
        one = complaint_id(number)
        runs = (await chains(client, condition=f'AND WorkflowId = "{one}"')).get(one, ())
        lost = (await read_case(client, runs)).lost
    except UnreadableError as error:
        return type(error).__name__
    return f"v{max(batch.case.version for batch in lost)}" if lost else None


def _compare_all(connection: ReadConnection, there: Mapping[str, _InTemporal]) -> tuple[int, int, list[str]]:
    """Count the cases in both stores and those past the retention; find the cases that seem to differ."""
    compared, past, doubtful, left = 0, 0, list[str](), {*there}
    held = list[str]()
    for number, facts in all_facts(connection, now()):
        held.append(number)
        left.discard(number)
        seen = there.get(number)
        compared += seen is not None
        past += seen is None and facts.over
        if any(_differences(number, facts, seen)):
            doubtful.append(number)
    for start in range(0, len(held), CHUNK):
        doubtful += recovery.unreadable(connection, held[start : start + CHUNK])
    return compared, past, [*dict.fromkeys([*doubtful, *sorted(left)])]


def _differences(number: str, facts: CaseFacts | None, seen: _InTemporal | None) -> Iterator[Difference]:
    if facts is None:
        if seen:
            yield Difference(number, "case", "-", _status(seen))
        return
    if facts.events != facts.version:
        yield Difference(number, "events", str(facts.events), str(facts.version))
    if not facts.over and is_lost(seen.status if seen else None):
        yield Difference(number, "workflow", facts.state, _status(seen))
    elif seen:
        for name, other in zip(_ATTRIBUTES, seen.facts, strict=True):
            if (one := _comparable(getattr(facts, name))) != other:
                yield Difference(number, name, _text(one), _text(other))


def _status(seen: _InTemporal | None) -> str:
    return seen.status.name.lower() if seen else "-"


def _in_temporal(seen: CaseRun) -> _InTemporal:
    return _InTemporal(seen.status, seen.started_at, tuple(_shown(seen, key) for key in _ATTRIBUTES.values()))


def _is_later(one: _InTemporal, other: _InTemporal) -> bool:
    """Return True if this run takes the place of the other: it runs, or began later and the other does not run."""
    return not is_over(one.status) or (is_over(other.status) and one.started_at > other.started_at)


def _shown(seen: CaseRun, key: SearchAttributeKey[Any]) -> Any:  # noqa: ANN401 - of any type
    shown = seen.shown.get(key.name)
    value = json.loads(shown.data) if shown and shown.data else None
    match key.indexed_value_type:
        case Kind.DATETIME if value:
            value = instant(value)
        case Kind.KEYWORD_LIST:  # Temporal gives a list of one as its only value
            value = tuple([value] if isinstance(value, str) else value or ())
    return _comparable(value)


def _comparable(value: Any) -> Any:  # noqa: ANN401 - of any type
    """Bring it to the precision and order in which both stores can have it."""
    if isinstance(value, datetime):
        return to_milliseconds(value)
    return tuple(sorted(value)) if isinstance(value, tuple) else value


def _text(value: Any) -> str:  # noqa: ANN401 - of any type
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    text = (", ".join(value) if isinstance(value, tuple) else value) or "-"
    # Somebody may have given it to a workflow, and a terminal does what some characters say.
    return "".join(each if each.isprintable() else "?" for each in text)


async def _verify_incidents(client: Client, engine: Engine) -> tuple[int, list[Difference], list[str]]:
    """Compare those not over, which are few, by their histories; return number, what differs, the paused."""
    listed = await chains(client, IncidentWorkflow, f"AND {NOT_OVER}")
    running = {one.removeprefix(incident_id("")): run for one, [run, *_] in listed.items()}
    not_over = await read_in_thread(engine, incidents_not_over)
    differences = list[Difference]()
    for number in sorted({*running, *not_over}):
        incident = await read_in_thread(engine, partial(incidents.get, number=number))
        # After the incident: a run that was not reset has all that SQL had then.
        events = (await read_in_thread(engine, partial(incident_timeline, number=number))).items
        found = running.get(number)
        shown = _text(found.typed_search_attributes.get(keys.STATE)) if found else "-"
        if incident is None or found is None:
            in_sql = incident.state if incident else "-"
            differences.append(Difference(number, "incident" if found else "workflow", in_sql, shown))
            continue
        if incident.state != shown:
            differences.append(Difference(number, "state", incident.state, shown))
        if len(events) < incident.version:
            differences.append(Difference(number, "events", str(len(events)), str(incident.version)))
        if other := await _other_history(client, found, events):
            differences.append(Difference(number, "history", f"v{len(events)}", other))
    return len(not_over), differences, sorted(number for number, run in running.items() if run.status == PAUSED)


async def _other_history(client: Client, run: WorkflowExecution, events: Sequence[IncidentEvent]) -> str | None:
    """Version of an incident's run that lacks one of these events or has another; None if it agrees.

    If it agrees, but they lack what an ended run had: the version of that.
    """
    runs = (await chains(client, IncidentWorkflow, f'AND WorkflowId = "{run.id}"')).get(run.id, ())
    try:
        history = (await read_incident(client, runs)).opened()
    except UnreadableError as error:
        return type(error).__name__
    if not history.agrees_with(events):
        return f"v{history.reached}"
    lost = history.lost_beside(events)
    return f"v{lost}" if lost else None
