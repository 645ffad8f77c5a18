"""View of the service for those who run it."""

from datetime import UTC, datetime, timedelta

import pytest

from hotline.files.catalogue import load_catalogue
from tests.support.api import Agreed, Api, Clock, further_api
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def value(text: str, series: str) -> float:
    """The value of a series; 0 where there is none yet."""
    return next((float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(series)), 0.0)


async def metrics(api: Api) -> str:
    return (await api.http.get("/metrics")).text


async def test_ready_names_every_part(on_both: Api) -> None:
    async def look() -> dict[str, object]:
        found: dict[str, object] = (await on_both.http.get("/readyz")).json()
        return found

    found = await until(look, lambda seen: seen["worker"]["ok"])  # type: ignore[index]  # JSON
    assert found["temporal"] == {"ok": True, "detail": "answers"}
    assert found["sql"] == {"ok": True, "detail": "answers"}
    assert "asked for tasks" in str(found["worker"])


async def test_the_end_of_the_holidays_is_announced(on_sqlite: Api) -> None:
    ends = load_catalogue(on_sqlite.settings.catalogue).calendar.covers_until
    noon = datetime(ends.year, ends.month, ends.day, 4, tzinfo=UTC)
    clock = Clock(noon - timedelta(days=91))
    async with further_api(on_sqlite, clock, Agreed()) as api:
        early = (await api.http.get("/readyz")).json()["calendar"]
        clock.fixed = noon - timedelta(days=30)
        late = (await api.http.get("/readyz")).json()
        left = value(await metrics(api), "hotline_calendar_days_left")
    assert early == {"ok": True, "detail": "the holidays are known"}
    assert "[calendar.override." in late["calendar"]["detail"]
    assert (late["status"], left) == ("degraded", 30.0)


async def test_requests_are_counted_by_route_without_any_number(on_sqlite: Api) -> None:
    series = 'hotline_http_requests_total{method="POST",route="/v1/complaints/{number}/actions/arrive",status="409"}'
    number = await on_sqlite.case_in("registered")
    before = await metrics(on_sqlite)
    await on_sqlite.act(number, "arrive", {}, "wu")
    await on_sqlite.get(f"/nowhere/{number}")
    after = await metrics(on_sqlite)
    assert value(after, series) == value(before, series) + 1
    assert number not in after


async def test_batches_are_counted_by_outcome(on_sqlite: Api) -> None:
    series = 'hotline_sql_writes_total{outcome="committed"}'
    before = await metrics(on_sqlite)
    await on_sqlite.case_in("dispatched")
    assert value(await metrics(on_sqlite), series) == value(before, series) + 2
