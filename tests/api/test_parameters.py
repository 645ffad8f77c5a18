"""A query parameter that is given twice is a set of values, or refused; the last value never wins in silence."""

from typing import Any

import pytest

from tests.api.test_reading import numbers, owner, registered
from tests.support.api import Api, Json, problem
from tests.support.openapi import parameters_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

VALUES: Json = {"month": "2026-08", "limit": 5, "overdue": "true", "state": "closed", "department": "repair"}
"""Good ones; of other parameters any text is."""


def with_parameters(api: Api) -> list[tuple[str, list[Json]]]:
    """Every address that takes query parameters, with these."""
    found, document = [], api.app.openapi()
    for path, operations in document["paths"].items():
        taken = parameters_of(document, operations.get("get", {}), "query")
        if taken:
            found.append((path.replace("{number}", "i26080347119" if "incidents" in path else "2001010000001"), taken))
    return found


@pytest.mark.slow
async def test_every_parameter_is_given_once_or_is_a_list(on_sqlite: Api) -> None:
    operations = with_parameters(on_sqlite)
    assert {parameter["name"] for _, taken in operations for parameter in taken} >= {*VALUES, "cursor", "q", "thanked"}
    for path, taken in operations:
        for name in [each["name"] for each in taken if each["schema"].get("type") != "array"] + ["unheard_of"]:
            value = VALUES.get(name, "west")
            twice: Json = {name: [value, value]}
            answer = await on_sqlite.http.get(path, headers=on_sqlite.key("chief"), params=twice)
            (fault,) = problem(answer, 422, "invalid-request")["errors"]
            assert fault == {"field": f"query.{name}", "message": "Given 2 times; accepted: once"}, path


async def test_states_of_a_list_are_a_set(on_sqlite: Api) -> None:
    mine = owner()
    waiting, sent, refused = await registered(on_sqlite, mine, 3)
    await on_sqlite.act(sent, "dispatch", {"department": "repair"})
    await on_sqlite.act(refused, "refuse", {"reason": "不归我们管"})
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({"state": ["registered", "refused"]}, [refused, waiting]),
        ({"state": ["refused", "dispatched", "registered", "dispatched"]}, [refused, sent, waiting]),
        ({"state": ["registered", "refused"], "q": refused}, [refused]),
        ({"state": ["registered", "dispatched"], "department": "repair"}, [sent]),
        ({"state": ["closed", "withdrawn"]}, []),
    ]
    for limit in (1, 2, 50):
        found = [(params, await numbers(on_sqlite, owner=mine, limit=limit, **params)) for params, _ in wanted]
        assert found == wanted


@pytest.mark.parametrize("path", ["/v1/complaints", "/v1/incidents", "/v1/parts"])
async def test_one_wrong_state_of_several_is_refused(on_sqlite: Api, path: str) -> None:
    (fault,) = problem(await on_sqlite.get(path, state=["dispatched", "lost"]), 422, "invalid-request")["errors"]
    assert fault["field"] == "query.state"
    assert "'in_progress'" in fault["message"]
