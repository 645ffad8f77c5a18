"""Exclusions over HTTP: asked for on a ground of the catalogue, decided by another person, visible in the figures."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.names import assessment_id
from api.assessments.answers import ExclusionItem
from api.responses import Page
from domain.shared.numbers import number_of
from readmodel.assessments import exclusions
from readmodel.assessments.exclusions import period_of
from tests.api.test_assessments import finished, item_of, pages, published, read
from tests.support.api import Api, Json, problem
from tests.support.batches import call, project
from tests.support.batches import published as batches_of
from tests.support.build import days
from tests.support.hotline import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
BODY = {"ground": "beyond_duty", "reason": "管道属邻居所有"}


async def asked(api: Api, number: str, by: str = "chen", **changes: Any) -> Json:
    answer = await api.post(f"/v1/complaints/{number}/exclusions", BODY | changes, by)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    assert ExclusionItem.model_validate(found).model_dump(mode="json") == found
    return found


async def decided(api: Api, exclusion: Json, *, approved: bool = True, by: str = "xu") -> Json:
    answer = await api.post(exclusion["links"]["decision"], {"approved": approved, "reason": "已核实"}, by)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


@pytest.mark.slow
async def test_an_excluded_case_is_left_out_and_marked(on_both: Api) -> None:
    number = await on_both.case_in("pending_reply")
    month = await published(on_both)
    before = item_of(await read(on_both, month), "company")["figures"]["signed_in_time"]
    exclusion = await asked(on_both, number)
    waiting = (await on_both.get("/v1/exclusions", "xu", limit=200)).json()
    assert Page[ExclusionItem].model_validate(waiting).model_dump(mode="json") == waiting
    assert exclusion in waiting["items"]
    done = await decided(on_both, exclusion)
    assert (done["approved"], done["decided_by"]) == (True, "xu")
    assert await decided(on_both, exclusion) == done

    async def look() -> Json:
        figure: Json = item_of(await read(on_both, month), "company")["figures"]["signed_in_time"]
        return figure

    after = await until(look, lambda seen: seen["excluded"] == before["excluded"] + 1)
    assert after["denominator"] == before["denominator"] - 1
    listed = [line for page in await pages(on_both, after["link"]) for line in page]
    assert [line["excluded"] for line in listed if line["number"] == number] == ["beyond_duty"]
    of_case = (await on_both.get(f"/v1/complaints/{number}/exclusions", "chen")).json()
    assert of_case["items"] == [done]


async def test_a_ground_must_be_of_the_catalogue_and_may_need_evidence(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    path = f"/v1/complaints/{number}/exclusions"
    unknown = await on_sqlite.post(path, BODY | {"ground": "bad_luck"}, "chen")
    assert "force_majeure" in problem(unknown, 422, "unknown-exclusion-ground")["accepted"]
    bare = await on_sqlite.post(path, BODY | {"ground": "force_majeure"}, "chen")
    problem(bare, 422, "evidence-needed")
    exclusion = await asked(on_sqlite, number, ground="force_majeure", evidence="气象局预警 17 号")
    done = await decided(on_sqlite, exclusion)
    assert (exclusion["evidence"], done["evidence"]) == ("气象局预警 17 号", "气象局预警 17 号")


async def test_a_rejected_exclusion_computes_nothing_anew(on_both: Api) -> None:
    """As an approved one does: both decisions are answered once the workflow has been told."""
    number = await on_both.case_in("registered")
    month = await published(on_both)
    before = await read(on_both, month)
    await decided(on_both, await asked(on_both, number), approved=False)
    assert await signals(on_both, month) == []
    assert await read(on_both, month) == before
    await decided(on_both, await asked(on_both, number), approved=True)
    assert await signals(on_both, month) == ["recompute"]


async def signals(api: Api, month: str) -> list[str]:
    """The signals that the workflow of a month was sent."""
    history = await api.temporal.get_workflow_handle(assessment_id(month)).fetch_history()
    sent = [event.workflow_execution_signaled_event_attributes.signal_name for event in history.events]
    return [name for name in sent if name]


async def test_who_asks_does_not_decide_and_a_decision_stands(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    exclusion = await asked(on_sqlite, number, "xu")
    path, body = exclusion["links"]["decision"], {"approved": True, "reason": "已核实"}
    problem(await on_sqlite.post(path, body, "xu"), 403, "own-exclusion")
    problem(await on_sqlite.post(path, body, "gao"), 403, "wrong-role")
    await decided(on_sqlite, exclusion, approved=False, by="chief")
    on_sqlite.tokens["xu2"] = on_sqlite.tokens["xu"]
    problem(await on_sqlite.post(path, body, "xu"), 409, "exclusion-decided")
    other = await on_sqlite.case_in("registered")
    missing = path.replace(number, other)
    problem(await on_sqlite.post(missing, body, "chief"), 404, "exclusion-not-found")


async def test_a_case_of_final_months_is_not_excluded(
    server: WorkflowEnvironment, on_sqlite: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ended in April may be: that month is not final yet. Requests wait for their turn, and time goes on."""
    number, longer = (withdrawn(on_sqlite, after) for after in (days(1), days(30)))
    month = await published(on_sqlite, {"month": "2018-03"})
    exclusion = await asked(on_sqlite, number)
    ends_at = datetime.fromisoformat((await read(on_sqlite, month))["objections_end_at"])

    def after_a_wait(*given: Any) -> Any:
        on_sqlite.clock.fixed = ends_at
        return period_of(*given)

    with monkeypatch.context() as waiting:
        waiting.setattr(exclusions, "period_of", after_a_wait)
        settled = await on_sqlite.post(f"/v1/complaints/{number}/exclusions", BODY, "li")
    on_sqlite.clock.fixed = None
    assert month in problem(settled, 409, "assessment-final")["detail"]
    await finished(server, on_sqlite, month)
    late = await on_sqlite.post(f"/v1/complaints/{number}/exclusions", BODY, "li")
    assert month in problem(late, 409, "assessment-final")["detail"]
    undecided = await on_sqlite.post(exclusion["links"]["decision"], {"approved": True, "reason": "已核实"}, "xu")
    problem(undecided, 409, "assessment-final")
    await decided(on_sqlite, exclusion, approved=False)
    done = await decided(on_sqlite, await asked(on_sqlite, longer))
    assert done["approved"] is True


def withdrawn(api: Api, after: timedelta) -> str:
    """The number of a case of March 2018 that was withdrawn so long after the call."""
    called = datetime(2018, 3, 5, 1, tzinfo=UTC)
    start = call(at=called).model_copy(update={"number": number_of(called.date(), str(after))})
    project(api.settings.database_url, batches_of(start, ("withdraw",), after))
    return start.number


async def test_the_same_request_is_kept_once(on_sqlite: Api) -> None:
    number = await on_sqlite.case_in("registered")
    ask = partial(on_sqlite.post, f"/v1/complaints/{number}/exclusions", by="chen", key="once")
    first, again = await ask(BODY), await ask(BODY)
    assert (first.status_code, first.json()) == (200, again.json())
    problem(await ask(BODY | {"reason": "另一个理由"}), 422, "idempotency-key-reused")
