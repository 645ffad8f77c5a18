"""Exports as CSV and XLSX: what Excel opens, no more than the reader may see, and flat memory however long they are."""

import asyncio
import csv
import gc
import io
import threading
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from api.complaints import cases as exported
from api.complaints import routes
from api.exports.files import LOOP_CHECK_SECONDS, XLSX, ExportThrottle, Sheets, defused, lines
from api.sql import sql_unavailable
from readmodel.base.database import engine as engine_of
from readmodel.base.database import writing
from readmodel.cases.queries import list_rows
from tests.api.test_reading import owner, registered
from tests.support.api import Api, Json, problem
from tests.support.hotline import until
from tests.support.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

BOM = b"\xef\xbb\xbf"


async def export(api: Api, by: str = "chief", **params: Any) -> list[dict[str, str]]:
    answer = await api.get("/v1/complaints", by, format="csv", **params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="complaints.csv"; filename*=')
    assert answer.content.startswith(BOM)
    return [*csv.DictReader(io.StringIO(answer.content.removeprefix(BOM).decode(), newline=""))]


def cells(case: Json) -> dict[str, str]:
    """A complaint of JSON as a row of the export."""
    fields = {
        **{name: case[name] for name in exported.EXPORTED if name in case},
        **{f"caller_{name}": value for name, value in case["caller"].items()},
        **case["location"],
        "flags": " ".join(case["flags"]),
        "overdue": str(case["overdue"]).lower(),
    }
    return {name: "" if fields.get(name) is None else str(fields[name]) for name in exported.EXPORTED}


async def test_all_pages_of_a_list_are_one_file_in_its_order(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "EXPORTED_PAGE", 2)
    mine = owner()
    made = await registered(on_both, mine, 5)
    assert [row["number"] for row in await export(on_both, owner=mine)] == made[::-1]
    assert [row["number"] for row in await export(on_both, owner=mine, sort="priority")] == made
    assert await export(on_both, owner=mine, state="closed") == []
    first = (await on_both.get("/v1/complaints", owner=mine, limit=1)).json()["next_cursor"]
    assert [row["number"] for row in await export(on_both, owner=mine, cursor=first)] == made[-2::-1]
    assert [row["number"] for row in await export(on_both, owner=mine, cursor=first, limit=3)] == made[-2:0:-1]
    problem(await on_both.get("/v1/complaints", format="csv", cursor="x"), 422, "invalid-cursor")


@pytest.mark.parametrize("by", ["chen", "zhou", "gao", "wu"])
@pytest.mark.parametrize("ended", [False, True])
async def test_a_row_is_the_complaint_as_its_reader_sees_it(on_both: Api, by: str, ended: bool) -> None:
    number = await on_both.case_in(
        "pending_reply",
        caller={"name": "司徒大明", "phone": "13800138000", "account_no": "HW-00-420013"},
        location={"district": "west", "address": "下闸新村 3 号"},
        description='他说: "水表坏了",\n请打13800138000找我, 谢谢。',
    )
    if ended:
        await on_both.act(number, "reply", {"message": "打13800138000没人接"}, "chen")
        await on_both.act(number, "follow_up", {"outcome": "satisfied"}, "he")
    (row,) = await export(on_both, by, q=number)
    assert row == cells(await on_both.complaint(number, by))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "＝"])
async def test_no_cell_is_a_formula(on_sqlite: Api, begin: str) -> None:
    mine, text = owner(), f'{begin}HYPERLINK("http://x","y")'
    await registered(on_sqlite, mine, 1, description=text, caller={"name": text, "phone": "+8613800138000"})
    (row,) = await export(on_sqlite, owner=mine)
    assert (row["description"], row["caller_name"]) == (f"'{text}", f"'{text}")
    assert row["caller_phone"] == "'+8613800138000"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\t=1+1", "\t'=1+1"),
        (" \u3000+1", " \u3000'+1"),
        ('"=1+1"', '"\'=1+1"'),
        ("x;=1+1", "x;'=1+1"),
        ('x; "@SUM(1)"; y', 'x; "\'@SUM(1)"; y'),
        ("x\n-1\n＝1", "x\n'-1\n'＝1"),
        ("x\t＋1,－1|＠A1", "x\t'＋1,'－1|'＠A1"),
    ],
)
async def test_no_part_of_a_cell_is_a_formula(text: str, written: str) -> None:
    assert defused(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "138 0013 8000",
        "0760-8823 0001",
        "2026-12-01T10:00:00+08:00",
        "A-17",
        "3 - 5 号楼; a=b, c@d.cn",
        "'=1+1",
        "说：-",
    ],
)
async def test_what_is_no_formula_is_written_as_it_is(text: str) -> None:
    assert defused(text) == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_no_program_finds_a_formula_in_an_export(on_sqlite: Api, delimiter: str) -> None:
    """Whichever sign divides the cells of a line for it, and if it takes quotes off and blanks away."""
    mine, attack = owner(), '=HYPERLINK("http://x")'
    before = ("", ";", "a\n", 'a"; "', "a\t ", "a|\u3000", '",')
    for each in before:
        await registered(on_sqlite, mine, 1, description=f"{each}{attack};")
    answer = await on_sqlite.get("/v1/complaints", "chief", format="csv", owner=mine)
    read = csv.reader(io.StringIO(answer.content.removeprefix(BOM).decode(), newline=""), delimiter=delimiter)
    parts = [cell.strip(' "\u3000') for row in read for cell in row]
    assert sum("HYPERLINK" in part for part in parts) == len(before)
    assert [part for part in parts if part.startswith("=")] == []


async def test_a_workbook_has_the_rows_of_the_csv_and_no_formula(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "EXPORTED_PAGE", 2)
    mine, attack = owner(), '=HYPERLINK("http://x")'
    await registered(on_both, mine, 3, description=attack, caller={"name": "+1", "phone": "+8613800138000"})
    answer = await on_both.get("/v1/complaints", format="xlsx", owner=mine)
    assert answer.headers["content-type"] == XLSX
    assert answer.headers["content-disposition"].startswith('attachment; filename="complaints.xlsx"; filename*=')
    head, *rows = workbook(answer.content)["complaints"]
    assert head == [*exported.EXPORTED]
    found = [dict(zip(head, row, strict=False)) for row in rows]
    assert [row["number"] for row in found] == [row["number"] for row in await export(on_both, owner=mine)]
    assert {(row["description"], row["caller_name"], row["caller_phone"]) for row in found} == {
        (attack, "+1", "+8613800138000")
    }
    problem(await on_both.get("/v1/complaints", format="xlsx", cursor="x"), 422, "invalid-cursor")


async def test_an_export_reaches_no_further_than_a_list(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    for by, there in (("wu", True), ("sun", False)):
        rows = await export(on_sqlite, by)
        assert (number in {row["number"] for row in rows}) is there
        assert {row["department"] for row in rows} <= {{"wu": "repair", "sun": "metering"}[by]}
    answer = await on_sqlite.get("/v1/complaints", "sun", format="csv", department="repair")
    problem(answer, 403, "other-department")
    problem(await on_sqlite.get("/v1/complaints", "gao", format="csv", q="138"), 403, "masked-search")


async def test_sql_that_goes_away_ends_the_export_as_an_error(on_sqlite: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first row as a problem, later by breaking off: half a file must not look whole."""
    mine = owner()
    await registered(on_sqlite, mine, 3)
    monkeypatch.setattr(routes, "EXPORTED_PAGE", 1)
    left, ask = 0, on_sqlite.backend.reader.ask

    async def fail_later(question: Any, *args: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise sql_unavailable()
        return await ask(question, *args)

    monkeypatch.setattr(on_sqlite.backend.reader, "ask", fail_later)
    problem(await on_sqlite.get("/v1/complaints", format="csv", owner=mine), 503, "read-model-unavailable")
    left = 2
    with pytest.raises(httpx.RemoteProtocolError):
        await on_sqlite.get("/v1/complaints", format="csv", owner=mine)


COPIES = """
WITH RECURSIVE copy(place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM copy WHERE place < :count)
INSERT INTO cases SELECT {columns} FROM cases, copy WHERE owner = :owner
"""


async def peak_of_export(api: Api, wanted: str, count: int) -> int:
    """Bytes that the process had at most beyond those before, while that many rows were sent."""
    mine = owner()
    await registered(api, mine, 1)
    database = engine_of(api.settings.database_url)
    with writing(database) as connection:
        names = [row.name for row in connection.execute(text("SELECT name FROM pragma_table_info('cases')"))]
        there = connection.scalar(text("SELECT count(*) FROM cases"))
        number = "printf('%013d', :there + place)"
        values = ", ".join(number if name == "number" else name for name in names)
        connection.execute(text(COPIES.format(columns=values)), {"count": count - 1, "owner": mine, "there": there})
    database.dispose()
    rarely = gc.get_threshold()  # as tests collect garbage, which would count
    gc.set_threshold(700, 10, 10)
    gc.collect()
    tracemalloc.start()
    try:
        lines = 0
        params = {"format": wanted, "owner": mine}
        async with api.http.stream("GET", "/v1/complaints", headers=api.key("chief"), params=params) as answer:
            async for chunk in answer.aiter_bytes():
                lines += chunk.count(b"\r\n")
        assert lines == count + 1 or wanted == "xlsx"
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.set_threshold(*rarely)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "rows", "most"),
    [
        ("csv", (3_000, 10_000), 600_000),
        pytest.param("csv", (5_000, 100_000), 4_000_000, marks=pytest.mark.night),
        ("xlsx", (500, 5_000), 4_000_000),
    ],
)
async def test_memory_is_flat_however_many_rows(on_sqlite: Api, wanted: str, rows: tuple[int, int], most: int) -> None:
    """Of text, no row can keep 86 bytes unseen, half of what it has."""
    few, many = [await peak_of_export(on_sqlite, wanted, count) for count in rows]
    assert many < few + most, (few, many)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_reads_are_answered_beside_six_exports(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Exports take one step at a time, so all threads but one are free for others."""
    [number] = await registered(on_sqlite, owner(), 1)
    goes_on, running, most = threading.Event(), 0, 0
    counting = threading.Lock()

    def held(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal running, most
            with counting:
                running += 1
                most = max(most, running)
            assert goes_on.wait(30)
            with counting:
                running -= 1
            return step(*args, **kwargs)

        return run

    monkeypatch.setattr("api.complaints.routes.stored.list_rows", held(list_rows))
    monkeypatch.setattr(routes, "cells", held(exported.cells))
    monkeypatch.setattr("api.exports.files.lines", held(lines))
    monkeypatch.setattr(Sheets, "close", held(Sheets.close))
    exports = [asyncio.create_task(on_sqlite.get("/v1/complaints", format=form, q=number)) for _ in range(6)]

    async def is_held() -> int:
        return running

    await until(is_held, bool)
    for _ in range(10):
        assert (await on_sqlite.get("/v1/complaints", limit=1)).status_code == 200
    assert not any(export.done() for export in exports)
    goes_on.set()
    assert [answer.status_code for answer in await asyncio.gather(*exports)] == [200] * 6
    assert most == 1


@pytest.mark.parametrize("busy", [True, False])
async def test_a_step_of_an_export_is_followed_by_a_pause_while_others_are_served(busy: bool) -> None:
    """A loop that is busy with others comes late to its checks; one that is not ends the pause at the first."""
    throttle, ends, served = ExportThrottle(), asyncio.Event(), 0

    async def serve() -> None:
        nonlocal served
        while busy and not ends.is_set():
            time.sleep(2 * LOOP_CHECK_SECONDS)  # noqa: ASYNC251 - work that does not give way
            served += 1
            await asyncio.sleep(0)

    async def step() -> None:
        async with throttle:
            await asyncio.to_thread(time.sleep, 3 * LOOP_CHECK_SECONDS)

    serving = asyncio.create_task(serve())
    first, second = asyncio.create_task(step()), asyncio.create_task(step())
    await first
    between = served
    await second
    ends.set()
    await serving
    assert (between >= 3) is busy
