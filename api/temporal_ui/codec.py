"""Codec endpoint of the Temporal UI: it opens what Temporal stores sealed, for the person who has signed in.

The UI sends the payloads of its pages here. Each names its workflow, which the person has to be allowed to read. The
content is read with the model of the message, and masked as the API masks it. `/encode` seals nothing: the door reads
updates in clear, and an endpoint that seals would make whatever a page sends the service's own.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.responses import Response
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.sdk.v1 import EnhancedStackTrace, WorkflowMetadata
from temporalio.converter import ActivitySerializationContext

from activities.assessment import Assessments
from activities.bulk import BulkUpdates
from activities.envelope import FOREIGN, SEALED, Context, context_named, key_of
from activities.incident import Incidents
from activities.incident_teller import IncidentTeller
from activities.projection import Projection
from activities.report import Reports
from activities.stamps import ACTIVITY, COMMAND, RESULT, START, message_of
from api.backend import Backend
from api.problems import BAD_REQUEST, ProblemError
from api.render import JSON, reads_one_department
from api.temporal_ui.acting import TYPES
from api.temporal_ui.reading import case_read
from api.temporal_ui.rules import CODEC
from domain.case.automatic.settle import Settled
from domain.case.batch import Returned
from domain.case.handover import HandoverProgress
from domain.case.lifecycle import ENDED
from domain.case.views import CaseView, Outcome
from domain.rights.masking import Mask, masked, masks_for
from domain.shared.actors import Actor, Role
from workflows.assessment import AssessmentWorkflow
from workflows.bulk import CatalogueRolloutWorkflow, HandoverWorkflow, RolloutProgress
from workflows.clients.start import Request
from workflows.complaint import ComplaintWorkflow
from workflows.incident import IncidentWorkflow
from workflows.messages import AssessmentOutcome, IncidentOutcome
from workflows.report import ReportWorkflow

SETTINGS: Final = {"Endpoint": CODEC, "PassAccessToken": False, "IncludeCredentials": True}
"""Of the UI: where it has payloads opened, and that cookies go with them."""
LARGER_BODIES: Final[Mapping[str, int]] = {f"{CODEC}/decode": 3_145_728}
"""Bytes of the largest body: a payload has 2 MB at most, and base64 a third more."""
_WORKFLOWS = (
    AssessmentWorkflow,
    CatalogueRolloutWorkflow,
    ComplaintWorkflow,
    HandoverWorkflow,
    IncidentWorkflow,
    ReportWorkflow,
)
_ACTIVITIES = (Assessments, BulkUpdates, Incidents, IncidentTeller, Projection, Reports)
_ANSWERS = (
    Outcome,
    CaseView,
    Settled,
    Returned,
    IncidentOutcome,
    AssessmentOutcome,
    HandoverProgress,
    RolloutProgress,
    Request,
    dict[str, int],
)
"""Models of what has no stamp: answers of workflows, and the memo. The first that fits counts."""
_FOR_THE_UI = frozenset(kind.DESCRIPTOR.full_name.encode() for kind in (WorkflowMetadata, EnhancedStackTrace))
_DIGEST, _DUPLICATES = "digest", "possible_duplicates"
_NO_MODEL = "已封存，仅管理员可查阅。Sealed: administrators alone read this."
_NOT_OURS = "不是本系统封存的内容。The service has not sealed this for this workflow."
_UNKNOWN_KEY = "已封存，本系统没有密钥 {0}。Sealed with key {0}, which this service does not have."


async def answer_codec(backend: Backend, actor: Actor, does: str, body: bytes) -> Response:
    """Return payloads as this person may read them, or as they were sent if `does` is not `decode`.

    In place of one that the person may not read stands a text that says why. Raises ProblemError.
    """
    try:
        payloads = Parse(body, Payloads(), ignore_unknown_fields=True)
    except (ParseError, ValueError, RecursionError):
        detail = 'Send {"payloads": [{"metadata": {NAME: BASE64}, "data": BASE64}]}, as the Temporal UI does.'
        raise ProblemError(BAD_REQUEST, detail) from None
    if does == "decode":
        reader = _Reader(backend, actor)
        payloads = Payloads(payloads=[await reader.open(payload) for payload in payloads.payloads])
    return Response(MessageToJson(payloads, indent=None), media_type=JSON)


class _Reader:
    """Person who reads the payloads of one request."""

    def __init__(self, backend: Backend, actor: Actor) -> None:
        self._backend = backend
        self._actor = actor
        self._masks = dict[str, Mapping[str, Mask]]()

    async def open(self, payload: Payload) -> Payload:
        """Return a sealed payload as this person may read it, or a text that says why not; any other as it is.

        Raises ProblemError if it cannot be told whether the person may read it.
        """
        if payload.metadata.get("encoding") != SEALED:
            return payload
        context = context_named(payload, self._backend.complaints.namespace)
        if context is None:
            return _text(_NOT_OURS)
        content = self._backend.complaints.envelope.with_context(context).open(payload)
        if key := key_of(content):
            return _text(_UNKNOWN_KEY.format(key))
        if content.metadata.get("encoding") == FOREIGN:
            return _text(_NOT_OURS)
        try:
            masks = await self._masks_of(context.workflow_id or "")
        except ProblemError as refusal:
            if refusal.problem.status >= 500:  # noqa: PLR2004 - SQL and Temporal may be down
                raise
            return _text(refusal.problem.detail)
        return self._shown(content, context, masks)

    async def _masks_of(self, workflow_id: str) -> Mapping[str, Mask]:
        """Return the masks of what a workflow holds. Raises ProblemError if the person may not read it."""
        if workflow_id not in self._masks:
            case = await case_read(self._backend, self._actor, workflow_id)
            ended = case is None or case.state in ENDED
            self._masks[workflow_id] = masks_for(self._actor.role, ended=ended)
        return self._masks[workflow_id]

    def _shown(self, content: Payload, context: Context, masks: Mapping[str, Mask]) -> Payload:
        kept = {name: content.metadata[name] for name in ("encoding", "messageType") if name in content.metadata}
        if self._actor.role is Role.ADMIN or not content.data:
            return Payload(metadata=kept, data=content.data)
        try:
            read = _read(content, context)
        except (ValidationError, ValueError, LookupError):
            return _text(_NO_MODEL)
        # A digest of a body would confirm guesses of what is masked in it.
        hidden = {_DIGEST} if masks else set()
        if reads_one_department(self._actor):
            hidden.add(_DUPLICATES)
        shown, _ = masked(_without(read, hidden), masks)
        return Payload(metadata=kept, data=to_json(shown))


def _read(content: Payload, context: Context) -> Any:  # noqa: ANN401 - JSON
    """Return the content as JSON, read with its model, or a text. Raises ValueError or LookupError if it has none."""
    sent = from_json(content.data)
    kind, name = message_of(content)
    if kind:
        of_type = TYPES[(context.workflow_id or "").partition("-")[0]] if kind == COMMAND else ""
        return _as_model(_models()[kind, of_type, name], content.data)
    of_activity = isinstance(context, ActivitySerializationContext)
    if not of_activity and (isinstance(sent, str) or content.metadata.get("messageType") in _FOR_THE_UI):
        return sent
    for model in () if of_activity else _ANSWERS:
        try:
            read = _as_model(model, content.data)
        except ValidationError:
            continue
        if read.keys() == sent.keys():
            return read
    raise LookupError(name)


def _as_model(model: Any, data: bytes) -> Any:  # noqa: ANN401 - a type; JSON
    adapter = _adapter(model)
    return adapter.dump_python(adapter.validate_json(data), mode="json", by_alias=True, exclude_unset=True)


_adapter = cache(TypeAdapter[Any])


@cache
def _models() -> Mapping[tuple[str, str, str], Any]:
    """Return the types of stamped messages by kind, type of the workflow for an update, and name."""
    models = dict[tuple[str, str, str], Any]()
    for each in _WORKFLOWS:
        made = workflow._Definition.must_from_class(each)  # noqa: SLF001 - as the worker reads it
        models[START, "", made.name or ""] = _first(made.arg_types)
        for name, update in made.updates.items():
            models[COMMAND, made.name or "", name or ""] = _first(update.arg_types)
    for function in (function for each in _ACTIVITIES for function in vars(each).values()):
        if asked := activity._Definition.from_callable(function):  # noqa: SLF001 - as above
            models[ACTIVITY, "", asked.name or ""] = _first(asked.arg_types)
            models[RESULT, "", asked.name or ""] = asked.ret_type
    return models


def _first(types: Sequence[Any] | None) -> Any:  # noqa: ANN401 - a type
    return next(iter(types or ()), None)


def _without(value: Any, names: set[str]) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without the fields of these names."""
    match value:
        case dict():
            return {name: _without(each, names) for name, each in value.items() if name not in names}
        case list():
            return [_without(each, names) for each in value]
    return value


def _text(words: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=to_json(words))
