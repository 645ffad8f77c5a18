"""View of the service for those who run it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import delete

from api.health import readiness
from api.health.sql import SqlHealth
from hotline.files.catalogue import load_catalogue
from hotline.keys import ring_of
from readmodel.base.database import opened, writing
from readmodel.processes import LIVE, process_keys, state
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
    answers = {"ok": True, "detail": "answers", "remedy": None}
    assert (found["temporal"], found["sql"]) == (answers, answers)
    assert "asked for tasks" in str(found["worker"])


@pytest.mark.parametrize(
    ("days", "ok", "told"),
    [(91, True, False), (60, True, True), (15, True, True), (14, False, True), (-1, False, True)],
)
async def test_the_end_of_the_holidays_is_noticed_early_and_a_fault_late(
    days: int, ok: bool, told: bool, on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)
    ends = load_catalogue(on_sqlite.settings.catalogue).calendar.covers_until
    clock = Clock(datetime.combine(ends, time(4), UTC) - timedelta(days=days))
    async with further_api(on_sqlite, clock, Agreed()) as api:
        found = (await api.http.get("/readyz")).json()["calendar"]
        left = value(await metrics(api), "hotline_calendar_days_left")
    assert (found["ok"], found["remedy"] is not None) == (ok, told)
    assert ("[calendar.override." in (found["remedy"] or "")) == told
    assert left == days


async def test_a_process_that_lacks_a_key_is_told_with_the_remedy(
    on_both: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)
    [own] = ring_of(on_both.settings).ids()
    stated(on_both, {"api on first": [own], "worker on second": ["00000000"], "worker on third": []})
    ready = (await on_both.http.get("/readyz")).json()
    assert (ready["status"], ready["keys"]["ok"]) == ("degraded", False)
    lacking = f"api on first lacks 00000000; worker on second lacks {own}; worker on third lacks "
    assert ready["keys"]["detail"].startswith(f"keys differ: {lacking}")
    assert "hotline keys merge FILE" in ready["keys"]["remedy"]
    async with further_api(on_both, Clock(datetime.now(UTC) + LIVE), Agreed()) as later:
        assert (await later.http.get("/readyz")).json()["keys"]["ok"]
    stated(on_both, {})


async def test_a_key_is_missed_only_when_each_process_had_time_to_state_it(on_both: Api) -> None:
    stated(on_both, {"api on first": ["old", "new"], "worker on second": ["old"]})
    reader, now = on_both.backend.reader, datetime.now(UTC)
    made = {"old": now - timedelta(days=1), "new": now}
    health = SqlHealth(reader, reader._engine, never, lambda: made)
    assert (await health.keys(now)).ok
    made["new"] -= LIVE
    assert not (await health.keys(now)).ok
    stated(on_both, {})


async def never() -> int:
    """Count no case: nobody asks."""
    raise NotImplementedError


def stated(api: Api, ids: Mapping[str, Sequence[str]]) -> None:
    """Let SQL have the keys of these processes alone."""
    with opened(api.settings.database_url) as database, writing(database) as connection:
        connection.execute(delete(process_keys))
        for process, own in ids.items():
            state(connection, process, own, datetime.now(UTC))


async def test_requests_are_counted_by_route_without_any_number(on_sqlite: Api) -> None:
    series = 'hotline_http_requests_total{method="POST",route="/v1/complaints/{number}/actions/arrive",status="409"}'
    number = await on_sqlite.case_in("registered")
    before = await metrics(on_sqlite)
    await on_sqlite.act(number, "arrive", {}, "chief")
    await on_sqlite.get(f"/nowhere/{number}")
    after = await metrics(on_sqlite)
    assert value(after, series) == value(before, series) + 1
    assert number not in after


async def test_batches_are_counted_by_outcome(on_sqlite: Api) -> None:
    series = 'hotline_sql_writes_total{outcome="committed"}'
    before = await metrics(on_sqlite)
    await on_sqlite.case_in("dispatched")
    assert value(await metrics(on_sqlite), series) == value(before, series) + 2
