"""Assessments over HTTP: results, the cases behind each number, inspections, objections and their decisions."""

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from urllib.parse import parse_qsl, quote

import httpx
import pytest
from temporalio.testing import WorkflowEnvironment

from activities.names import assessment_id
from api.assessments.answers import (
    AssessedMonth,
    CountedCaseItem,
    InspectionItem,
    MonthSummary,
    ObjectionItem,
)
from api.responses import Page
from domain.assessment.assessment import draw
from domain.shared.value import rate
from readmodel.projection import DivergedError
from tests.support import lost
from tests.support.api import Api, Json, problem
from tests.support.hotline import until
from tests.support.months import present_month
from workflows.clients.periods import start_assessment
from workflows.kit.words import CatalogueNames

pytestmark = pytest.mark.asyncio(loop_scope="session")
_years = itertools.count(1970)
FULL = {"greeting": 20, "understanding": 25, "record": 25, "handling": 30}
REPLY = {"subject": "chen", "figure": "cases", "reason": "试拨电话，不应计入"}


async def begun(api: Api, opened: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """The assessment of the last and the next hour, under the name of a month that no other test has.

    `opened` has other values of the opening; the other keywords change the standard.
    """
    month = f"20{next(_years) % 100:02}-0{1 + (api.settings.database_url[0] == 's')}"
    opening = present_month(month, **{"sample_per_agent": 0} | changes).model_copy(update=opened)
    await start_assessment(api.temporal, api.settings.task_queue, opening, CatalogueNames())
    return opening.month


async def follow(api: Api, link: str, reader: str = "chief", **more: Any) -> httpx.Response:
    """Ask for a link, with further parameters."""
    path, _, query = link.partition("?")
    return await api.http.get(path, headers=api.key(reader), params=[*parse_qsl(query), *more.items()])


async def read(api: Api, month: str, by: str = "company", reader: str = "chen") -> Json:
    answer = await follow(api, f"/v1/assessments/{month}?by={by}", reader)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert AssessedMonth.model_validate(found).model_dump(mode="json") == found
    return found


async def in_status(api: Api, month: str, status: str, by: str = "company") -> Json:
    """The assessment once it has this status."""

    async def look() -> Json:
        answer = await follow(api, f"/v1/assessments/{month}?by={by}")
        return answer.json() if answer.is_success else {"status": None}

    return await until(look, lambda seen: seen["status"] == status)


async def published(api: Api, opened: Mapping[str, Any] | None = None, **changes: Any) -> str:
    month = await begun(api, opened, **changes)
    await in_status(api, month, "objections")
    return month


def item_of(found: Json, subject: str) -> Json:
    return next(item for item in found["items"] if item["subject"] == subject)


async def raised(api: Api, month: str, by: str = "li", **changes: Any) -> Json:
    answer = await api.post(f"/v1/assessments/{month}/objections", REPLY | changes, by)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    assert ObjectionItem.model_validate(found).model_dump(mode="json") == found
    return found


async def test_a_published_month_has_figures_with_the_cases_behind_them(on_both: Api) -> None:
    number = await on_both.case_in("pending_reply")
    month = await published(on_both)
    found = await read(on_both, month, "department")
    assert {"month": month, "status": "objections", "by": "department"}.items() <= found.items()
    repair = item_of(found, "repair")
    assert (repair["name"], repair["name_zh"]) == ("Emergency repair crew", "抢修队")
    signed = repair["figures"]["signed_in_time"]
    assert signed["value"] == rate(signed["numerator"], signed["denominator"])
    behind = await follow(on_both, signed["link"], "chen", limit=200)
    assert Page[CountedCaseItem].model_validate(behind.json()).model_dump(mode="json") == behind.json()
    listed = behind.json()["items"]
    assert len(listed) == signed["denominator"] + signed["excluded"]
    assert sum(item["counts"] for item in listed if not item["excluded"]) == signed["numerator"]
    assert number in {item["number"] for item in listed}


async def test_weights_of_figures_without_data_are_given_to_the_others(on_both: Api) -> None:
    await on_both.case_in("registered")
    month = await published(on_both)
    found = await read(on_both, month, "agent")
    figures = item_of(found, "chen")["figures"]
    weights = {each["figure"]: each["weight"] for each in found["standard"]["weights"]}
    out = {name for name in weights if figures[name]["left_out"] == "no_data"}
    assert {"quality", "training"} <= out
    assert {(figures[name]["value"], figures[name]["weight"], figures[name]["points"]) for name in out} == {
        (None, None, None)
    }
    left = {name: weight for name, weight in weights.items() if name not in out}
    assert "cases" in left
    whole = sum(left.values())
    assert {name: figures[name]["weight"] for name in left} == {
        name: pytest.approx(weight * 100 / whole, abs=0.005) for name, weight in left.items()
    }


@pytest.mark.slow
async def test_every_link_lists_as_many_cases_as_its_number_counts(on_sqlite: Api) -> None:
    await on_sqlite.case_in("pending_reply", service_code="leak")
    month = await published(on_sqlite)
    checked = 0
    for by in ("agent", "crew", "department", "service", "district", "company"):
        for item in (await read(on_sqlite, month, by))["items"]:
            for name, figure in item["figures"].items():
                if not (figure["link"] or "").startswith("/v1/assessments"):
                    continue
                listed = [line for page in await pages(on_sqlite, figure["link"]) for line in page]
                whole = figure["numerator"] if figure["denominator"] is None else figure["denominator"]
                if name in ("returned", "reworked", "reopened", "urged", "extended"):
                    whole = figure["numerator"]
                assert len([line for line in listed if not line["excluded"] or name == "cases"]) == whole, name
                checked += 1
    assert checked > 50


async def pages(api: Api, link: str, limit: int = 200) -> list[list[Json]]:
    found, place = [], dict[str, str]()
    while True:
        page = (await follow(api, link, "chen", limit=limit, **place)).json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        place = {"cursor": page["next_cursor"]}


async def test_a_month_is_inspected_before_it_is_published(on_both: Api) -> None:
    number, _ = [await on_both.case_in("registered") for _ in range(2)]
    month = await begun(on_both, sample_per_agent=200)

    async def look() -> Json:
        found: Json = (await on_both.get(f"/v1/assessments/{month}/inspections", "xu")).json()
        return found

    sample = await until(look, lambda seen: bool(seen.get("items")))
    assert Page[InspectionItem].model_validate(sample).model_dump(mode="json") == sample
    [mine] = [each for each in sample["items"] if each["complaint"] == number]
    assert (mine["agent"], mine["points"]) == ("chen", None)
    path = f"/v1/assessments/{month}/inspections"
    wrong = await on_both.post(path, {"complaint": number, "scores": {**FULL, "greeting": 21}}, "xu")
    assert "greeting: 0 to 20" in problem(wrong, 422, "wrong-form")["accepted"]
    refused = await on_both.post(path, {"complaint": number, "scores": FULL}, "chen")
    problem(refused, 403, "wrong-role")
    done = await on_both.post(path, {"complaint": number, "scores": FULL}, "xu")
    assert (done.status_code, done.json()["points"], done.json()["inspected_by"]) == (200, 100, "xu")
    again = await on_both.post(path, {"complaint": number, "scores": FULL}, "xu")
    problem(again, 409, "inspected-already")
    other = await on_both.post(path, {"complaint": "2608034711004", "scores": FULL}, "xu")
    problem(other, 422, "not-sampled")


async def test_the_sample_is_drawn_again_by_the_seed_of_the_answer(on_both: Api) -> None:
    for _ in range(3):
        await on_both.case_in("registered")
    month = await begun(on_both, {"seed": "a1b2c3d4e5f60718"}, sample_per_agent=2)
    found = await until(lambda: read_or_none(on_both, month), lambda seen: bool(seen and seen["sampled"]))
    assert found
    assert found["seed"] == "a1b2c3d4e5f60718"
    link = f"/v1/assessments/{month}/cases?by=agent&subject=chen&figure=cases"
    cases = [(line["number"], "chen") for page in await pages(on_both, link) for line in page]
    sample = (await on_both.get(f"/v1/assessments/{month}/inspections")).json()["items"]
    drawn = [each["complaint"] for each in sample if each["agent"] == "chen"]
    assert len(drawn) == 2
    assert drawn == [each.complaint for each in draw(found["seed"], 2, cases)]


async def test_an_objection_is_raised_listed_and_decided(on_both: Api) -> None:
    await on_both.case_in("registered")
    month = await published(on_both)
    objection = await raised(on_both, month)
    assert (objection["id"], objection["by"], objection["accepted"]) == (1, "agent", None)
    listed = (await on_both.get(f"/v1/assessments/{month}/objections", "chen")).json()
    assert Page[ObjectionItem].model_validate(listed).model_dump(mode="json") == listed
    assert listed["items"] == [objection]
    decided = await on_both.post(objection["links"]["decision"], {"accepted": True, "reason": "属实"}, "gao")
    assert (decided.status_code, decided.json()["accepted"], decided.json()["decided_by"]) == (200, True, "gao")
    later = await on_both.post(objection["links"]["decision"], {"accepted": False, "reason": "不属实"}, "xu")
    problem(later, 409, "objection-decided")

    async def look() -> Json:
        return item_of(await read(on_both, month, "agent"), "chen")

    item = await until(look, lambda seen: seen["figures"]["cases"]["left_out"] == "objection")
    assert item["figures"]["cases"]["weight"] is None


async def test_an_accepted_objection_to_a_case_leaves_it_out_of_the_figure(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("pending_reply")
    month = await published(on_sqlite)
    before = item_of(await read(on_sqlite, month, "department"), "repair")["figures"]["signed_in_time"]
    objection = await raised(
        on_sqlite, month, "wu", subject="repair", figure="signed_in_time", complaint=number, evidence="录音 17"
    )
    assert objection["evidence"] == "录音 17"
    assert (await on_sqlite.get(f"/v1/assessments/{month}/objections")).json()["items"] == [objection]
    await on_sqlite.post(objection["links"]["decision"], {"accepted": True, "reason": "属实"}, "gao")

    async def look() -> Json:
        figure: Json = item_of(await read(on_sqlite, month, "department"), "repair")["figures"]["signed_in_time"]
        return figure

    after = await until(look, lambda seen: seen["excluded"] == before["excluded"] + 1)
    assert after["denominator"] == before["denominator"] - 1
    listed = [line for page in await pages(on_sqlite, after["link"]) for line in page]
    assert [line["excluded"] for line in listed if line["number"] == number] == ["objection"]


async def test_an_objection_to_what_the_month_does_not_have_is_refused(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    path = f"/v1/assessments/{month}/objections"
    nobody = await on_sqlite.post(path, REPLY | {"subject": "nobody"}, "chen")
    problem(nobody, 422, "unknown-subject")
    unknown = await on_sqlite.post(path, REPLY | {"figure": "kindness"}, "chen")
    assert "cases" in problem(unknown, 422, "unknown-figure")["accepted"]
    other = await on_sqlite.post(path, REPLY | {"figure": "thanks", "complaint": number}, "chen")
    problem(other, 422, "case-not-counted")
    not_counted = await on_sqlite.post(path, REPLY | {"complaint": "2608034711004"}, "chen")
    problem(not_counted, 422, "case-not-counted")


async def test_an_objection_with_the_same_key_is_raised_once(on_sqlite: Api) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    path = f"/v1/assessments/{month}/objections"
    first = await on_sqlite.post(path, REPLY, "chen", key="one")
    again = await on_sqlite.post(path, REPLY, "chen", key="one")
    assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
    other = await on_sqlite.post(path, REPLY | {"reason": "另一个理由"}, "chen", key="one")
    problem(other, 422, "idempotency-key-reused")
    same = await on_sqlite.post(path, REPLY, "chen", key="two")
    problem(same, 409, "objected-already")


async def test_who_has_a_part_in_the_case_does_not_decide(on_both: Api) -> None:
    number = await on_both.case_in("dispatched")
    for action, body in (("hand_over", {"owner": "xu"}), ("urge", {"note": "仍无水"})):
        assert (await on_both.act(number, action, body, "xu")).is_success
    month = await published(on_both)
    reply = {"subject": "company", "figure": "urged", "complaint": number, "reason": "试拨电话，不应计入"}
    objection = (await on_both.post(f"/v1/assessments/{month}/objections", reply, "chen")).json()
    decision = {"accepted": True, "reason": "属实"}
    own = problem(await on_both.post(objection["links"]["decision"], decision, "xu"), 403, "own-objection")
    assert number in own["detail"]
    assert (await on_both.post(objection["links"]["decision"], decision, "gao")).status_code == 200


async def test_the_author_does_not_decide(on_sqlite: Api) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    objection = await raised(on_sqlite, month, "xu")
    own = await on_sqlite.post(objection["links"]["decision"], {"accepted": True, "reason": "属实"}, "xu")
    problem(own, 403, "own-objection")
    missing = await on_sqlite.post(
        f"/v1/assessments/{month}/objections/7/decision", {"accepted": True, "reason": "属实"}, "gao"
    )
    problem(missing, 422, "no-such-objection")


async def test_an_objection_to_a_draft_is_refused(on_sqlite: Api) -> None:
    await on_sqlite.case_in("registered")
    month = await begun(on_sqlite, sample_per_agent=200)
    await until(lambda: read_or_none(on_sqlite, month), lambda seen: bool(seen and seen["sampled"]))
    refused = await on_sqlite.post(f"/v1/assessments/{month}/objections", REPLY, "chen")
    assert problem(refused, 409, "out-of-turn")["state"] == "draft"


async def read_or_none(api: Api, month: str) -> Json | None:
    answer = await api.get(f"/v1/assessments/{month}")
    return answer.json() if answer.is_success else None


async def test_an_objection_after_its_time_is_refused(server: WorkflowEnvironment, on_sqlite: Api) -> None:
    """One that is undecided keeps the month from being final."""
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    await raised(on_sqlite, month)
    await all_time_passes(server, on_sqlite, month)
    late = REPLY | {"figure": "thanks"}
    refused = problem(
        await on_sqlite.post(f"/v1/assessments/{month}/objections", late, "li"), 409, "objection-too-late"
    )
    assert refused["detail"].startswith(f"The time for objections to {month} ended at ")


async def test_an_objection_to_a_final_month_is_refused(server: WorkflowEnvironment, on_sqlite: Api) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    await finished(server, on_sqlite, month)
    refused = await on_sqlite.post(f"/v1/assessments/{month}/objections", REPLY, "li")
    found = problem(refused, 409, "out-of-turn")
    assert found["detail"] == f"The assessment of {month} is final; object is not possible any more."
    assert found["accepted"] == []


@pytest.mark.parametrize(("committed", "status"), [(True, 201), (False, 202)])
async def test_an_objection_that_sql_does_not_take_in_time_is_answered_202(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch, committed: bool, status: int
) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    monkeypatch.setattr(on_sqlite.app.state.backend.projection.projection, "run", AsyncMock(return_value=committed))
    answer = await on_sqlite.post(f"/v1/assessments/{month}/objections", REPLY, "li")
    assert (answer.status_code, answer.json()["reason"]) == (status, REPLY["reason"])


async def test_an_objection_to_a_reset_month_is_answered_with_its_repair(
    on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    other_events = AsyncMock(side_effect=DivergedError)
    monkeypatch.setattr(on_sqlite.app.state.backend.projection.projection, "run", other_events)
    refused = await on_sqlite.post(f"/v1/assessments/{month}/objections", REPLY, "li")
    assert f"`hotline assessment begin {month}`" in problem(refused, 409, "behind-sql")["detail"]


async def all_time_passes(server: WorkflowEnvironment, api: Api, month: str) -> None:
    """Skip the time for objections, and that for decisions."""
    await server.fast_forward(api.temporal.get_workflow_handle(assessment_id(month)), timedelta(days=16))


async def finished(server: WorkflowEnvironment, api: Api, month: str) -> None:
    """Bring a published month without objections to its end, and that of its workflow."""
    await all_time_passes(server, api, month)
    await api.temporal.get_workflow_handle(assessment_id(month)).result()
    assert (await read(api, month))["status"] == "final"


async def test_a_month_that_has_lost_its_workflow_says_how_to_bring_it_back(on_sqlite: Api) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    await lost.terminate(on_sqlite.temporal, assessment_id(month))
    refused = await on_sqlite.post(f"/v1/assessments/{month}/objections", REPLY, "li")
    assert f"`hotline assessment begin {month}`" in problem(refused, 409, "workflow-lost")["detail"]
    assert (await read(on_sqlite, month))["status"] == "objections"


@pytest.mark.parametrize(
    ("month", "said"),
    [("2099-12", "is not over"), ("2000-01", "is before the first case"), ("2026-13", None), ("26-1", None)],
)
async def test_a_month_without_an_assessment_says_why(on_sqlite: Api, month: str, said: str | None) -> None:
    await on_sqlite.case_in("registered")
    answer = await on_sqlite.get(f"/v1/assessments/{quote(month)}", "chen")
    if said is None:
        problem(answer, 422, "invalid-request")
    else:
        assert said in problem(answer, 404, "assessment-not-found")["detail"]


async def test_months_are_listed_the_latest_first(on_sqlite: Api) -> None:
    await on_sqlite.case_in("registered")
    month = await published(on_sqlite)
    listed = (await on_sqlite.get("/v1/assessments", "chen")).json()
    assert Page[MonthSummary].model_validate(listed).model_dump(mode="json") == listed
    found = [each["month"] for each in listed["items"]]
    assert month in found
    assert found == sorted(found, reverse=True)
