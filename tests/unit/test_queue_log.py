"""The queue log: what each event tells about a call, in any order."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import permutations

import pytest

from domain.calls.call import Call, CallOutcome, Timing
from hotline.files.formats import LineFault
from hotline.telephony.asterisk import EVENTS, SILENT, QueueLog, is_queue_log
from hotline.telephony.call_lines import LeftOutLine
from hotline.telephony.people import Agents
from readmodel.people.people import Directory
from tests.support.telephone import NOON, QUEUE_LOG

START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)
FORMAT = QueueLog(Agents(Directory(), {"chen": "chen", "he": "he"}), START + timedelta(hours=1))
ENTERED = f"{NOON}|1.1|hotline|NONE|ENTERQUEUE||13800138000|1"
CONNECTED = f"{NOON + 12}|1.1|hotline|PJSIP/chen|CONNECT|12|1.2|5"
COMPLETED = f"{NOON + 100}|1.1|hotline|PJSIP/chen|COMPLETEAGENT|12|88|1"


def later(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


def told(line: str) -> Call | LeftOutLine | None:
    return FORMAT.call(line.split("|"))


def call(lines: Iterable[str]) -> Call:
    return reduce(Call.merged, (found for found in map(told, lines) if isinstance(found, Call)))


def ended(event: str, at: int = 60, agent: str = "NONE") -> Call:
    return call([ENTERED, f"{NOON + at}|1.1|hotline|{agent}|{event}"])


def said(line: str) -> str:
    with pytest.raises(LineFault) as fault:
        told(line)
    return str(fault.value)


def test_waiting_time_comes_from_the_queue_in_any_order_of_lines() -> None:
    whole = Call("1.1", START, later(12), later(100), "hotline", "13800138000", "chen", timing=Timing.QUEUE)
    for lines in permutations((ENTERED, CONNECTED, COMPLETED)):
        assert call(lines) == whole


@pytest.mark.parametrize("line", [CONNECTED, COMPLETED])
def test_a_line_alone_tells_when_the_caller_began_to_wait(line: str) -> None:
    """The lines before it may be in another file."""
    assert (call([line]).started_at, call([line]).answered_at) == (START, later(12))


@pytest.mark.parametrize("event", ["ABANDON|1|1|60", "EXITEMPTY|1|1|60", "EXITWITHTIMEOUT|1|1|60", "WITHDRAW|1|1|60|"])
def test_who_leaves_the_queue_has_abandoned(event: str) -> None:
    found = ended(event)
    assert (found.outcome, found.waited) == (CallOutcome.ABANDONED, timedelta(seconds=60))
    assert call([f"{NOON + 60}|1.1|hotline|NONE|{event}"]).started_at == START


def test_who_leaves_after_less_than_five_seconds_is_counted_apart() -> None:
    assert ended("ABANDON|1|1|4", at=4).outcome is CallOutcome.SHORT_ABANDONED


def test_a_call_that_cannot_be_put_through_is_abandoned() -> None:
    assert ended("SYSCOMPAT|", agent="PJSIP/he").outcome is CallOutcome.ABANDONED


def test_who_leaves_by_a_key_asked_for_a_call_back() -> None:
    found = ended("EXITWITHKEY|1|1|1|60")
    assert (found.outcome, found.waited) == (CallOutcome.CALL_BACK_ASKED, timedelta(seconds=60))


@pytest.mark.parametrize(
    "event",
    [
        "COMPLETECALLER|12|88|1",
        "BLINDTRANSFER|8001|internal|12|88|1",
        "TRANSFER|8001|internal|12|88",
        "ATTENDEDTRANSFER|BRIDGE|b1f0|12|88|1",
        "ATTENDEDTRANSFER|LINK|PJSIP/he|PJSIP/li|12|88|1",
    ],
)
def test_the_end_of_the_agents_talk_ends_the_call(event: str) -> None:
    found = ended(event, at=100, agent="PJSIP/chen")
    assert (found.waited, found.talked, found.agent) == (timedelta(seconds=12), timedelta(seconds=88), "chen")


def test_a_call_that_goes_on_to_another_queue_has_waited_in_both() -> None:
    gone = f"{NOON + 60}|1.1|hotline|NONE|EXITWITHTIMEOUT|1|1|60"
    entered = f"{NOON + 61}|1.1|leaks|NONE|ENTERQUEUE||13800138000|1"
    answered = f"{NOON + 90}|1.1|leaks|PJSIP/he|COMPLETEAGENT|9|20|1"
    for lines in permutations((ENTERED, gone, entered, answered)):
        found = call(lines)
        assert (found.waited, found.talked, found.agent) == (timedelta(seconds=70), timedelta(seconds=20), "he")
        assert (found.queue, found.outcome) == ("leaks", CallOutcome.ANSWERED)


@pytest.mark.parametrize("event", sorted(SILENT))
def test_events_about_agents_and_configuration_tell_nothing_about_a_call(event: str) -> None:
    assert told(f"{NOON}|NONE|NONE|PJSIP/chen|{event}|") is None


def test_an_event_that_is_not_known_is_left_out_by_its_name() -> None:
    assert told(f"{NOON}|1.1|hotline|NONE|HOLOGRAM|9") == LeftOutLine("lines of the unknown event 'HOLOGRAM'")


@pytest.mark.parametrize("caller", ["", "anonymous", "unknown"])
def test_a_caller_who_is_no_telephone_is_unknown(caller: str) -> None:
    assert call([f"{NOON}|1.1|hotline|NONE|ENTERQUEUE||{caller}|1"]).caller_phone is None


@pytest.mark.parametrize("event", [name for name, event in EVENTS.items() if event.least])
def test_an_event_without_its_parameters_is_refused_with_them(event: str) -> None:
    expected = f", {event}: parameters are missing; accepted: {'|'.join(EVENTS[event].parameters)}"
    assert said(f"{NOON}|1.1|hotline|NONE|{event}|") == expected


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"{NOON}|1.1|hotline|NONE", ": fields are missing; accepted: epoch|callid|queue|agent|event|parameters"),
        ("yesterday|1.1|hotline|NONE|ABANDON|1|1|9", ", epoch: accepted: seconds since 1970, as in 1366720340"),
        ("111111111|1.1|q|NONE|ABANDON|1|1|9", ", epoch: accepted: seconds since 1970, from the year 2000 on"),
        (f"{NOON + 3601}|1.1|q|NONE|ABANDON|1|1|9", ", epoch: it is in the future; accepted: a time that has come"),
        (f"{NOON}|NONE|hotline|NONE|ABANDON|1|1|9", ", callid: accepted: the unique id of a call, at most 80"),
        (f"{NOON}|1.1||NONE|ABANDON|1|1|9", ", queue: accepted: the name of a queue, at most 80 characters"),
        (f"{NOON}|1.1|q|{'c' * 81}|CONNECT|1|1.2|1", ", agent: accepted: the name of an agent, at most 80"),
        (f"{NOON}|1.1|q|NONE|ABANDON|1|1|-9", ", waittime: accepted: whole seconds from 0"),
        (f"{NOON}|1.1|q|NONE|CONNECT|soon|1.2|1", ", holdtime: accepted: whole seconds from 0"),
        (f"{NOON}|1.1|q|NONE|COMPLETEAGENT|1|99999999999|1", ", calltime: accepted: whole seconds from 0"),
    ],
)
def test_a_line_that_cannot_be_used_is_refused_with_its_field(line: str, fault: str) -> None:
    assert said(line).startswith(fault)


def test_a_queue_log_is_recognised_by_its_first_line() -> None:
    assert is_queue_log(QUEUE_LOG.encode())
    assert is_queue_log(b"\xef\xbb\xbf" + QUEUE_LOG.encode())
    assert not is_queue_log(b'"","13800138000"\n')


def test_who_enters_another_queue_in_the_same_second_still_waits() -> None:
    lines = (
        ENTERED,
        f"{NOON + 60}|1.1|hotline|NONE|EXITWITHTIMEOUT|1|1|60",
        f"{NOON + 60}|1.1|leaks|NONE|ENTERQUEUE||13800138000|1",
    )
    for order in permutations(lines):
        waits = call(order)
        assert (waits.outcome, waits.started_at, waits.ended_at) == (CallOutcome.UNDER_WAY, START, None)
        gone = waits.merged(call([f"{NOON + 99}|1.1|leaks|NONE|ABANDON|1|1|39"]))
        assert (gone.outcome, gone.ended_at) == (CallOutcome.ABANDONED, later(99))


@pytest.mark.parametrize("event", ["EXITEMPTY|1|1|0", "EXITWITHTIMEOUT|1|1|0", "EXITWITHKEY|1|1|1|0"])
def test_a_caller_who_changes_queues_within_a_second_still_waits(event: str) -> None:
    lines = (ENTERED, f"{NOON}|1.1|hotline|NONE|{event}", f"{NOON}|1.1|leaks|NONE|ENTERQUEUE||13800138000|1")
    at_once, later_on = (f"{NOON + wait}|1.1|leaks|NONE|ABANDON|1|1|{wait}" for wait in (0, 39))
    for order in permutations(lines):
        assert (call(order).outcome, call(order).ended_at) == (CallOutcome.UNDER_WAY, None)
        assert call((*order, later_on)).ended_at == later(39)
    for order in permutations((*lines, at_once)):
        gone = call(order).ended_at
        assert gone is not None
        assert gone - later(0) < timedelta(milliseconds=1)


def test_who_hangs_up_in_the_second_of_the_call_has_not_waited() -> None:
    found = ended("ABANDON|1|1|0", at=0)
    assert found.outcome is CallOutcome.SHORT_ABANDONED
    assert found.waited is not None
    assert found.waited < timedelta(milliseconds=1)


def test_a_talk_that_ends_in_the_second_of_the_call_has_ended() -> None:
    lines = (
        ENTERED,
        f"{NOON}|1.1|hotline|PJSIP/chen|CONNECT|0|1.2|0",
        f"{NOON}|1.1|hotline|PJSIP/chen|COMPLETECALLER|0|0|1",
    )
    for order in permutations(lines):
        found = call(order)
        assert found.outcome is CallOutcome.ANSWERED
        assert found.talked is not None
        assert found.talked < timedelta(milliseconds=1)


def test_a_request_to_be_called_back_is_over_if_the_caller_waits_on() -> None:
    asked = ended("EXITWITHKEY|1|1|1|60")
    assert asked.outcome is CallOutcome.CALL_BACK_ASKED
    on = asked.merged(call([f"{NOON + 62}|1.1|leaks|NONE|ENTERQUEUE||13800138000|1"]))
    gone = on.merged(call([f"{NOON + 99}|1.1|leaks|NONE|ABANDON|1|1|37"]))
    assert gone.outcome is CallOutcome.ABANDONED
