"""Dangerous requests as a browser of the Temporal UI sends them, and the page that confirms them."""

import json
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import Response

from api.sign_in.sessions import Session
from api.temporal_ui.dangerous import GRANT
from api.temporal_ui.rules import API, Match, rule_of
from readmodel.people.people import PeopleScope
from tests.support.api import Api

WORKFLOW = f"{API}/namespaces/default/workflows/complaint-{{}}"
BATCH = f"{API}/namespaces/default/batch-operations/job-1"
REASON = "误建的测试工单 A test case"
THREE = {
    "jobId": "job-1",
    "namespace": "default",
    "reason": "",
    "terminationOperation": {"identity": "somebody"},
    "executions": [{"workflowId": f"complaint-{n}", "runId": "r"} for n in range(3)],
}

OF_AN_ACTIVITY = {"execution": {"workflowId": "courier", "runId": "r"}, "id": "1"}
BY_QUERY = {"jobId": "job-1", "visibilityQuery": 'WorkflowId="x"', "terminationOperation": {}}
RESET = {
    "workflowExecution": {"workflowId": "complaint-2608034711004", "runId": "r"},
    "workflowTaskFinishEventId": "4",
    "requestId": "1",
    "reason": "",
    "resetReapplyExcludeTypes": [0],
    "resetReapplyType": 3,
}
"""Body that the UI sends to reset a workflow."""


class Browser:
    """Browser of somebody who has signed in, at one API process."""

    def __init__(self, api: Api, by: str = "chief", scope: PeopleScope = "all") -> None:
        self.api = api
        member, answer = api.backend.people.get(by), Response()
        assert member
        api.backend.sessions.begin(answer, member.actor, scope)
        self.cookies: dict[str, str] = {}
        self.take(answer.headers["set-cookie"])

    def take(self, header: str) -> None:
        """Keep a cookie."""
        self.cookies |= {name: each.value for name, each in SimpleCookie(header).items()}

    @property
    def session(self) -> Session | None:
        return self.api.backend.sessions.open(self.request("GET", "/"))

    def request(self, method: str, path: str, body: bytes = b"") -> Request:
        """The request as the server gets it."""
        parts = urlsplit(path)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {
            "type": "http",
            "method": method,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(b"cookie", cookies.encode()), (b"host", b"hotline.example")],
            "server": ("hotline.example", 80),
            "scheme": "http",
        }
        return Request(scope, receive)

    async def press(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> Response | tuple[bytes, bytes]:
        """Press the button that sends this; keep what the answer tells the browser to keep."""
        sent = json.dumps(body or {}).encode() if method == "POST" else b""
        assert self.session
        request = self.request(method, path, sent)
        answer = await self.api.backend.dangerous.confirm(request, self.session, matched(request))
        if isinstance(answer, Response) and "set-cookie" in answer.headers:
            self.take(answer.headers["set-cookie"])
        return answer

    async def page(self, reason: str | None = None, **headers: str) -> httpx.Response:
        """Open the page, and confirm with this reason, unless it is None."""
        async with httpx.AsyncClient(base_url=self.api.url, cookies=self.cookies, trust_env=False) as http:
            answer = await http.get(GRANT, headers={"Accept": "text/html"})
            if reason is not None:
                found = answer.text.partition('name="request" value="')[2].partition('"')[0]
                answer = await http.post(GRANT, data={"request": found, "reason": reason}, headers=headers)
        if "set-cookie" in answer.headers:
            self.take(answer.headers["set-cookie"])
        return answer


def matched(request: Request) -> Match:
    """Return the rule of a request that has one."""
    match = rule_of(request.method, request.scope["raw_path"])
    assert match
    return match


def refused(answer: Response | tuple[bytes, bytes]) -> str:
    """Return the sentence of a refusal, which the UI shows."""
    assert isinstance(answer, Response)
    body: dict[str, str] = json.loads(bytes(answer.body))
    assert (answer.status_code, body["type"]) == (403, "urn:hotline:problem:dangerous-request")
    assert body["message"] == body["detail"]
    return body["message"]


def granted(answer: Response | tuple[bytes, bytes]) -> Any:
    """Return the body that is passed on."""
    assert isinstance(answer, tuple)
    return json.loads(answer[1])
