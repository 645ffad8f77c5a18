"""The ways through an incident's life of which a history is kept, as `tests.replay.paths` has those of complaints."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from activities.names import complaint_id
from domain.case.actions.link_incident import LinkIncident
from domain.incident.actions import Confirm, Dismiss, DispatchIncident, Inform, Merge, Resolve, SignForIncident
from domain.kit.event import Command
from domain.shared.actors import SYSTEM
from tests.replay.paths import TO_CREW, play
from tests.support.causes import Cause, count_timers, declare, linked
from tests.support.hotline import ADMIN, Hotline, until

IncidentPlay = Callable[[Hotline], Awaitable[Cause]]
INCIDENT_PATHS: dict[str, IncidentPlay] = {}

OVER = Resolve(result="已换管", message="已恢复供水")


def path(play: IncidentPlay) -> IncidentPlay:
    INCIDENT_PATHS[play.__name__] = play
    return play


async def ended(cause: Cause) -> Cause:
    await asyncio.wait_for(cause.handle.result(), 20)
    return cause


async def told(hotline: Hotline, cause: Cause, count: int) -> None:
    """So many callers have news of it that SQL holds."""

    await until(partial(asyncio.to_thread, _informed, hotline, cause.number), count.__eq__)


def _informed(hotline: Hotline, number: str) -> int:
    with hotline.engine.connect() as connection:
        query = "SELECT count(*) FROM notifications WHERE key LIKE ? AND recipient LIKE 'caller:%'"
        return int(connection.exec_driver_sql(query, (f"{number}-%",)).scalar_one())


@path
async def incident_resolved(hotline: Hotline) -> Cause:
    """Suspected, confirmed, dispatched, told to its callers, looked into twice, and over."""
    before = await hotline.start(district="tanzhou")
    await before.published(1)
    registered_at = (await before.view()).registered_at
    cause = await declare(hotline, "tanzhou", actor=SYSTEM, since=registered_at, calls=11)
    await cause.act(Confirm(title="爆管", services=("low_pressure",)))
    await cause.waits_for(1)
    await linked(hotline, cause, 2)
    await hotline.server.fast_forward(cause.handle, 16)
    await cause.act(DispatchIncident(department="repair"))
    await cause.act(SignForIncident(assignee="Liang Wei"))
    await cause.act(Inform(message="正在抢修", message_en="At work."))
    await told(hotline, cause, 3)
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_dismissed(hotline: Hotline) -> Cause:
    """Declared, and no common cause after all: its cases go their own way."""
    cause = await declare(hotline, "fusha")
    await linked(hotline, cause, 2)
    await cause.act(Dismiss(reason="各有各的原因"))
    return await ended(cause)


@path
async def incident_merged(hotline: Hotline) -> Cause:
    """Its cases and its scope go over to another."""
    other, cause = await declare(hotline, "sanjiao"), await declare(hotline, "huangpu")
    await linked(hotline, cause, 2)
    await cause.act(Merge(into=other.number))
    await other.waits_for(2)
    return await ended(cause)


@path
async def incident_absorbing(hotline: Hotline) -> Cause:
    """Another's cases and scope come over to it."""
    cause, other = await declare(hotline, "nantou"), await declare(hotline, "dongfeng")
    await linked(hotline, other, 2)
    await other.act(Merge(into=cause.number))
    await cause.waits_for(2)
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_signalled_by_hand(hotline: Hotline) -> Cause:
    """From the Temporal UI, without arguments: nothing happens."""
    cause = await declare(hotline, "shaxi")
    for signal in ("linked", "unlinked"):
        await cause.handle.signal(signal)
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_not_merged(hotline: Hotline) -> Cause:
    """The other had ended: it stays, and is resolved by itself; a case is taken out of it by hand before."""
    other, cause = await declare(hotline, "guzhen"), await declare(hotline, "guzhen")
    await other.act(Dismiss(reason="误报"))
    await ended(other)
    complaint, _ = await linked(hotline, cause, 2)
    await cause.act(Merge(into=other.number))
    await cause.in_state("confirmed")
    await complaint.act(LinkIncident(incident=None))
    await cause.waits_for(1)
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_asked_to_cancel(hotline: Hotline) -> Cause:
    """The most prominent button of the Temporal UI is pressed: the incident goes on."""
    cause = await declare(hotline, "fusha")
    await cause.handle.cancel()
    await cause.published("declare", "cancellation_requested")
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_told_twice(hotline: Hotline) -> Cause:
    """The same news twice, each when SQL has what came before."""
    cause = await declare(hotline, "banfu")
    await linked(hotline, cause, 2)
    for times in (1, 2):
        await cause.act(Inform(message="正在抢修"))
        await told(hotline, cause, 2 * times)
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_asked_again(hotline: Hotline) -> Cause:
    """The same key by another update: the server, which knows updates by their ids, lets it through."""
    cause = await declare(hotline, "dongfeng")
    command = Command(actor=ADMIN, body=DispatchIncident(department="repair"), key="once", digest="d")
    for _ in range(2):
        await cause.handle.execute_update("dispatch", command)
    await cause.published("declare", "dispatch")
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_with_a_case_that_does_not_answer(hotline: Hotline) -> Cause:
    """It has no worker. Another incident is absorbed while it is asked to link; at the end it is asked once more."""
    other = await declare(hotline, "nanlang")
    stuck = await hotline.start(district="sanxiang")
    await stuck.published(1)
    registered_at = (await stuck.view()).registered_at
    await stuck.handle.terminate()
    silent = await hotline.client.start_workflow("ComplaintWorkflow", id=stuck.handle.id, task_queue="nobody-polls-it")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
        cause = await declare(hotline, "sanxiang", since=registered_at)
        await cause.handle.signal("linked", [stuck.number])
        await until(partial(_activities, cause), {"gather_cases"}.__eq__)
        await other.act(Merge(into=cause.number))
        await ended(other)
        await cause.act(OVER)
        await until(partial(count_timers, cause), (2).__eq__)  # beside that of the second search
        await silent.terminate()
        await hotline.server.fast_forward(cause.handle, 360)
        return await ended(cause)


@path
async def incident_with_a_case_that_only_a_signal_has_named(hotline: Hotline) -> Cause:
    """It has no worker, and SQL does not show it as linked: the end waits an hour for it."""
    number = hotline.registration().number
    silent = await hotline.client.start_workflow("ComplaintWorkflow", id=complaint_id(number), task_queue="nobody")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
        cause = await declare(hotline, "sanxiang")
        await cause.handle.signal("linked", [number])
        await cause.waits_for(1)
        await cause.act(Dismiss(reason="误报"))
        await until(partial(count_timers, cause), (2).__eq__)  # beside that of the second search
        await hotline.server.fast_forward(cause.handle, 3900)
        await ended(cause)
    await silent.terminate()
    return cause


@path
async def incident_with_named_cases(hotline: Hotline) -> Cause:
    """It takes a case by name that a department has signed for, before another person resolves it."""
    complaint = await play(await hotline.start(district="banfu"), *TO_CREW)
    cause = await declare(hotline, "banfu", actor=SYSTEM, calls=11)
    await cause.act(Confirm(cases=(complaint.number,)))
    await until(complaint.view, lambda view: view.incident == cause.number)
    await cause.waits_for(1)
    await cause.act(OVER)
    return await ended(cause)


@path
async def incident_with_a_named_case_that_does_not_answer(hotline: Hotline) -> Cause:
    """It has no worker: it is asked once more after minutes."""
    stuck = await hotline.start(district="sanxiang")
    await stuck.published(1)
    await stuck.handle.terminate()
    silent = await hotline.client.start_workflow("ComplaintWorkflow", id=stuck.handle.id, task_queue="nobody-polls-it")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("activities.cases.ANSWER_SECONDS", 0.3)
        cause = await declare(hotline, "sanxiang", actor=SYSTEM, calls=11)
        await cause.act(Confirm(cases=(stuck.number,)))
        await until(partial(count_timers, cause), (2).__eq__)  # beside that of the second search
        await silent.terminate()
        await hotline.server.fast_forward(cause.handle, 360)
        await cause.act(OVER)
        return await ended(cause)


async def _activities(cause: Cause) -> set[str]:
    described = (await cause.handle.describe()).raw_description
    return {each.activity_type.name for each in described.pending_activities}


@path
async def incident_in_all_hands(hotline: Hotline) -> Cause:
    """A suspicion that is told to nobody, and whose department changes twice: to the first one again."""
    cause = await declare(hotline, "shaxi", actor=SYSTEM, calls=11)
    await cause.act(Confirm())
    for department in ("repair", "network", "repair"):
        await cause.act(DispatchIncident(department=department))
    await cause.act(SignForIncident())
    await cause.act(OVER)
    return await ended(cause)
