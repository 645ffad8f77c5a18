"""A fan-out asks many cases, a few at a time, and a later attempt continues from the last checkpoint."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.cases import (
    GONE,
    REFUSED,
    TRIES,
    Answers,
    BulkThrottle,
    CaseAnswer,
    CaseUpdates,
    FanOut,
    LeftCase,
    for_each,
)
from domain.case.state import ProjectionBatch
from tests.support.batches import published
from tests.support.build import registration

BATCH = published(registration(datetime(2026, 9, 7, tzinfo=UTC), "1"))[0]
NUMBERS = [f"{number:013}" for number in range(10)]


class Cases:
    """Notes who is asked, and how many at the same time; `answers` says what some of them do instead."""

    def __init__(self, **answers: Exception | LeftCase) -> None:
        self.asked: list[str] = []
        self.written: list[int] = []
        self.answers = {number: answers.get(f"no{int(number)}") for number in NUMBERS}

    async def ask(self, number: str) -> CaseAnswer | LeftCase:
        self.asked.append(number)
        match self.answers[number]:
            case Exception() as error:
                raise error
            case LeftCase() as left:
                return left
        return CaseAnswer("settled", BATCH)

    async def write_all(self, batches: Sequence[ProjectionBatch]) -> None:
        self.written.append(len(batches))

    @property
    def updates(self) -> CaseUpdates:
        """Sender whose batches are written here."""
        nobody: Any = None
        sender: Any = self
        return CaseUpdates(sender, BulkThrottle(), nobody)


async def attempt(cases: Cases, *progress: Any) -> tuple[Answers, list[Sequence[Any]]]:
    """Return the answers of a try after one with this progress, and what it told Temporal meanwhile."""
    environment, told = ActivityEnvironment(), list[Sequence[Any]]()
    environment.info = replace(environment.info, heartbeat_details=progress)
    environment.on_heartbeat = lambda *details: told.append(details)
    answers = await environment.run(cases.updates.ask_all, NUMBERS, cases.ask, FanOut(concurrency=4, checkpoint=4))
    return answers, told


def lost(status: RPCStatusCode) -> RPCError:
    return RPCError("the workflow is away", status, b"")


async def test_every_case_is_asked_once_and_temporal_hears_how_far_it_is() -> None:
    cases = Cases()
    answers, told = await attempt(cases)
    assert answers == Answers(Counter(settled=10), {})
    assert cases.asked == NUMBERS
    steps: list[Any] = [("", {}, {}), *((NUMBERS[done - 1], {"settled": done}, {}) for done in (4, 8, 10))]
    assert told == [*steps[:1] * 4, *steps[1:2] * 5, *steps[2:3] * 3, *steps[3:]]


async def test_results_have_the_order_of_the_numbers_whoever_answers_first() -> None:
    last_asked = asyncio.Event()

    async def work(number: str) -> str:
        if number == NUMBERS[-1]:
            last_asked.set()
        await (last_asked.wait() if number == NUMBERS[0] else asyncio.sleep(0))
        return number

    assert await for_each(NUMBERS, work, 2) == NUMBERS


async def test_batches_are_written_before_temporal_hears_of_their_cases() -> None:
    log = list[str]()

    class Logging(Cases):
        async def write_all(self, batches: Sequence[ProjectionBatch]) -> None:
            log.append(f"wrote {len(batches)}")

    cases = Logging()
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda last, *_: log.append(f"told {NUMBERS.index(last) + 1 if last else 0}")
    await environment.run(cases.updates.ask_all, NUMBERS, cases.ask, FanOut(concurrency=2, checkpoint=6))
    assert log == [*["told 0"] * 6, "wrote 6", "told 6", *["told 6"] * 4, "wrote 4", "told 10"]


UNREADABLE = WorkflowUpdateFailedError(ApplicationError("Not accepted: a field", type="RuntimeError"))


STUCK = lost(RPCStatusCode.FAILED_PRECONDITION)


@pytest.mark.parametrize("error", [TimeoutError(), UNREADABLE, STUCK], ids=["late", "of another release", "stuck"])
async def test_a_case_that_does_not_answer_is_left_out_after_the_first_tries(error: Exception) -> None:
    environment, late = ActivityEnvironment(), Cases(no5=error)
    for attempt in range(1, TRIES):
        environment.info = replace(environment.info, attempt=attempt)
        with pytest.raises(type(error)):
            await environment.run(late.updates.ask_all, NUMBERS, late.ask)
    environment.info = replace(environment.info, attempt=TRIES)
    counts, left = await environment.run(late.updates.ask_all, NUMBERS, late.ask)
    assert left == {NUMBERS[5]: "It did not answer."}
    assert counts == {"settled": 9}


async def test_a_task_that_is_ended_with_another_one_asks_no_further_case() -> None:
    """The SDK makes of its cancellation an error that looks like no answer, which the last try leaves out."""
    environment, asked = ActivityEnvironment(), list[str]()
    environment.info = replace(environment.info, attempt=TRIES)

    async def ask(number: str) -> CaseAnswer:
        asked.append(number)
        if number == NUMBERS[0]:
            await asyncio.sleep(0)
            raise lost(RPCStatusCode.UNAVAILABLE)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise TimeoutError from None
        return CaseAnswer("settled", BATCH)

    with pytest.raises(RPCError, match="the workflow is away"):
        await environment.run(Cases().updates.ask_all, NUMBERS, ask, FanOut(concurrency=2, checkpoint=10))
    assert asked == NUMBERS[:2]


async def test_a_later_try_goes_on_where_the_last_one_got_to_and_keeps_what_it_counted() -> None:
    cases = Cases(no9=LeftCase("It is closed."))
    answers, told = await attempt(cases, NUMBERS[7], {"settled": 6, "kept": 1}, {NUMBERS[3]: "It is refused."})
    assert cases.asked == NUMBERS[8:]
    left = {NUMBERS[3]: "It is refused.", NUMBERS[9]: "It is closed."}
    assert answers == Answers(Counter(settled=7, kept=1), left)
    assert told[-1] == (NUMBERS[9], {"settled": 7, "kept": 1}, left)


async def test_a_later_try_that_finds_only_what_is_left_leaves_nothing_out() -> None:
    """A search for cases finds those no longer that the last try has linked."""
    cases = Cases()
    await attempt(cases, "a case that was linked", {"settled": 4}, {})
    assert cases.asked == NUMBERS


async def test_a_case_that_has_ended_or_refuses_is_counted_and_stops_nobody() -> None:
    refusal = WorkflowUpdateFailedError(ApplicationError("no", type="conflict:out_of_turn"))
    answers, _ = await attempt(Cases(no1=lost(RPCStatusCode.NOT_FOUND), no2=refusal))
    assert answers == Answers(Counter({"settled": 8, GONE: 1, REFUSED: 1}), {})


async def test_the_attempt_fails_if_temporal_does_not_answer() -> None:
    cases = Cases(no5=lost(RPCStatusCode.UNAVAILABLE), no6=lost(RPCStatusCode.UNAVAILABLE))
    with pytest.raises(RPCError, match="the workflow is away") as failed:
        await attempt(cases)
    assert failed.value.status is RPCStatusCode.UNAVAILABLE
    assert cases.asked[:4] == NUMBERS[:4]
    assert not {*NUMBERS[8:]} & {*cases.asked}
