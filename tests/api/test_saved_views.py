"""The saved views of the Temporal UI, asked of a real server: they find what they promise."""

import pytest
from temporalio.client import Client

from api.temporal_ui.pages import VIEWS, View, personal
from tests.support.api import Api, Json
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

BY_NAME = {view.name: view for view in VIEWS}
ODD = 'O"Brien\\ (陈) AND Owner = "chen"'
"""An id that would end the text in a query if it were not quoted."""


async def found(temporal: Client, view: View) -> set[str]:
    return {each.id.removeprefix("complaint-") async for each in temporal.list_workflows(view.query)}


@pytest.mark.parametrize(
    ("name", "call", "steps"),
    [
        ("Supervised", {}, [("xu", "supervise", {})]),
        ("Thanks", {"service_code": "thanks", "description": "谢谢梁师傅", "thanked": "梁伟"}, []),
        ("To be dispatched", {}, []),
        (
            "Several departments",
            {},
            [
                ("zhou", "dispatch", {"department": "repair"}),
                ("wu", "sign_for", {}),
                ("chen", "involve", {"department": "billing", "task": "查欠费"}),
            ],
        ),
    ],
)
async def test_the_view_finds_its_case(
    on_sqlite: Api, name: str, call: Json, steps: list[tuple[str, str, Json]]
) -> None:
    usual = {"service_code": "no_water", "description": "家里没水", "location": {"district": "west"}}
    number = (await on_sqlite.register(usual | call)).json()["number"]
    for who, action, body in steps:
        answer = await on_sqlite.act(number, action, body, who)
        assert answer.is_success, answer.text
    await until(lambda: found(on_sqlite.temporal, BY_NAME[name]), lambda numbers: number in numbers)


async def test_who_calls_again_is_among_the_repeat_callers(on_sqlite: Api) -> None:
    call = {"service_code": "billing", "description": "水费", "caller": {"phone": "0760 8823 0909"}}
    await on_sqlite.register(call)
    number = (await on_sqlite.register(call)).json()["number"]
    await until(lambda: found(on_sqlite.temporal, BY_NAME["Repeat callers"]), lambda numbers: number in numbers)


async def test_my_cases_and_my_department_are_those_of_the_person(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("dispatched")
    case = (await on_sqlite.get(f"/v1/complaints/{number}")).json()
    mine, ours = personal(case["owner"], case["department"])
    for view in (mine, ours):
        await until(lambda view=view: found(on_sqlite.temporal, view), lambda numbers: number in numbers)  # type: ignore[misc]
    assert number not in await found(on_sqlite.temporal, next(personal(ODD, None)))
