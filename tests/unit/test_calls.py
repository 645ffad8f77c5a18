"""Calls: outcomes, and one call out of several reports of it."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calls.call import SHORT_WAIT, Call, CallOutcome, Timing

START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("call", "outcome", "waited"),
    [
        (Call("1", START), CallOutcome.UNDER_WAY, None),
        (Call("1", START, later(7)), CallOutcome.ANSWERED, 7),
        (Call("1", START, later(7), later(90)), CallOutcome.ANSWERED, 7),
        (Call("1", START, None, later(4.999)), CallOutcome.SHORT_ABANDONED, 4.999),
        (Call("1", START, None, START + SHORT_WAIT), CallOutcome.ABANDONED, 5),
        (Call("1", START, None, later(60), asked_at=later(60)), CallOutcome.CALL_BACK_ASKED, 60),
        (Call("1", START, None, later(60), timing=Timing.UNTIMED), CallOutcome.UNTIMED, None),
        (Call("1", START, None, later(60), timing=Timing.CHANNEL), CallOutcome.ABANDONED, 60),
    ],
)
def test_outcome_and_wait_follow_from_the_times(call: Call, outcome: CallOutcome, waited: float | None) -> None:
    assert call.outcome is outcome
    assert call.waited == (None if waited is None else timedelta(seconds=waited))


def test_times_of_the_queue_prevail_over_those_of_the_channel() -> None:
    """A queue answers the channel before an agent does."""
    channel = Call("1", START, None, later(300), caller_phone="13800138000", timing=Timing.UNTIMED)
    queue = Call("1", later(2), later(30), later(200), queue="hotline", agent="chen")
    assert channel.merged(queue) == queue._replace(caller_phone="13800138000")


def test_a_call_whose_end_the_queue_has_lost_is_over_when_the_channel_says_so() -> None:
    """A torn queue log: whether an agent answered is lost as well, so that it is no abandoned call."""
    queue, channel = Call("1", START), Call("1", START, None, later(90), timing=Timing.UNTIMED, hung_up=True)
    assert queue.outcome is CallOutcome.UNDER_WAY
    merged = queue.merged(channel)
    assert (merged.outcome, merged.waited, merged.ended_at) == (CallOutcome.UNTIMED, None, None)
    answered = merged.merged(Call("1", START, later(9)))
    assert (answered.outcome, answered.waited, answered.talked) == (CallOutcome.ANSWERED, timedelta(seconds=9), None)


def test_the_first_of_two_agents_has_answered_the_call() -> None:
    first, second = Call("1", START, later(9), agent="he"), Call("1", START, later(60), later(90), agent="chen")
    assert second.merged(first) == first._replace(ended_at=later(90), went_on_at=later(60))


def test_a_known_agent_prevails_over_a_name_of_the_telephone_system() -> None:
    """Even if another source has fractions of the second, or names nobody."""
    named = Call("1", START, later(9), agent="1001", agent_known=False)
    for known in (Call("1", START, later(9), agent="chen"), Call("1", START, later(9.5), agent="chen")):
        for merged in (named.merged(known), known.merged(named)):
            assert (merged.agent, merged.agent_known, merged.answered_at) == ("chen", True, known.answered_at)
    nameless = Call("1", START, later(9))
    assert named.merged(nameless).agent == nameless.merged(named).agent == "1001"


def test_of_two_people_the_one_who_is_known_already_stays() -> None:
    """The telephone of one person became another's, and the same file is imported again."""
    then, now = (Call("1", START, later(9), agent=agent) for agent in ("he", "chen"))
    assert (then.merged(now).agent, now.merged(then).agent) == ("he", "chen")


def test_a_later_report_corrects_telephone_case_and_recording() -> None:
    wrong = Call("1", START, None, later(9), caller_phone="119", complaint="2608034711004", recording_url="b")
    right = wrong._replace(caller_phone="110", complaint="2608030000006", recording_url="a")
    assert wrong.merged(right) == right
    channel = wrong._replace(timing=Timing.UNTIMED)
    assert right.merged(channel) == channel.merged(right) == right


def test_a_call_that_goes_on_in_another_queue_has_not_ended() -> None:
    left, entered = Call("1", START, None, later(60), "a", asked_at=later(60)), Call("1", later(61), queue="b")
    waits = left.merged(entered)
    assert (waits.outcome, waits.ended_at) == (CallOutcome.UNDER_WAY, None)
    answered = Call("1", later(61), later(80), queue="b", agent="he")
    talks = waits.merged(answered)
    assert (talks.outcome, talks.waited, talks.talked) == (CallOutcome.ANSWERED, timedelta(seconds=80), None)
    gone = waits.merged(Call("1", later(61), None, later(99), "b"))
    assert (gone.outcome, gone.waited) == (CallOutcome.ABANDONED, timedelta(seconds=99))


INSTANTS = st.one_of(st.integers(0, 400), st.integers(0, 4)).map(lambda quarters: later(quarters / 4))
REPORTS = st.builds(
    Call,
    st.just("1"),
    INSTANTS,
    st.none() | INSTANTS,
    st.none() | INSTANTS,
    queue=st.sampled_from([None, "hotline", "leaks"]),
    caller_phone=st.sampled_from([None, "110"]),
    agent=st.sampled_from([None, "chen", "he"]),
    complaint=st.sampled_from([None, "2608034711004"]),
    recording_url=st.sampled_from([None, "a"]),
    asked_at=st.none() | INSTANTS,
    timing=st.sampled_from(Timing),
    agent_known=st.booleans(),
    hung_up=st.booleans(),
    went_on_at=st.none() | INSTANTS,
    queues_entered=st.sampled_from([None, "hotline", "leaks"]),
    queues_left=st.sampled_from([None, "hotline", "leaks"]),
).map(
    lambda call: call._replace(
        agent="chen" if call.agent and call.agent_known else call.agent,
        queues_entered=call.queues_entered if call.went_on_at else None,
        queues_left=call.queues_left if call.ended_at else None,
    )
)
"""Of people who are known, telephones and recordings there is one: of two, the order decides."""


@given(st.lists(REPORTS, min_size=1, max_size=4))
def test_reports_of_one_call_merge_in_any_order_and_any_number_of_times(reports: list[Call]) -> None:
    merged = set()
    for order in permutations(reports):
        call = order[0]
        for report in (*order[1:], *order):
            call = call.merged(report)
        merged.add(call)
    assert len(merged) == 1
