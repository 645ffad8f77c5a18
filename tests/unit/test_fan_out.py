"""A fan-out asks many cases, a group at a time, and a later attempt continues from the last checkpoint."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities import fan_out as module
from activities.fan_out import GONE, REFUSED, TRIES, Pace, fan_out

NUMBERS = [f"{number:013}" for number in range(10)]


class Cases:
    """Notes who is asked, and how many at the same time; `answers` says what some of them do instead."""

    def __init__(self, **answers: Exception) -> None:
        self.asked: list[str] = []
        self.answers = {number: answers.get(f"no{int(number)}") for number in NUMBERS}

    async def ask(self, number: str) -> str:
        self.asked.append(number)
        if error := self.answers[number]:
            raise error
        return "settled"


async def attempt(cases: Cases, *progress: Any) -> tuple[dict[str, int], list[Sequence[Any]]]:
    """Return the answers of a try after one with this progress, and what it told Temporal meanwhile."""
    environment, told = ActivityEnvironment(), list[Sequence[Any]]()
    environment.info = replace(environment.info, heartbeat_details=progress)
    environment.on_heartbeat = lambda *details: told.append(details)
    answers, _ = await environment.run(fan_out, NUMBERS, cases.ask, Pace(concurrency=4, rest=0))
    return dict(answers), told


def lost(status: RPCStatusCode) -> RPCError:
    return RPCError("the workflow is away", status, b"")


async def test_every_case_is_asked_once_and_temporal_hears_how_far_it_is() -> None:
    cases = Cases()
    answers, told = await attempt(cases)
    assert answers == {"settled": 10}
    assert cases.asked == NUMBERS
    assert told[1::2] == [(4, {"settled": 4}), (8, {"settled": 8}), (10, {"settled": 10})]
    assert told[::2] == [(0, {}), (4, {"settled": 4}), (8, {"settled": 8})]


async def test_what_the_answers_leave_to_do_is_done_before_temporal_hears_of_them() -> None:
    cases, log = Cases(), list[str]()

    async def flush() -> None:
        log.append(f"flushed {len(cases.asked)}")

    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda done, _: log.append(f"told {done}")
    pace = Pace(concurrency=2, rest=0, groups=3)
    await environment.run(fan_out, NUMBERS, cases.ask, pace, flush)
    assert log == [*["told 0"] * 3, "flushed 6", "told 6", *["told 6"] * 2, "flushed 10", "told 10"]


async def test_a_fan_out_holds_still_while_somebody_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.05)
    served, asked_at = time.monotonic(), list[float]()

    async def ask(_: str) -> str:
        asked_at.append(time.monotonic())
        return "settled"

    await ActivityEnvironment().run(fan_out, NUMBERS, ask, Pace(concurrency=1, rest=0), None, lambda: served)
    assert len(asked_at) == len(NUMBERS)
    assert asked_at[0] >= served + module.QUIET_SECONDS


async def test_a_fan_out_goes_on_however_busy_the_telephone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.01)
    cases = Cases()
    await ActivityEnvironment().run(fan_out, NUMBERS, cases.ask, Pace(concurrency=1, rest=0), None, time.monotonic)
    assert cases.asked == NUMBERS


async def test_a_case_that_does_not_answer_is_left_out_after_the_first_tries() -> None:
    environment = ActivityEnvironment()
    for attempt in range(1, TRIES):
        environment.info = replace(environment.info, attempt=attempt)
        with pytest.raises(TimeoutError):
            await environment.run(fan_out, NUMBERS, Cases(no5=TimeoutError()).ask)
    environment.info = replace(environment.info, attempt=TRIES)
    answers, silent = await environment.run(fan_out, NUMBERS, Cases(no5=TimeoutError()).ask)
    assert silent == (NUMBERS[5],)
    assert answers == {"settled": 9}


async def test_a_later_try_goes_on_where_the_last_one_got_to_and_keeps_its_counts() -> None:
    cases = Cases()
    answers, told = await attempt(cases, 8, {"settled": 7, "kept": 1})
    assert cases.asked == NUMBERS[8:]
    assert answers == {"settled": 9, "kept": 1}
    assert told[-1] == (10, {"settled": 9, "kept": 1})


async def test_a_case_that_has_ended_or_refuses_is_counted_and_stops_nobody() -> None:
    refusal = WorkflowUpdateFailedError(ApplicationError("no"))
    answers, _ = await attempt(Cases(no1=lost(RPCStatusCode.NOT_FOUND), no2=refusal))
    assert answers == {"settled": 8, GONE: 1, REFUSED: 1}


async def test_the_attempt_fails_if_temporal_does_not_answer() -> None:
    cases = Cases(no5=lost(RPCStatusCode.UNAVAILABLE), no6=lost(RPCStatusCode.UNAVAILABLE))
    with pytest.raises(RPCError, match="the workflow is away") as failed:
        await attempt(cases)
    assert failed.value.status is RPCStatusCode.UNAVAILABLE
    assert cases.asked[:4] == NUMBERS[:4]
    assert not {*NUMBERS[8:]} & {*cases.asked}
