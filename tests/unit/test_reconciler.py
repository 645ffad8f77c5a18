"""The reconciler's tries on one case: when SQL is behind, and nobody repairs it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.recovery import reconcile
from activities.recovery.case_workflows import CaseRun
from activities.recovery.reconcile import Reconciler, Repairs
from readmodel import recovery
from readmodel.recovery import CaseRow

NUMBER = "2609070000017"
NINE = datetime(2026, 9, 7, 1, tzinfo=UTC)
RUNNING, COMPLETED = WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED


class Tries:
    """A reconciler, a clock that a test sets, and the seconds after nine at which it told or wrote the case."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.second = 0
        self.told: list[int] = []
        self.written: list[int] = []
        monkeypatch.setattr(reconcile, "now", lambda: NINE + timedelta(seconds=self.second))
        nothing: Any = None
        repairs = Repairs(self.write, self.no_incidents)
        self.reconciler = Reconciler(nothing, cast("Any", self), nothing, nothing, repairs, 30)

    async def signal_publish(self, _: str) -> None:
        self.told.append(self.second)

    async def write(self, _: str, __: datetime | None) -> bool:
        """Leave the rest to the case."""
        self.written.append(self.second)
        return False

    async def no_incidents(self) -> int:
        return 0

    async def compare_until(self, second: int, seen: CaseRun) -> None:
        """Look at the case once a second."""
        for self.second in range(second):
            await self.reconciler._catch_up(NUMBER, seen, None)


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Tries:
    return Tries(monkeypatch)


async def test_a_case_that_cannot_publish_is_told_once_and_written_ever_more_rarely(tries: Tries) -> None:
    """After 5 s, then after twice as long each time, at most an hour: each try adds to its history."""
    await tries.compare_until(4 * 3600, CaseRun(NINE, RUNNING, NINE))
    pauses = [after - before for before, after in zip([0, *tries.written], tries.written, strict=False)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert tries.told == [0]


async def test_a_case_that_has_changed_since_is_told_at_once(tries: Tries) -> None:
    await tries.compare_until(3, CaseRun(NINE, RUNNING, NINE))
    await tries.reconciler._catch_up(NUMBER, CaseRun(NINE + timedelta(seconds=2), RUNNING, NINE), None)
    assert (tries.told, tries.written) == ([0, 2], [])


async def test_an_ended_case_is_written_at_once_and_told_nothing(tries: Tries) -> None:
    await tries.reconciler._catch_up(NUMBER, CaseRun(NINE, COMPLETED, NINE), None)
    assert (tries.told, tries.written) == ([], [0])


async def test_what_sql_once_had_ends_before_the_first_change_that_it_lacks(
    tries: Tries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a case cannot publish: of what is written of it in the end, nobody has heard yet."""
    there = {NUMBER: CaseRow(NINE, version=1, events=1, is_open=True)}
    behind = {NUMBER: CaseRun(NINE + timedelta(seconds=1), RUNNING, NINE)}

    async def listed(*chunks: dict[str, CaseRun]) -> AsyncIterator[dict[str, CaseRun]]:
        for chunk in chunks:
            yield chunk

    async def read(_: object, query: Any) -> Any:
        return there if getattr(query, "func", None) is recovery.held else {}

    monkeypatch.setattr(reconcile, "read", read)
    reconciler, no_list = tries.reconciler, AsyncMock(return_value=[])
    reconciler._workflows = Mock(changed_since=lambda *_: listed(behind), chunks=lambda _: listed())
    reconciler._stuck_workflows, reconciler._foreign, reconciler._swept_at = (
        Mock(find=no_list),
        Mock(numbers=no_list),
        NINE,
    )
    for tries.second in (600, 7200):
        await reconciler._compare_recent(AsyncMock())
        assert reconciler._in_sql_until == NINE - timedelta(milliseconds=1)
    there[NUMBER] = CaseRow(NINE + timedelta(seconds=1), version=2, events=2, is_open=True)
    tries.second = 7300
    await reconciler._compare_recent(AsyncMock())
    assert reconciler._in_sql_until
    assert reconciler._in_sql_until > NINE + timedelta(hours=1)
