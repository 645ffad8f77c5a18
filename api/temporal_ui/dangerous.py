"""Dangerous requests (危险操作) of the Temporal UI: those that end or disturb workflows, past the rules of the service.

All are refused, but for an administrator who has confirmed the very request. The refusal leaves the request in a sealed
cookie; the page `/temporal-grant` says what it does, and asks for a reason. For five minutes the same request of the
same session passes then, in every API process and as often as it is sent. The log says each time what is done to what.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from activities.names import complaint_id
from api.complaints.cases import Cases
from api.edge.browsers import CookieContent, SealedCookie, form_of, page, require_same_origin
from api.edge.problems import ProblemError, declare
from api.routing import json_of
from api.sign_in.sessions import Session
from api.temporal_ui.rules import Match, shown
from domain.shared.actors import Role
from domain.shared.value import NORMALISED, within
from readmodel.cases.queries import get_case

log = logging.getLogger("hotline.api")

DANGEROUS = declare("dangerous-request", HTTPStatus.FORBIDDEN, "Dangerous request of the Temporal UI")
GRANT: Final = "/temporal-grant"
CONFIRMATION_TIME: Final = timedelta(minutes=5)
"""Time in which a request is confirmed, and then passes."""
LONGEST_SUBJECT = 200
"""Characters of a subject that the cookie has room for."""
DISABLING: Final = (
    "WorkflowTerminateDisabled",
    "WorkflowCancelDisabled",
    "WorkflowSignalDisabled",
    "WorkflowResetDisabled",
    "WorkflowPauseDisabled",
    "BatchActionsDisabled",
    "StartWorkflowDisabled",
    "ActivityCommandsDisabled",
)
"""Settings of the UI that disable a button each."""
_OPERATIONS = ("terminationOperation", "cancellationOperation", "resetOperation")
WITH_REASON: Final = frozenset({"terminate", "cancel", "reset", "pause", "unpause", *_OPERATIONS, "stop_batch"})
"""Requests whose body has a reason, which Temporal keeps."""
_OF_EACH_CLICK = ("requestId", "reason", "identity")
_OF_A_BATCH = frozenset({"jobId", "namespace", "reason", "executions", "visibilityQuery"})
"""Names that the UI sends beside one operation. Temporal reads others too, as `visibility_query`."""
_OF_AN_OPERATION = frozenset({"identity", "options", "resetType"})
_OF_A_RESET = frozenset(
    {"workflowExecution", "workflowTaskFinishEventId", "resetReapplyType", "resetReapplyExcludeTypes", *_OF_EACH_CLICK}
)
"""Names that the UI sends of a reset. Temporal reads others that the page does not show, as `postResetOperations`."""
_REASON = TypeAdapter[str](Annotated[str, within(500, 3), NORMALISED])
_AS_SENT = (
    "The body of this request is no JSON object as the Temporal UI sends it. A batch has one of"
    f" {', '.join(_OPERATIONS)}, and either executions or visibilityQuery; a command to an activity has"
    " execution.workflowId; a reset has no postResetOperations. 请求内容不是 Temporal UI 发送的格式。"
)
_INSTEAD = (
    "A case is ended by its action `withdraw`, an incident by `dismiss` or `resolve`; an operator compares with"
    " `hotline verify`, and brings workflows back with `hotline rebuild workflows`."
    " 工单请用「撤销」、突发事件请用「排除」或「解决」办结；核对用 hotline verify，恢复用 hotline rebuild workflows。"
)
_FOR_ADMINISTRATORS = f"This is for administrators, with a key for all. {_INSTEAD}"


class Confirmation(CookieContent):
    """Dangerous request of a session until `ends_at`: it waits to be confirmed, or is, for a reason.

    `digest` stands for method, address and body, and `subject` is the id that these name. Of a batch, `does` is its
    operation, `subject` its query or ids, and `count` the number of its workflows; None if Temporal did not tell it.
    """

    session: Session
    digest: str
    does: str
    subject: str
    count: int | None
    reason: str = ""


def flags(settings: Mapping[str, Any], session: Session) -> dict[str, Any]:
    """Disable the buttons of the UI that the person cannot use."""
    reads = {"DisableWriteActions": True} if session.scope == "read" else {}
    return {**settings, **dict.fromkeys(DISABLING, not may_confirm(session)), **reads}


def may_confirm(session: Session) -> bool:
    return session.actor.role is Role.ADMIN and session.scope == "all"


class DangerousRequests:
    """Refusal of dangerous requests, until they are confirmed."""

    def __init__(self, cases: Cases, cookie: SealedCookie[Confirmation]) -> None:
        self._cases = cases
        self._cookie = cookie

    async def confirm(self, request: Request, session: Session, match: Match) -> Response | tuple[bytes, bytes]:
        """Query and body to pass on once confirmed, else the refusal. Raises ProblemError for a name given twice."""
        if not may_confirm(session):
            return shown(ProblemError(DANGEROUS, _FOR_ADMINISTRATORS))
        try:
            body = json_of(await request.body() or b"{}")
            digest = _digest(request, body)
            does, subject = _read(match, body)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return shown(ProblemError(DANGEROUS, _AS_SENT))
        given = self.confirmation(request, session)
        if given and given.reason and given.digest == digest:
            what = f"{request.method} {request.scope['raw_path'].decode()} by {session.actor.id}: {does} {subject}"
            log.warning("%s, count %s: %s", what, given.count, given.reason)
            return _in_the_name_of(given, request, body)
        here = f"{request.url.netloc}{GRANT}"
        detail = (
            f"Confirm this first: open {here} in this browser, give a reason, then press the button again."
            f" 请先在本浏览器打开 {here}，填写理由并确认，再点一次按钮。{_INSTEAD}"
        )
        refusal = shown(ProblemError(DANGEROUS, detail))
        count = None
        with suppress(ProblemError):  # Temporal may not tell how many workflows a query finds
            listed = body.get("executions") if does in _OPERATIONS else [subject]
            count = len(listed) if listed else await self._cases.client.count(body["visibilityQuery"])
        self._cookie.set(
            refusal,
            Confirmation(
                session=session,
                digest=digest,
                does=does,
                subject=subject if len(subject) <= LONGEST_SUBJECT else f"{subject[:LONGEST_SUBJECT]}…",
                count=count,
                ends_at=self._cases.clock() + CONFIRMATION_TIME,
            ),
        )
        return refusal

    def confirmation(self, request: Request, session: Session) -> Confirmation | None:
        """None if the browser keeps nothing of this session."""
        return self._open(self._cookie.text(request), session)

    def _open(self, sealed: str, session: Session) -> Confirmation | None:
        found = self._cookie.open(sealed)
        return found if found and found.session == session else None

    async def show(self, request: Request, session: Session) -> Response:
        """Show the request that waits, and confirm by POST what the page has shown. Raises ProblemError."""
        require_same_origin(request, secure=self._cookie.secure)
        if not may_confirm(session):
            raise ProblemError(DANGEROUS, _FOR_ADMINISTRATORS)
        form = await form_of(request)
        sealed = form.get("request", "") if request.method == "POST" else self._cookie.text(request)
        asked, wrong = self._open(sealed, session), False
        if asked and request.method == "POST":
            try:
                reason = _REASON.validate_python(form.get("reason", ""))
                asked = asked.model_copy(update={"reason": reason, "ends_at": self._cases.clock() + CONFIRMATION_TIME})
            except ValidationError:
                wrong = True
        case = None
        if asked:
            with suppress(ProblemError):  # SQL may be down
                case = await self._cases.reader.ask(get_case, asked.subject.removeprefix(complaint_id("")))
        status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
        answer = page("grant.html", status, asked=asked, case=case, sealed=sealed, wrong=wrong)
        if asked and asked.reason:
            self._cookie.set(answer, asked)
        return answer


def _digest(request: Request, body: Mapping[str, Any]) -> str:
    """Digest of method, address and body of a request, the same however often its button is pressed."""
    kept = {key: value for key, value in body.items() if key not in _OF_EACH_CLICK}
    content = json.dumps(kept, sort_keys=True, ensure_ascii=False)  # so that encoding refuses half a character
    address = [request.scope[part].decode("latin-1") for part in ("raw_path", "query_string")]
    return hashlib.sha256("\0".join([request.method, *address, content]).encode()).hexdigest()


def _read(match: Match, body: Mapping[str, Any]) -> tuple[str, str]:
    """Read what a request does, and to what, on one line. Raises an error if it could be read otherwise."""
    does, listed, query = match.rule.does, [], ""
    if does == "batch":
        [does] = body.keys() - _OF_A_BATCH
        listed, query = body.get("executions", []), body.get("visibilityQuery", "")
        if does not in _OPERATIONS or body[does].keys() - _OF_AN_OPERATION or bool(listed) == bool(query):
            raise ValueError(does)
    elif does == "reset" and body.keys() - _OF_A_RESET:
        raise ValueError(does)
    elif does.startswith("activity"):
        listed = [body["execution"]]
    ids = " ".join(each["workflowId"] for each in listed)
    return does, repr(ids + query or [*match.ids.values(), ""][1])[1:-1]


def _in_the_name_of(given: Confirmation, request: Request, body: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Query and body with the person as `identity` wherever Temporal reads one, and the reason."""
    person, reason = given.session.actor.id, given.reason
    identity: dict[str, Any] = {"identity": person}
    if request.method == "DELETE":
        return urlencode(identity).encode(), b""
    if given.does in _OPERATIONS:
        identity = {given.does: {**body[given.does], **identity}}
        reason = f"{person}: {reason}"  # in the histories, the server names itself
    kept = {"reason": reason} if given.does in WITH_REASON else {}
    return request.scope["query_string"], json.dumps({**body, **identity, **kept}).encode()
