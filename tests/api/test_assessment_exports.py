"""Files of assessments: scores, and the cases behind a number."""

import csv
from urllib.parse import quote

import pytest

from api.assessments import answers as exports
from domain.shared.actors import Role
from tests.api.test_assessments import follow, item_of, pages, published, read
from tests.support.api import Api
from tests.support.workbooks import workbook

pytestmark = pytest.mark.asyncio(loop_scope="session")


def named(file: str) -> str:
    """Header of a file whose name begins with the company's in browsers."""
    return f"attachment; filename=\"{file}\"; filename*=UTF-8''{quote('中山供水热线')}-{file}"


async def test_the_cases_behind_a_number_are_exported(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    month = await published(on_both)
    link = item_of(await read(on_both, month), "company")["figures"]["cases"]["link"]
    answer = await follow(on_both, link, "chen", format="csv")
    head, *lines = answer.content.decode("utf-8-sig").splitlines()
    assert head == "number,at,counts,amount,excluded"
    assert number in {line.split(",")[0] for line in lines}
    workbook = await follow(on_both, link, "chen", format="xlsx")
    assert workbook.content.startswith(b"PK")


@pytest.mark.slow
async def test_exported_cases_are_those_of_all_pages(on_both: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "EXPORTED_PAGE", 2)
    for outcome in ("satisfied", "dissatisfied", "satisfied"):
        number = await on_both.case_in("pending_reply")
        await on_both.act(number, "reply", {"message": "好了"})
        await on_both.act(number, "follow_up", {"outcome": outcome})
    month = await published(on_both)
    link = item_of(await read(on_both, month), "company")["figures"]["satisfaction_rate"]["link"]
    listed = [line for page in await pages(on_both, link) for line in page]
    assert len(listed) > 2
    assert {line["counts"] for line in listed} == {True, False}
    wanted = [[line["number"], line["at"], str(line["counts"]).lower()] for line in listed]
    text = (await follow(on_both, link, format="csv")).content.decode("utf-8-sig")
    assert [row[:3] for row in csv.reader(text.splitlines()[1:])] == wanted
    [sheet] = workbook((await follow(on_both, link, format="xlsx")).content).values()
    assert [row[:3] for row in sheet[1:]] == wanted


async def test_scores_are_exported_with_a_row_for_each_figure(on_both: Api) -> None:
    """A name is a text, whatever a spreadsheet would make of it."""
    on_both.tokens["kuang"] = on_both.directory.enter("kuang", Role.AGENT, name="=1+1")
    await on_both.register(by="kuang")
    month = await published(on_both)
    items = (await read(on_both, month, "agent"))["items"]
    values = ("value", "numerator", "denominator", "excluded", "weight", "points", "left_out", "link")
    wanted = [
        [*(item[key] for key in ("subject", "name", "name_zh")), name, *(figure[key] for key in values), *scored]
        for item in items
        for scored in [(item["score"], item["grade"])]
        for name, figure in item["figures"].items()
    ]
    assert ["kuang", "=1+1", None, "cases", 1] in [row[:5] for row in wanted]
    link = f"/v1/assessments/{month}?by=agent"
    answer = await follow(on_both, link, "chen", format="csv")
    assert answer.headers["content-disposition"] == named(f"{month}-agent.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, *rows = csv.reader(answer.content.decode("utf-8-sig").splitlines())
    assert head == ["subject", "name", "name_zh", "figure", *values, "score", "grade"]
    assert rows == [["" if cell is None else str(cell).replace("=1+1", "'=1+1") for cell in row] for row in wanted]
    answer = await follow(on_both, link, "chen", format="xlsx")
    assert answer.headers["content-disposition"] == named(f"{month}-agent.xlsx")
    [sheet] = workbook(answer.content).values()
    assert sheet == [head, *wanted]
