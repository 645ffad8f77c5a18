"""Files of lists on the desk: words, local times and names in the reader's language, and no more than the API shows."""

import csv
import io
import re
import uuid
from datetime import datetime, timedelta
from html import unescape
from urllib.parse import quote

import httpx
import pytest

from api.complaints import routes
from api.complaints.cases import EXPORTED
from api.desk.exports import COLUMNS, in_words
from api.desk.words import Names, of_flag
from domain.calendar.work_calendar import on_the_wall
from tests.support.api import Api
from tests.support.browsing import browser, signed_in
from tests.support.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXPORT = "/desk/export"
ENGLISH = {"Accept-Language": "en-GB"}


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return [*csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))]


async def test_without_a_session_the_sign_in_leads_back(on_sqlite: Api) -> None:
    async with browser(on_sqlite) as made:
        page = await made.get(f"{EXPORT}?tab=all")
        assert page.status_code == 401
        assert f'value="{EXPORT}?tab=all"' in unescape(page.text)


async def test_the_links_of_a_list_lead_to_its_files_in_words(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "EXPORTED_PAGE", 2)
    word = uuid.uuid4().hex
    numbers = [await on_both.case_in("dispatched", description=word) for _ in range(3)]
    case = await on_both.complaint(numbers[0])
    zone = on_both.backend.zone.key
    due = on_the_wall(datetime.fromisoformat(case["next_due_at"]), zone).replace(tzinfo=None)
    async with signed_in(on_both, "zhou") as made:
        page = await made.get("/desk", params={"tab": "to-sign-for", "q": word})
        links = [unescape(link) for link in re.findall(r'href="(/desk/export[^"]+)"', page.text)]
        book, text = [await made.get(link) for link in links]
        english = rows(await made.get(links[1], headers=ENGLISH))
    found = {row["工单号"]: row for row in rows(text)}
    assert {*found} == {*numbers}
    row = found[numbers[0]]
    shown = row["状态"], row["服务项目"], row["区域"], row["部门"], row["来电渠道"], row["是否超时"]
    assert shown == ("待签收", "停水/无水", "西区街道", "抢修队", "电话", "否")
    assert (row["到期"], row["超时（小时）"]) == (f"{due:%Y-%m-%d %H:%M}", "")
    assert (english[0]["State"], english[0]["Service"], english[0]["Channel"]) == (
        "Dispatched",
        "No water",
        "telephone",
    )
    (sheet,) = workbook(book.content).values()
    cells = next(dict(zip(sheet[0], each, strict=False)) for each in sheet if each[0] == numbers[0])
    day = timedelta(days=cells["到期"])
    assert abs(datetime(1899, 12, 30) + day - due) < timedelta(seconds=1)  # noqa: DTZ001 - as spreadsheets count


async def test_a_file_is_masked_and_defused_as_that_of_the_api(on_sqlite: Api) -> None:
    word = uuid.uuid4().hex
    caller = {"name": "=1+1", "phone": "0760 8823 0001"}
    number = await on_sqlite.case_in("refused", description=f"={word}", caller=caller)
    for name in ("xu", "zhou"):
        answer = await on_sqlite.get("/v1/complaints", name, format="csv", q=number)
        (code,) = rows(answer)
        async with signed_in(on_sqlite, name) as made:
            (shown,) = rows(await made.get(EXPORT, params={"tab": "all", "q": number, "format": "csv"}))
        for column in ("caller_name", "caller_phone", "description", "address"):
            assert shown[COLUMNS[column][0]] == code[column], column


async def test_a_file_reaches_no_further_than_the_list(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    for name, there in (("wu", True), ("sun", False)):
        async with signed_in(on_sqlite, name) as made:
            file = await made.get(EXPORT, params={"tab": "department", "format": "csv"})
            assert quote("中山供水热线-本部门.csv") in file.headers["content-disposition"]
            found = rows(file)
        assert (number in {row["工单号"] for row in found}) is there
    async with signed_in(on_sqlite, "pbx") as made:
        assert (await made.get(EXPORT)).status_code == 403


@pytest.mark.parametrize("given", [{"tab": "nothing"}, {"format": "doc"}, {"service": "nothing"}])
async def test_a_wrong_address_is_refused(on_sqlite: Api, given: dict[str, str]) -> None:
    async with signed_in(on_sqlite, "chen") as made:
        assert (await made.get(EXPORT, params={"tab": "all", **given})).status_code == 422


@pytest.mark.parametrize(("zh", "late", "person"), [(True, "是", "陈静"), (False, "yes", "陈静")])
async def test_a_late_case_has_its_hours_and_people_their_names(
    on_sqlite: Api, zh: bool, late: str, person: str
) -> None:
    now = datetime.fromisoformat("2026-12-01T12:30:00Z")
    case = dict.fromkeys(EXPORTED) | {"state": "dispatched", "service_code": "leak", "sla": "missed", "overdue": True}
    case |= {"owner": "chen", "channel": "web", "flags": (flags := ["hardship", "repeat_caller"])}
    case["next_due_at"] = now - timedelta(hours=2.5)
    names = Names(on_sqlite.backend.catalogue, zh)
    ([*shown, hours],) = in_words([case], names, {"chen": "陈静"}, now)
    found = dict(zip(EXPORTED, shown, strict=True))
    assert (hours, found["overdue"], found["owner"]) == (2.5, late, person)
    assert found["flags"] == ("、" if zh else ", ").join(names.say(of_flag(flag)) for flag in flags)
    assert found["next_due_at"] == datetime(2026, 12, 1, 18)  # noqa: DTZ001 - local time, without its zone
