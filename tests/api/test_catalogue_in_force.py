"""A running API takes calls by the catalogue that was put in force last."""

from datetime import UTC, datetime

import pytest

from activities.names import complaint_id
from api.health import readiness
from domain.case.automatic.internal_updates import NewTerms
from domain.catalogue.catalogue import Catalogue
from hotline.files.catalogue import load_catalogue
from hotline.files.catalogue_store import CatalogueStore, edition_of
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.api import CALL, Api
from tests.support.hotline import until
from workflows.complaint.workflow import ComplaintWorkflow

pytestmark = pytest.mark.asyncio(loop_scope="session")


def doubled(catalogue: Catalogue) -> Catalogue:
    """Twice as much time for everything."""
    return catalogue.model_copy(update={"time_scale": 0.5, "name": "Doubled"})


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness is looked at with each request."""
    monkeypatch.setattr(readiness, "FRESH_SECONDS", 0)


async def test_what_is_put_in_force_moves_new_cases_without_a_restart(on_sqlite: Api, store: CatalogueStore) -> None:
    catalogue = doubled(load_catalogue(DEFAULT_CATALOGUE))
    before = (await on_sqlite.get("/v1/services")).json()["items"][0]["clocks"][0]["budget_seconds"]
    store.put(catalogue, DEFAULT_CATALOGUE, datetime.now(UTC), by="chief")
    services = (await on_sqlite.get("/v1/services")).json()
    assert services["items"][0]["clocks"][0]["budget_seconds"] == 2 * before
    case = (await on_sqlite.register()).json()
    assert next(clock["budget_seconds"] for clock in case["clocks"] if clock["name"] == "resolve") == 172_800
    ready = (await on_sqlite.http.get("/readyz")).json()["catalogue"]
    assert ready == {"ok": True, "detail": f"Doubled ({edition_of(catalogue).digest}) is in force", "remedy": None}


async def test_a_broken_record_is_told_and_calls_are_taken_as_before(on_sqlite: Api, store: CatalogueStore) -> None:
    record = on_sqlite.settings.catalogues_dir / "in_force.json"
    kept = record.read_bytes()
    record.write_text("nothing")
    try:
        assert (await on_sqlite.register()).status_code == 201
        ready = (await on_sqlite.http.get("/readyz")).json()
        assert ready["status"] == "degraded"
        assert "an earlier catalogue stays in force" in ready["catalogue"]["detail"]
        assert "hotline catalogue apply" in ready["catalogue"]["remedy"]
    finally:
        record.write_bytes(kept)
    assert store.entries()


async def test_a_priority_given_at_intake_outlives_another_catalogue(on_sqlite: Api, store: CatalogueStore) -> None:
    catalogue = doubled(load_catalogue(DEFAULT_CATALOGUE))
    given, usual = [(await on_sqlite.register({**CALL, **more})).json()["number"] for more in ({"priority": "P1"}, {})]
    at = datetime.now(UTC)
    terms = catalogue.terms("no_water", "west", at).model_copy(update={"priority": "P3"})
    for number in (given, usual):
        handle = on_sqlite.temporal.get_workflow_handle(complaint_id(number))
        await handle.execute_update(
            ComplaintWorkflow.catalogue_change, NewTerms(terms=terms, edition=edition_of(catalogue))
        )
        await handle.signal(ComplaintWorkflow.publish)

    async def priorities() -> list[str]:
        return [(await on_sqlite.complaint(number))["priority"] for number in (given, usual)]

    assert await until(priorities, lambda seen: seen[1] == "P3") == ["P1", "P3"]
    timeline = (await on_sqlite.get(f"/v1/complaints/{usual}/timeline")).json()["items"]
    assert timeline[-1]["action"] == "catalogue_change"
    assert "terms" not in timeline[-1]["data"]
    assert {moved["clock"] for moved in timeline[-1]["data"]["moved"]} >= {"resolve", "reply"}
    assert store.entries()
