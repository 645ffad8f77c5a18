"""Reports of calls over HTTP: shape, periods, and who may read them. The figures have tests of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete
from temporalio.client import Client

from domain.calls.call import Call, Duty
from hotline.settings import DEFAULT_CATALOGUE
from readmodel.base.database import engine, writing
from readmodel.calls.calls import save_calls
from readmodel.calls.report import replace_duties
from readmodel.calls.tables import call_backs, calls, duties
from tests.support.api import Api, Json, problem, running_api

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATH = "/v1/reports/calls"
NINE = datetime(2026, 8, 3, 1, tzinfo=UTC)
"""On a Monday in Zhongshan."""
FIGURES = {
    "offered": 2,
    "answered": 1,
    "abandoned": 0,
    "short_abandoned": 1,
    "call_back_asked": 0,
    "untimed": 0,
    "under_way": 0,
    "connected_rate": 0.5,
    "answered_within_15s_rate": 1.0,
    "answered_within_15s_of_offered_rate": 0.5,
    "wait_p50_seconds": 13,
    "wait_p95_seconds": 13,
    "talk_seconds": 87.5,
}
NOTHING = dict.fromkeys(FIGURES, 0) | {name: None for name in FIGURES if name.endswith("_rate") or "wait_" in name}


def second(number: float) -> datetime:
    return NINE + timedelta(seconds=number)


CALLS = (
    Call("r1", NINE, second(12.5), second(100), agent="chen"),
    Call("r2", second(3599.9), None, second(3603), agent="chen"),
)
DUTY = Duty("li", second(1800), second(5400))


async def asked(api: Api, who: str = "xu", **params: str) -> httpx.Response:
    """`from` and `by` are no names that Python, or `Api.get`, would pass on."""
    given = {name.strip("_"): value for name, value in params.items()}
    return await api.http.get(PATH, headers=api.key(who), params=given)


async def report(api: Api, start: str, end: str, by: str | None = None) -> Json:
    answer = await asked(api, from_=start, to=end, **({"by": by} if by else {}))
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def refused(api: Api, slug: str = "invalid-request", **params: str) -> Json:
    return problem(await asked(api, **params), 422, slug)


@pytest.fixture
def filled(on_both: Api) -> Api:
    database = engine(on_both.settings.database_url)
    with writing(database) as connection:
        # Other files of tests have calls of the same day.
        for table in (call_backs, calls, duties):
            connection.execute(delete(table))
        save_calls(connection, CALLS)
        replace_duties(connection, [DUTY], NINE, NINE + timedelta(days=1))
    database.dispose()
    return on_both


async def test_a_day_by_hour_has_every_hour_and_the_whole(filled: Api) -> None:
    found = await report(filled, "2026-08-03", "2026-08-03", "hour")
    assert [item["key"] for item in found["items"]] == [f"2026-08-03T{hour:02}:00:00+08:00" for hour in range(24)]
    assert found["items"][9] == {
        **FIGURES,
        "agents_on_duty": 1,
        "duty_seconds": 1800,
        "key": "2026-08-03T09:00:00+08:00",
        "name": None,
    }
    nobody = {**NOTHING, "agents_on_duty": 0, "duty_seconds": 0}
    assert found["items"][0] == {**nobody, "key": "2026-08-03T00:00:00+08:00", "name": None}
    assert found["total"] == {**FIGURES, "agents_on_duty": 1, "duty_seconds": 3600}
    assert (found["from"], found["to"]) == ("2026-08-02T16:00:00Z", "2026-08-03T16:00:00Z")
    assert (found["by"], found["time_zone"]) == ("hour", "Asia/Shanghai")


async def test_a_period_that_begins_within_a_quarter_of_an_hour_has_no_duty_before_it(filled: Api) -> None:
    """The duty is from 09:30 until 10:30."""
    found = await report(filled, "2026-08-03T09:40:00+08:00", "2026-08-03T10:10:00+08:00", "hour")
    assert [item["duty_seconds"] for item in found["items"]] == [1200, 600]
    assert found["total"]["duty_seconds"] == 1800


async def test_by_day_is_usual_and_no_roster_is_no_data(filled: Api) -> None:
    found = await report(filled, "2026-08-03", "2026-08-04")
    assert [(item["key"], item["offered"]) for item in found["items"]] == [("2026-08-03", 2), ("2026-08-04", 0)]
    assert [item["agents_on_duty"] for item in found["items"]] == [1, None]
    assert found == await report(filled, "2026-08-03T00:00:00+08:00", "2026-08-05T00:00:00+08:00", "day")


async def test_by_agent_has_names_and_those_on_duty_and_what_nobody_answered(filled: Api) -> None:
    items = (await report(filled, "2026-08-03", "2026-08-03", "agent"))["items"]
    assert [(item["key"], item["name"], item["offered"], item["duty_seconds"]) for item in items] == [
        ("chen", "chen", 1, 0),
        ("li", "li", 0, 3600),
        (None, None, 1, None),
    ]


async def test_an_agent_who_is_a_telephone_is_shown_masked(filled: Api) -> None:
    database = engine(filled.settings.database_url)
    with writing(database) as connection:
        save_calls(connection, [Call("r3", NINE, second(5), second(9), agent="13812345678", agent_known=False)])
    database.dispose()
    items = (await report(filled, "2026-08-03", "2026-08-03", "agent"))["items"]
    assert [item["key"] for item in items] == ["138****5678", "chen", "li", None]


async def test_instants_bound_a_report_to_the_second(filled: Api) -> None:
    found = await report(filled, "2026-08-03T01:00:00Z", "2026-08-03T01:59:59.900Z", "hour")
    assert found["total"]["offered"] == found["items"][0]["answered"] == 1
    found = await report(filled, "2026-08-03T01:00:01Z", "2026-08-03T01:59:59.901Z", "hour")
    assert found["total"]["offered"] == found["items"][0]["short_abandoned"] == 1


async def test_the_clock_of_england_gives_a_day_23_or_25_hours(temporal: Client, tmp_path: Path) -> None:
    catalogue = DEFAULT_CATALOGUE.parent / "england.toml"
    url = f"sqlite:///{tmp_path / 'hotline.db'}"
    async with running_api(temporal, url, tmp_path, at_work=False, catalogue=catalogue) as api:
        spring = await report(api, "2026-03-29", "2026-03-29", "hour")
        autumn = await report(api, "2026-10-25", "2026-10-25", "hour")
        year = await report(api, "2026-01-01", "2026-12-31", "day")
    assert [item["key"][11:] for item in spring["items"][:2]] == ["00:00:00+00:00", "02:00:00+01:00"]
    assert [item["key"][11:] for item in autumn["items"][1:3]] == ["01:00:00+01:00", "01:00:00+00:00"]
    assert (len(spring["items"]), len(autumn["items"]), len(year["items"])) == (23, 25, 365)


async def test_a_report_is_for_those_who_assess(on_sqlite: Api) -> None:
    found = problem(await asked(on_sqlite, "chen", from_="2026-08-03", to="2026-08-03"), 403, "wrong-role")
    assert found["accepted"] == ["admin", "manager", "supervisor"]


@pytest.mark.parametrize("given", ["", "today", "2026-8-3", "2026-02-30", "1999-12-31", "2026-08-03T09:00:00", "0"])
@pytest.mark.parametrize("end", ["from", "to"])
async def test_what_is_no_day_and_no_instant_is_refused(on_sqlite: Api, given: str, end: str) -> None:
    params = {"from": "2026-08-03", "to": "2026-08-03"} | {end: given}
    found = await refused(on_sqlite, **params)
    assert [fault["field"] for fault in found["errors"]] == [f"query.{end}"]
    assert "A day, as 2026-08-03, or an instant with its zone" in found["detail"]


async def test_a_period_is_given_in_full_and_with_known_groups(on_sqlite: Api) -> None:
    found = await refused(on_sqlite)
    assert [fault["field"] for fault in found["errors"]] == ["query.from", "query.to"]
    found = await refused(on_sqlite, from_="2026-08-03", to="2026-08-03", by="week")
    assert "'hour', 'day' or 'agent'" in found["detail"]
    found = await refused(on_sqlite, from_="2026-08-03", to="2026-08-03", group="hour")
    assert found["detail"] == "query.group: Unknown field; accepted: from, to, by, format, language"


@pytest.mark.parametrize(
    ("start", "end", "by"),
    [
        ("2026-08-03", "2026-08-02", "day"),
        ("2026-08-03T09:00:00Z", "2026-08-03T09:00:00Z", "hour"),
        ("2026-01-01", "2026-04-04", "hour"),
        ("2026-01-01", "2027-01-02", "day"),
        ("2026-01-01", "2027-01-02", "agent"),
        ("2026-01-01", "2999-12-31", "agent"),
    ],
)
async def test_a_period_that_is_empty_or_too_long_is_refused(on_sqlite: Api, start: str, end: str, by: str) -> None:
    found = await refused(on_sqlite, "invalid-period", from_=start, to=end, by=by)
    assert found["accepted"]


async def test_the_longest_periods_are_answered(on_sqlite: Api) -> None:
    assert len((await report(on_sqlite, "2026-01-01", "2026-04-03", "hour"))["items"]) == 93 * 24
    assert len((await report(on_sqlite, "2027-01-01", "2028-01-01", "day"))["items"]) == 366
