"""Histories in which an unknown key has sealed something: nobody but the operator drops a change."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Engine
from temporalio.api.history.v1 import HistoryEvent

from activities.run_status import UnopenedError
from activities.sealing.keys import Key
from domain.case.actions.comment import Comment
from domain.case.actions.dispatch import Dispatch
from domain.incident.actions import Inform
from hotline.recovery.histories import chains
from hotline.recovery.rebuild import rebuild
from hotline.recovery.rebuild_workflows import RUNS, STARTED, NotRebuiltError
from hotline.temporal.converter import sealing
from tests.support.causes import Cause, declare
from tests.support.hotline import Hotline, until
from tests.support.sealing import KEY, OneKey, stranger, with_options
from tests.workflows.test_forged_histories import UNOPENED, answer, on_queue
from tests.workflows.test_hijacked_tasks import events, hijack, ours, schedule
from tests.workflows.test_rebuild_workflows import again, rebuilder
from workflows.complaint.workflow import ComplaintWorkflow
from workflows.incident.workflow import IncidentWorkflow

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


class TwoKeys(OneKey):
    """Keys of a process that has those of the tests and a later one, which seals."""

    def find(self, key_id: bytes) -> Key | None:
        """Return one of the two."""
        return super().find(key_id) or OneKey().find(key_id)


async def runs_of(hotline: Hotline, name: str, kind: type = ComplaintWorkflow) -> int:
    return len((await chains(hotline.client, kind))[name])


@pytest.mark.parametrize("whose", ["the service's", "somebody else's"])
async def test_what_an_unknown_key_has_changed_is_dropped_on_the_operators_word_alone(
    hotline: Hotline, owner: Engine, whose: str
) -> None:
    """Nobody can tell a change of the service, whose key is lost, from one that somebody else has only dated."""
    waiting = on_queue(hotline, f"unopened-by-{whose[:3]}")
    queue = waiting.settings.task_queue
    rotated = with_options(hotline.client, **sealing(TwoKeys(Key(b"lost", KEY.secret))))
    async with ours(hotline.client, queue, ComplaintWorkflow):
        case = await waiting.start()
        await case.act(Dispatch(department="repair"))
    name = case.handle.id
    for place in (1, 2):  # also in the run that a rebuild has started
        if whose == "the service's":
            async with ours(rotated, queue, ComplaintWorkflow):
                sender = Hotline(hotline.server, waiting.settings, hotline.engine, hotline.projection, rotated)
                await again(sender, case).act(Comment(note="用户又来电"), unwritten=True)
        else:
            await answer(waiting, case, 1, UNOPENED, changed_at=datetime.now(UTC) + timedelta(hours=1))
        with pytest.raises(NotRebuiltError, match="terminate"):
            await rebuilder(waiting, owner, drop_unopened=True).one(case.number)
        await case.handle.terminate()
        with pytest.raises(NotRebuiltError, match="--drop-unopened"):
            await rebuilder(waiting, owner).one(case.number)
        assert name in (await rebuild(waiting.client, owner)).left_by(UnopenedError)
        assert await rebuilder(waiting, owner, drop_unopened=True).one(case.number) == STARTED
        await until(partial(runs_of, waiting, name), (place + 1).__eq__)
        assert name not in (await rebuild(waiting.client, owner)).failed
        assert await rebuilder(waiting, owner).one(case.number) == RUNS
        case = again(waiting, case)
    async with ours(hotline.client, queue, ComplaintWorkflow):
        assert (await case.view()).version == 2
    await case.handle.terminate()


def asks(event: HistoryEvent) -> bool:
    return event.HasField("activity_task_scheduled_event_attributes")


async def test_what_an_unknown_key_is_said_to_have_sealed_hides_no_news_of_an_incident(
    hotline: Hotline, owner: Engine
) -> None:
    waiting, queue = on_queue(hotline, "unopened-news"), "unopened-news"
    async with ours(hotline.client, queue, IncidentWorkflow):
        cause = await declare(waiting, "xiaolan")
        await until(lambda: events(cause.handle), lambda found: any(map(asks, found)))
    await stranger(hotline.client).get_workflow_handle(cause.handle.id).signal("x")
    await hijack(hotline.client, queue, schedule(queue, "inform_callers", 9, UNOPENED))
    await cause.handle.terminate()
    with pytest.raises(NotRebuiltError, match="--drop-unopened"):
        await rebuilder(waiting, owner).one(cause.number)
    assert [row["action"] for row in await cause.timeline()] == ["declare"]
    assert {row["status"] for row in await cause.messages()} == {"due"}
    assert await rebuilder(waiting, owner, drop_unopened=True).one(cause.number) == STARTED
    await cause.handle.terminate()


async def test_changes_sealed_by_an_unknown_key_are_dropped_on_request_alone(hotline: Hotline, owner: Engine) -> None:
    waiting, queue = on_queue(hotline, "unopened-incident"), "unopened-incident"
    rotated = with_options(hotline.client, **sealing(TwoKeys(Key(b"lost", KEY.secret))))
    sender = Hotline(hotline.server, waiting.settings, hotline.engine, hotline.projection, rotated)
    async with ours(hotline.client, queue, IncidentWorkflow):
        cause = await declare(waiting, "xiaolan")
        await until(lambda: events(cause.handle), lambda found: any(map(asks, found)))
    name = cause.handle.id
    for runs, why in enumerate(("SQL does not have it", "terminate"), start=2):  # also in the run of a rebuild
        async with ours(rotated, queue, IncidentWorkflow):
            await Cause(sender, cause.number).act(Inform(message="正在抢修"))
        assert name in (await rebuild(waiting.client, owner)).left_by(UnopenedError)
        with pytest.raises(NotRebuiltError, match=why):
            await rebuilder(waiting, owner, drop_unopened=True).one(cause.number)
        await cause.handle.terminate()
        with pytest.raises(NotRebuiltError, match="--drop-unopened"):
            await rebuilder(waiting, owner).one(cause.number)
        told = await rebuild(waiting.client, owner)
        assert name in told.left_by(UnopenedError)
        assert await rebuilder(waiting, owner, drop_unopened=True).one(cause.number) == STARTED
        await until(partial(runs_of, waiting, name, IncidentWorkflow), runs.__eq__)
        assert (await rebuild(waiting.client, owner)).incidents == told.incidents + 1
    assert await rebuilder(waiting, owner).one(cause.number) == RUNS
    assert [row["action"] for row in await cause.timeline()] == ["declare"]
    await cause.handle.terminate()
