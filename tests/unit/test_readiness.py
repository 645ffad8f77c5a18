"""Readiness without its parts: time limits, faults of a check, and many probes at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from temporalio.service import RPCError, RPCStatusCode

from api.edge.middleware import Metrics
from api.health import Component, Readiness, readiness
from api.health.readiness import Checks, ReadinessCheck
from api.health.sql import _differ
from api.health.storage import LOW_BYTES, READ_MODEL, Storage

FINE = Component(ok=True, detail="answers")


async def fine() -> Component:
    return FINE


def checking(**changes: object) -> ReadinessCheck:
    """A check of all parts, which are fine except those given."""
    usual = {name: fine for name, field in Readiness.model_fields.items() if field.annotation is Component}
    checks: Checks = {**usual, **changes}  # type: ignore[dict-item]  # the tests' own functions
    return ReadinessCheck(checks, Metrics(lambda: 0))


async def test_many_probes_cost_no_more_than_one() -> None:
    asked: list[int] = []

    async def counted() -> Component:
        asked.append(1)
        return FINE

    check = checking(sql=counted)
    found = await asyncio.gather(*(check.result() for _ in range(50)))
    assert {each.status for each in found} == {"ready"}
    assert (await check.result()).status == "ready"
    assert len(asked) == 1


async def test_a_probe_that_hangs_up_leaves_the_check_to_the_others() -> None:
    goes_on = asyncio.Event()

    async def slow() -> Component:
        await goes_on.wait()
        return FINE

    check = checking(sql=slow)
    first, second = asyncio.ensure_future(check.result()), asyncio.ensure_future(check.result())
    await asyncio.sleep(0)
    first.cancel()
    goes_on.set()
    assert (await second).status == "ready"


async def test_a_part_that_does_not_answer_in_time_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.01)
    found = await checking(disk=asyncio.Event().wait).result()
    assert (found.status, found.disk.ok) == ("degraded", False)
    assert "no answer within" in found.disk.detail
    assert found.disk.remedy


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (RPCError("no such attribute", RPCStatusCode.INVALID_ARGUMENT, b""), "Temporal refuses"),
        (RPCError("away", RPCStatusCode.UNAVAILABLE, b""), "Temporal does not answer"),
        (OperationalError("SELECT", None, Exception("away")), "SQL does not answer"),
        (KeyError("a fault of ours"), "its check failed"),
    ],
)
async def test_a_part_that_cannot_be_checked_is_not_ok_and_says_why(error: Exception, detail: str) -> None:
    async def failing() -> Component:
        raise error

    found = await checking(courier=failing).result()
    assert (found.status, found.courier.ok) == ("degraded", False)
    assert detail in found.courier.detail
    assert found.courier.remedy


async def test_temporal_and_the_clock_decide_if_calls_can_be_taken() -> None:
    async def bad() -> Component:
        return Component(ok=False, detail="does not answer", remedy="Start it.")

    others = [name for name, field in Readiness.model_fields.items() if field.annotation is Component]
    for decisive in ("temporal", "clock"):
        others.remove(decisive)
        assert (await checking(**{decisive: bad}).result()).status == "unavailable"
    assert (await checking(**dict.fromkeys(others, bad)).result()).status == "degraded"


@pytest.mark.parametrize(
    ("running", "held", "differ"), [(1000, 970, False), (1000, 969, True), (20, 1, False), (0, 1, True), (0, 0, False)]
)
def test_a_difference_of_20_cases_and_a_percent_is_tolerated(running: int, held: int, differ: bool) -> None:
    assert _differ(running, held) is differ
    assert _differ(held, running) is differ


async def test_a_disk_with_little_space_is_told_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threshold alone: a disk with so little space is in tests/e2e/test_lost_storage.py."""
    storage = Storage([tmp_path], {})
    assert (await storage.disk()).ok
    monkeypatch.setattr("api.health.storage.LOW_BYTES", 2**62)
    found = await storage.disk()
    assert not found.ok
    assert f"{tmp_path} has " in found.detail
    assert found.remedy
    assert LOW_BYTES == 512 * 1024**2


async def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    storage = Storage([folder], {READ_MODEL: folder / "hotline.db"})
    folder.rmdir()
    assert "cannot be written to: No such file" in (await storage.disk()).detail
    assert "deleted" in (await storage.store()).detail


@pytest.mark.parametrize(("waits", "ok"), [(None, True), (299, True), (300, False), (1620, False)])
async def test_the_courier_tells_the_oldest_notification_that_is_due(waits: int | None, ok: bool) -> None:
    at = datetime(2026, 8, 3, 12, tzinfo=UTC)

    class Parts:
        async def described(self, _: object) -> None:
            return None

        async def poller_by(self, _: object, __: object) -> Component:
            return FINE

        async def read(self, _: object, __: datetime) -> datetime | None:
            return None if waits is None else at - timedelta(seconds=waits)

    parts: Any = Parts()
    parts.reader = parts
    found = await readiness._courier(parts, parts, lambda: at)
    assert found.ok == ok
    assert (f"waits for {waits} s" in found.detail) == (waits is not None)
    assert bool(found.remedy) == (not ok)
