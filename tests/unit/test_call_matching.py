"""The call in which a case was registered, by time."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.calls.call import Call, Timing, call_of

NOON = datetime(2026, 8, 3, 4, tzinfo=UTC)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


CALL = Call("1", NOON, minutes(1), minutes(5))
END = minutes(5 + 15)
LATEST = minutes(120)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("calls", "registered_at", "expected"),
    [
        ([CALL], minutes(3), "1"),
        ([CALL], NOON, "1"),
        ([CALL], NOON - SECOND, None),
        ([CALL], END, "1"),
        ([CALL], END + SECOND, None),
        ([CALL, CALL._replace(call_id="2", started_at=minutes(6), ended_at=minutes(9))], minutes(7), "2"),
        ([CALL, CALL._replace(call_id="2", started_at=minutes(6), ended_at=minutes(9))], minutes(5.5), "1"),
        ([CALL, Call("2", minutes(6), None, minutes(9))], minutes(10), "1"),
        ([CALL._replace(answered_at=None)], minutes(3), None),
        ([CALL._replace(answered_at=None, timing=Timing.UNTIMED)], minutes(3), "1"),
        ([CALL._replace(ended_at=None)], LATEST, "1"),
        ([CALL._replace(ended_at=None)], LATEST + SECOND, None),
        ([], NOON, None),
    ],
)
def test_the_last_conversation_that_had_begun_has_the_case(
    calls: list[Call], registered_at: datetime, expected: str | None
) -> None:
    found = call_of(registered_at, calls)
    assert (found and found.call_id) == expected
