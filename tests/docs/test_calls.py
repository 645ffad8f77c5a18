"""The day that the page computes by hand is computed by the program, with the same figures."""

import json
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from api.reports.calls import CallNumbers
from domain.calls.call import Call, Duty, Timing
from readmodel.base.database import reading, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.report import Grouping, ReportItem, call_report, replace_duties
from tests.support.pages import examples, names, page, section

PAGE = page("docs/calls.md")
BY_HAND = section(PAGE, "A day by hand")
CALLS, (HEAD, *FIGURES) = (
    [["" if cell == "-" else cell for cell in line.split()] for line in block.text.splitlines()]
    for block in examples(BY_HAND)
)
del CALLS[0]
DAY = datetime(2026, 8, 3, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)

END = DAY + timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-08-03T{text}+08:00").astimezone(UTC)


def reported(row: list[str]) -> Call:
    """The call of a row, as the telephone system would report it."""
    number, started, answered, ended, agent, outcome = row[:6]
    return Call(
        number,
        at(started),
        at(answered) if answered else None,
        at(ended),
        agent=agent or None,
        asked_at=at(ended) if outcome == "call_back_asked" else None,
        timing=Timing.UNTIMED if outcome == "untimed" else Timing.QUEUE,
    )


def head(key: str | None) -> str:
    """The head of the column of an hour or agent."""
    return "nobody" if key is None else key[11:13] or key


def seconds(time: timedelta | None) -> str:
    return "" if time is None else f"{time.total_seconds():g}"


def test_outcome_and_times_of_each_call_are_those_of_the_program() -> None:
    for row in CALLS:
        call = reported(row)
        assert [call.outcome.value, seconds(call.waited), seconds(call.talked)] == row[5:], row


def test_the_day_by_hand_is_the_report_of_the_program(database: Engine) -> None:
    duties = re.findall(r"(\w+) (?:was on duty )?from (\d\d:\d\d) to (\d\d:\d\d)", BY_HAND)
    with writing(database) as connection:
        save_calls(connection, map(reported, CALLS))
        replace_duties(connection, [Duty(who.lower(), at(start), at(end)) for who, start, end in duties], DAY, END)
    items: dict[str, ReportItem] = {}
    for by in (Grouping.HOUR, Grouping.AGENT):
        with reading(database) as connection:
            report = call_report(connection, by, DAY, END, ZoneInfo("Asia/Shanghai"))
        items |= {head(item.key): item for item in report.items} | {"day": report.total}

    shown = {key: CallNumbers.of(item.figures, item.duty).model_dump() for key, item in items.items()}
    assert len(CALLS) == 12
    assert HEAD[1:] == ["08", "09", "10", "11", "day", "chen", "li", "nobody"]
    for name, *by_hand in FIGURES:
        assert [shown[key][name] for key in HEAD[1:]] == [json.loads(cell) for cell in by_hand], name
    assert [name for name, *_ in FIGURES] == [*CallNumbers.model_fields]


def test_every_figure_is_explained() -> None:
    assert {*CallNumbers.model_fields} <= names(section(PAGE, "What the figures mean"))
