"""Routes that the scripts of the Temporal UI know: each is in the proxy's table, or left out of it on purpose."""

import re
from urllib.parse import urljoin

import httpx
import pytest

from api.temporal_ui.rules import API, RULES

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

LEFT_OUT = {
    "/me",
    "/namespaces/{}/task-queues/{}/worker-build-id-compatibility",
    "/namespaces/{}/task-queues/{}/worker-versioning-rules",
    "/namespaces/{}/worker-task-reachability",
    "/nexus/endpoints",
    "/nexus/endpoints/{}",
    "/nexus/endpoints/{}/update",
    "/namespaces/{}/worker-deployments",
    "/namespaces/{}/worker-deployments/{}",
    "/namespaces/{}/worker-deployments/{}/set-current-version",
    "/namespaces/{}/worker-deployments/{}/set-ramping-version",
    "/namespaces/{}/worker-deployment-versions/{}",
    "/namespaces/{}/worker-deployment-versions/{}/{}",
    "/namespaces/{}/worker-deployment-versions/{}/{}/update-compute-config",
    "/namespaces/{}/worker-deployment-versions/{}/{}/validate-compute-config",
    "/namespaces/{}/activities",
    "/namespaces/{}/activity-count",
    "/namespaces/{}/activities/{}",
    *(f"/namespaces/{{}}/activities/{{}}/{act}" for act in ("cancel", "terminate", "pause", "unpause", "reset")),
    "/namespaces/{}/activities/{}/update-options",
    "/namespaces/{}/nexus-operations",
    "/namespaces/{}/nexus-operation-count",
    "/namespaces/{}/nexus-operations/{}",
    *(f"/namespaces/{{}}/nexus-operations/{{}}/{act}" for act in ("poll", "cancel", "terminate")),
}
"""The UI's own sign-in, versions of workers, Nexus, activities without a workflow: the service has none of them."""
_NAMED = re.compile(r"""["'](?:/temporal)?((?:\.{0,2}/)[\w/.-]+\.js)["']""")


async def scripts(temporal_ui: str) -> list[str]:
    """Return the page of the UI, and the scripts that it and they name."""
    texts = dict[str, str]()
    async with httpx.AsyncClient(base_url=f"{temporal_ui}/temporal") as http:
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            texts[path] = (await http.get(path)).text
            named = {urljoin(path, name) for name in _NAMED.findall(texts[path])}
            waiting += named - texts.keys() - {*waiting}
    return [*texts.values()]


@pytest.mark.usefixtures("server")
async def test_every_route_of_the_uis_scripts_is_decided_on(temporal_ui: str) -> None:
    tables = [text for text in await scripts(temporal_ui) if 'systemInfo:"/system-info"' in text]
    assert len(tables) == 1
    start = tables[0].index('systemInfo:"/system-info"')
    listed = tables[0][start : tables[0].index("};", start)]
    routes = {re.sub(r"\$\{[^}]*\}", "{}", route) for route in re.findall(r'["`](/[^"`]*)["`]', listed)}
    ours = {re.sub(r"\{[^}]*\}", "{}", rule.path.removeprefix(API)) for rule in RULES if rule.path.startswith(API)}
    assert len(routes) > len(LEFT_OUT)
    assert routes - ours == LEFT_OUT
    assert ours - routes == {"/namespaces/{}/batch-operations/{}/stop"}
