"""`hotline verify` finds what the two stores have otherwise, and nothing else."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import Engine

from activities.names import incident_id
from domain.case.actions.dispatch import Dispatch
from domain.case.actions.involve import Involve
from domain.case.actions.refuse import Refuse
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.actions.urge import Urge
from domain.incident.actions import Inform
from hotline.recovery import verify as module
from hotline.recovery.verify import Verified, verify
from tests.support.causes import declare, linked
from tests.support.hotline import Complaint, Hotline, running_hotline, until
from tests.support.lost import delete, reset, terminate
from tests.support.rows import execute
from tests.support.temporal import temporal_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hotline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hotline]:
    """A server of its own, as every case is compared."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(module, "PAUSE_SECONDS", 0.2)
        async with (
            await temporal_server() as server,
            running_hotline(server, tmp_path_factory.mktemp("verify")) as running,
        ):
            yield running


async def found(hotline: Hotline, owner: Engine, number: str) -> set[tuple[str, ...]]:
    """Return what differs of this case or incident: fact, SQL's and Temporal's value."""
    seen = await verify(hotline.client, owner, hotline.settings.task_queue)
    return {(what, *values) for one, what, *values in seen.differences if one == number}


async def in_states(hotline: Hotline) -> list[Complaint]:
    """Cases with every fact that lists show: due times, flags, parts, an incident."""
    cases = [await hotline.start() for _ in range(4)]
    for each in cases[1:]:
        await each.act(Dispatch(department="repair"))
    await cases[1].act(Urge())
    for each in cases[2:]:
        await each.act(SignFor())
    await cases[2].act(Involve(department="metering", task="换表"))
    await cases[2].act(Involve(department="billing", task="核对"))
    await cases[3].act(Suspend(reason="等用户"))
    late = await hotline.start()
    await late.act(Dispatch(department="repair"))
    await late.ahead(minutes=11)
    cause = await declare(hotline, "nantou")
    cases += [late, *await linked(hotline, cause, 1)]
    await cause.published("declare")
    for each in cases:
        await each.published((await each.view()).version)
    return cases


async def test_stores_that_agree_have_no_difference(hotline: Hotline, owner: Engine) -> None:
    """Temporal's list shows the cases after a moment."""
    running, ended = await in_states(hotline), await hotline.start()
    await ended.act(Refuse(reason="非供水范围"))
    await ended.closed()

    async def compared() -> Verified:
        return await verify(hotline.client, owner, hotline.settings.task_queue)

    found = await until(compared, lambda seen: seen.compared == len(running) + 1)
    assert found == Verified(len(running) + 1, 0, 1, [])


async def test_ended_cases_that_temporal_no_longer_has_are_counted_apart(hotline: Hotline, owner: Engine) -> None:
    """Its list forgets a deleted workflow after half a minute."""
    ended = await hotline.start()
    await ended.act(Refuse(reason="非供水范围"))
    await ended.closed()
    await delete(hotline.client, ended.handle.id)

    async def past() -> int:
        return (await verify(hotline.client, owner, hotline.settings.task_queue)).past_retention

    await until(past, lambda count: count == 1)
    assert await found(hotline, owner, ended.number) == set()


@pytest.mark.parametrize(
    ("change", "what", "in_sql", "in_temporal"),
    [
        ("state = 'in_progress'", "state", "in_progress", "dispatched"),
        ("department = NULL", "department", "-", "repair"),
        ("owner = 'li'", "owner", "li", "chen"),
        ("priority = 'P5'", "priority", "P5", "P2"),
        ("""flags = '["rework","urged"]'""", "flags", "rework, urged", "-"),
        ("changed_at = '2026-01-01 00:00:00.000000'", "changed_at", "2026-01-01 00:00:00.000", ""),
        ("next_due_at = NULL", "next_due_at", "-", ""),
    ],
)
async def test_a_fact_that_differs_is_named_with_both_values(
    hotline: Hotline, owner: Engine, change: str, what: str, in_sql: str, in_temporal: str
) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    execute(owner, f"UPDATE cases SET {change} WHERE number = :number", number=complaint.number)
    [(name, one, other)] = await found(hotline, owner, complaint.number)
    assert (name, one) == (what, in_sql)
    assert other == in_temporal or (not in_temporal and other.startswith("20"))


async def test_events_that_sql_lacks_are_named(hotline: Hotline, owner: Engine) -> None:
    complaint = await hotline.start()
    await complaint.act(Dispatch(department="repair"))
    execute(owner, "DELETE FROM notifications WHERE number = :number AND seq = 2", number=complaint.number)
    execute(owner, "DELETE FROM events WHERE number = :number AND seq = 2", number=complaint.number)
    assert await found(hotline, owner, complaint.number) == {("events", "1", "2")}


async def test_a_case_whose_rows_cannot_be_read_is_named(hotline: Hotline, owner: Engine) -> None:
    complaint = await hotline.start()
    execute(owner, "UPDATE cases SET document = '{}' WHERE number = :number", number=complaint.number)
    assert await found(hotline, owner, complaint.number) == {("unreadable", "Progress.owner: missing", "-")}


async def test_a_case_in_one_store_alone_is_named(hotline: Hotline, owner: Engine) -> None:
    ended, missing, behind, unwritten = [await hotline.start(unwritten=place == 3) for place in range(4)]
    await behind.act(Dispatch(department="repair"))
    await terminate(hotline.client, ended.handle.id)
    await delete(hotline.client, missing.handle.id)
    await reset(hotline.client, behind.handle.id)
    assert await found(hotline, owner, ended.number) == {("workflow", "registered", "terminated")}
    assert await found(hotline, owner, missing.number) == {("workflow", "registered", "-")}
    assert ("state", "dispatched", "registered") in await found(hotline, owner, behind.number)
    assert await found(hotline, owner, unwritten.number) == {("case", "-", "running")}


async def test_an_incident_whose_workflow_was_reset_is_named(hotline: Hotline, owner: Engine) -> None:
    """Its state may be the same: its events tell."""
    cause = await declare(hotline, "east")
    await cause.act(Inform(message="正在抢修"))
    await cause.published("declare", "inform")
    assert await found(hotline, owner, cause.number) == set()
    await reset(hotline.client, incident_id(cause.number))
    assert await found(hotline, owner, cause.number) == {("history", "v2", "v1")}
    await cause.act(Inform(message="预计两小时"))
    assert await found(hotline, owner, cause.number) == {("history", "v2", "v2")}


async def test_events_of_an_incident_that_sql_lacks_are_named(hotline: Hotline, owner: Engine) -> None:
    cause = await declare(hotline, "east")
    await cause.act(Inform(message="正在抢修"))
    await cause.published("declare", "inform")
    execute(owner, "DELETE FROM incident_events WHERE number = :number AND seq = 2", number=cause.number)
    assert await found(hotline, owner, cause.number) == {("events", "1", "2")}


async def test_an_incident_without_its_workflow_is_named(hotline: Hotline, owner: Engine) -> None:
    cause = await declare(hotline, "south")
    await cause.published("declare")
    await delete(hotline.client, incident_id(cause.number))
    assert await found(hotline, owner, cause.number) == {("workflow", "confirmed", "-")}
