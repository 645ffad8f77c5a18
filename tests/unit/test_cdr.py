"""Call detail records: what a row tells about a call, and what is refused."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest

from domain.calls.call import Call, CallOutcome, Timing
from hotline.files.formats import TIME, LineFault
from hotline.telephony.asterisk import BASE_COLUMNS, CDR_COLUMNS, OTHER_CONTEXT, Cdr
from hotline.telephony.people import Agents
from readmodel.people.people import Directory
from tests.support.telephone import NOBODY, QUEUED, ROW

ZONE = ZoneInfo("Asia/Shanghai")
LATEST = datetime(2026, 8, 3, 4, 30, tzinfo=UTC)
START = datetime(2026, 8, 3, 4, 0, tzinfo=UTC)
FORMAT = Cdr(ZONE, (), Agents(Directory(), {"chen": "chen"}), LATEST)


def cells(columns: int = 18, /, **values: str) -> list[str]:
    return list({**ROW, **values}.values())[:columns]


def call(row: list[str], form: Cdr = FORMAT) -> Call:
    found = form.call(row)
    assert isinstance(found, Call)
    return found


def said(row: list[str], form: Cdr = FORMAT) -> str:
    with pytest.raises(LineFault) as fault:
        form.call(row)
    return str(fault.value)


def test_a_row_tells_of_a_call() -> None:
    assert call(cells()) == Call(
        "1785729600.2561",
        START,
        START + timedelta(seconds=12),
        START + timedelta(seconds=100),
        caller_phone="13800138000",
        agent="chen",
        timing=Timing.CHANNEL,
        hung_up=True,
    )


def test_a_call_that_nobody_answers_has_waited_to_its_end() -> None:
    found = call(cells(**NOBODY))
    assert (found.outcome, found.waited, found.agent) == (CallOutcome.ABANDONED, timedelta(seconds=100), None)


def test_of_a_call_through_a_queue_the_channel_knows_neither_wait_nor_agent() -> None:
    found = call(cells(**QUEUED))
    assert (found.outcome, found.waited, found.agent, found.queue) == (CallOutcome.UNTIMED, None, None, "hotline")


@pytest.mark.parametrize("application", ["VoiceMail", "BackGround", "Hangup"])
def test_what_the_exchange_alone_answers_is_answered_by_nobody(application: str) -> None:
    assert call(cells(dstchannel="", lastapp=application)).outcome is CallOutcome.UNTIMED


def test_rows_of_one_call_are_one_call_in_any_order() -> None:
    """It rings at one telephone, then at another."""
    first = call(cells(**NOBODY, dstchannel="PJSIP/he-00000a02", end="2026-08-03 12:00:08"))
    second = call(cells(start="2026-08-03 12:00:08"))
    for one, other in permutations((first, second)):
        assert one.merged(other) == call(cells())


def test_without_unique_ids_rows_of_one_channel_are_one_call() -> None:
    row = cells(16)
    assert call(row).call_id == call(cells(16, **NOBODY)).call_id
    assert call(row).call_id != call(cells(16, channel="PJSIP/trunk-00000a09")).call_id
    assert "13800138000" not in call(row).call_id


@pytest.mark.parametrize(("columns", "more"), [(16, []), (17, []), (18, []), (18, ["", "1785729600.2561", "7"])])
def test_columns_that_can_be_switched_on_may_be_missing(columns: int, more: list[str]) -> None:
    found = call([*cells(columns), *more])
    assert found._replace(call_id="") == call(cells())._replace(call_id="")
    assert (found.call_id == ROW["uniqueid"]) is (columns > BASE_COLUMNS)


def test_the_seventeenth_column_may_be_the_user_field() -> None:
    found = call([*cells(16), "https://pbx.example/1.wav"])
    assert (found.call_id, found.recording_url) == (call(cells(16)).call_id, "https://pbx.example/1.wav")


@pytest.mark.parametrize("userfield", ["", "1.wav", "ftp://pbx/1.wav", "https://pbx/a b"])
def test_a_user_field_that_is_no_address_is_no_recording(userfield: str) -> None:
    assert call(cells(userfield=userfield)).recording_url is None


@pytest.mark.parametrize("src", ["", "anonymous", "unknown", "Restricted", "1" * 40, "12"])
def test_a_caller_who_is_no_telephone_is_unknown(src: str) -> None:
    assert call(cells(src=src)).caller_phone is None


@pytest.mark.parametrize("count", [1, 15, 22])
def test_a_row_with_other_columns_is_refused(count: int) -> None:
    assert said(["1"] * count).startswith(f": {count} columns; accepted: 16 to 18: accountcode, src, dst, dcontext")


def test_a_line_of_column_names_is_skipped() -> None:
    assert FORMAT.call(list(CDR_COLUMNS)) is None
    assert FORMAT.call([name.upper() for name in CDR_COLUMNS[:16]]) is None


def test_columns_in_another_order_are_refused() -> None:
    assert said(list(reversed(CDR_COLUMNS))).startswith(": the columns have another order; accepted: accountcode, src")


@pytest.mark.parametrize("column", ["start", "answer", "end"])
@pytest.mark.parametrize(
    "text", ["noon", "2026-08-03", "2026-13-03 12:00:00", "1999-12-31 12:00:00", "9999-12-31 23:59:59+99:00"]
)
def test_a_time_that_is_none_is_refused_with_its_column(column: str, text: str) -> None:
    assert said(cells(**{column: text})) == f", {column}: {TIME}"


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"end": "2026-08-03 11:59:59", "answer": ""}, ", end: the call ends before it starts; accepted: a time not"),
        ({"answer": "2026-08-03 11:59:59"}, ", answer: the call is answered before it starts; accepted: a time from"),
        ({"answer": "2026-08-03 12:01:41"}, ", answer: the call is answered after it ends; accepted: a time from"),
        (
            {"end": "2026-08-03 12:30:01"},
            ", end: it is in the future; accepted: a time that has come, in Asia/Shanghai",
        ),
        (
            {"start": "2026-08-03 12:31:00", "answer": "", "end": "2026-08-03 12:32:00"},
            ", start: it is in the future; accepted: a time that has come",
        ),
    ],
)
def test_times_in_an_order_that_cannot_be_are_refused(values: dict[str, str], fault: str) -> None:
    assert said(cells(**values)).startswith(fault)


def test_an_id_that_cannot_be_kept_is_refused() -> None:
    assert said(cells(uniqueid="1" * 81)).startswith(", uniqueid: accepted: an id like 1366720340.303267")
    assert said(cells(dstchannel=f"PJSIP/{'c' * 81}")).startswith(", dstchannel: accepted: the name of an agent")


def test_rows_of_other_contexts_are_left_out_whatever_they_are() -> None:
    form = Cdr(ZONE, ("from-trunk", "from-12345"), Agents(Directory()), LATEST)
    assert call(cells(dcontext="from-12345"), form).call_id == ROW["uniqueid"]
    assert form.call(cells(dcontext="internal", answer="2026-08-03 11:00:00")) is OTHER_CONTEXT


@pytest.mark.parametrize(("zone", "hour"), [("Asia/Shanghai", 4), ("UTC", 12), ("Europe/London", 11)])
def test_times_are_of_the_zone_that_is_set(zone: str, hour: int) -> None:
    form = Cdr(ZoneInfo(zone), (), Agents(Directory()), LATEST + timedelta(hours=12))
    assert call(cells(), form).started_at == datetime(2026, 8, 3, hour, 0, tzinfo=UTC)


def test_of_an_hour_that_comes_twice_the_first_is_meant() -> None:
    """On 25 October 2026 clocks in London go back from 2:00 to 1:00, at 1:00 UTC."""
    form = Cdr(ZoneInfo("Europe/London"), (), Agents(Directory()), LATEST + timedelta(days=365))
    across = {"start": "2026-10-25 01:59:50", "answer": "2026-10-25 01:00:02", "end": "2026-10-25 01:01:30"}
    found = call(cells(**across), form)
    assert found.started_at == datetime(2026, 10, 25, 0, 59, 50, tzinfo=UTC)
    assert (found.waited, found.talked) == (timedelta(seconds=12), timedelta(seconds=88))


@pytest.mark.parametrize(
    ("start", "end", "duration", "started_at", "ended_at"),
    [
        ("01:50:00", "02:05:10", "910", (1, 50, 0), (2, 5, 10)),
        ("01:50:00", "02:05:10", "4510", (0, 50, 0), (2, 5, 10)),
        ("01:10:00", "01:20:00", "600", (0, 10, 0), (0, 20, 0)),
        ("01:10:00", "01:20:00", "4200", (0, 10, 0), (1, 20, 0)),
        ("01:58:00", "02:00:04", "123", (1, 58, 0), (2, 0, 4)),
        ("01:59:59", "02:00:00", "0", (1, 59, 59), (2, 0, 0)),
        ("01:50:00", "01:05:00", "", (0, 50, 0), (1, 5, 0)),
    ],
)
def test_in_the_hour_that_comes_twice_the_duration_tells_which_is_meant(
    start: str, end: str, duration: str, started_at: tuple[int, int, int], ended_at: tuple[int, int, int]
) -> None:
    london = Cdr(ZoneInfo("Europe/London"), (), Agents(Directory()), datetime(2026, 11, 1, tzinfo=UTC))
    day = "2026-10-25"
    found = call(cells(start=f"{day} {start}", answer="", end=f"{day} {end}", duration=duration, **QUEUED), london)
    expected = tuple(datetime(2026, 10, 25, *time, tzinfo=UTC) for time in (started_at, ended_at))
    assert (found.started_at, found.ended_at) == expected


def test_where_a_menu_answers_the_channel_knows_no_wait() -> None:
    with_menu = Cdr(ZONE, (), Agents(Directory()), LATEST, menu=True)
    found = call(cells(answer=ROW["start"]), with_menu)
    assert (found.outcome, found.waited, found.agent) == (CallOutcome.UNTIMED, None, None)
    assert call(cells(**NOBODY), with_menu).outcome is CallOutcome.ABANDONED
