"""An incident whose workflow was reset: its actions are refused until SQL has brought it back."""

import pytest

from activities.names import incident_id
from hotline.recovery.rebuild_workflows import STARTED
from tests.api.test_write_faults import rebuilt
from tests.support import lost
from tests.support.api import Api, further_api, problem

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]


@pytest.mark.parametrize("remembers", [True, False])
async def test_an_action_on_a_reset_incident_is_answered_409_until_it_is_rebuilt(
    on_sqlite: Api, remembers: bool
) -> None:
    """An API process that remembers its version has it refused; SQL takes no other events from any."""
    scope = {"services": ["billing"], "districts": ["tanzhou"]}
    number = (await on_sqlite.post("/v1/incidents", {**scope, "title": "账单错误"}, "zhou")).json()["number"]
    inform, news = f"/v1/incidents/{number}/actions/inform", {"message": "正在核对"}
    assert (await on_sqlite.post(inform, news, "zhou")).status_code == 200
    timeline = (await on_sqlite.get(f"/v1/incidents/{number}/timeline")).json()["items"]
    await lost.reset(on_sqlite.temporal, incident_id(number))
    async with further_api(on_sqlite, on_sqlite.clock) as fresh:
        api = on_sqlite if remembers else fresh
        found = problem(await api.post(inform, news, "zhou"), 409, "behind-sql")
        assert f"hotline rebuild workflows{'' if remembers else f' --case {number}'}" in found["detail"]
        assert (await api.get(f"/v1/incidents/{number}/timeline")).json()["items"] == timeline
        assert await rebuilt(on_sqlite, number) == STARTED
        assert (await api.post(inform, news, "zhou")).json()["version"] == 3
