"""Codec endpoint of the Temporal UI: it opens what Temporal stores sealed, for the person who has signed in.

The UI sends the payloads of its pages here. Each names its workflow, which the person has to be allowed to read. The
content is read with the model of the message, and masked as the API masks it. `/encode` seals nothing: the door reads
updates in clear, and an endpoint that seals would make whatever a page sends the service's own.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import Any, Final

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.responses import Response
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import ActivitySerializationContext

from activities.assessment import Assessments
from activities.bulk import BulkUpdates
from activities.envelope import FOREIGN, NOT_SEALED, SEALED, Context, context_named, key_of
from activities.incident import Incidents
from activities.incident_teller import IncidentTeller
from activities.projection import Projection
from activities.report import Reports
from activities.stamps import ACTIVITY, COMMAND, RESULT, START, message_of
from api.backend import Backend
from api.problems import BAD_REQUEST, ProblemError
from api.render import JSON, reads_one_department
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
_WORKFLOWS = (ComplaintWorkflow, IncidentWorkflow, AssessmentWorkflow, ReportWorkflow)
_ON_MANY_CASES = (CatalogueRolloutWorkflow, HandoverWorkflow)
_ACTIVITIES = (Assessments, BulkUpdates, Incidents, IncidentTeller, Projection, Reports)
_ANSWERS = (Outcome, CaseView, Settled, Returned, IncidentOutcome, AssessmentOutcome)
_UNSTAMPED = (*_ANSWERS, HandoverProgress, RolloutProgress, Request, dict[str, int])
"""Models of what has no stamp: answers of workflows, and the memo. The first that fits counts."""
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
        masks = dict[str, Mapping[str, Mask]]()
        payloads = Payloads(payloads=[await _opened(backend, actor, each, masks) for each in payloads.payloads])
    return Response(MessageToJson(payloads, indent=None), media_type=JSON)


async def _opened(backend: Backend, actor: Actor, payload: Payload, known: dict[str, Mapping[str, Mask]]) -> Payload:
    """Return a sealed payload as this person may read it, or a text that says why not; any other as it is.

    `known` are the masks of workflows that the person may read.
    """
    if payload.metadata.get("encoding") != SEALED:
        return payload
    context = context_named(payload, backend.complaints.namespace)
    content = backend.complaints.envelope.with_context(context).open(payload) if context else NOT_SEALED
    if key := key_of(content):
        return _text(_UNKNOWN_KEY.format(key))
    if context is None or content.metadata.get("encoding") == FOREIGN:
        return _text(_NOT_OURS)
    workflow_id = context.workflow_id or ""
    if workflow_id not in known:
        try:
            case = await case_read(backend, actor, workflow_id)
        except ProblemError as refusal:
            return _text(refusal.problem.detail)
        known[workflow_id] = masks_for(actor.role, ended=case is None or case.state in ENDED)
    return _shown(content, context, actor, known[workflow_id])


def _shown(content: Payload, context: Context, reader: Actor, masks: Mapping[str, Mask]) -> Payload:
    kept = {name: content.metadata[name] for name in ("encoding", "messageType") if name in content.metadata}
    if reader.role is Role.ADMIN or not content.data:
        return Payload(metadata=kept, data=content.data)
    try:
        read = _read(content, context)
    except (ValueError, LookupError):
        return _text(_NO_MODEL)
    # A digest of a body would confirm guesses of what is masked in it.
    hidden = {"digest"} if masks else set()
    if reads_one_department(reader):
        hidden.add("possible_duplicates")
    shown, _ = masked(_without(read, hidden), masks)
    return Payload(metadata=kept, data=to_json(shown))


def _read(content: Payload, context: Context) -> Any:  # noqa: ANN401 - JSON
    """Return the content as JSON, read with its model, or a text. Raises ValueError or LookupError if it has none."""
    kind, name = message_of(content)
    if kind:
        return _as_model(_models()[kind, name], content.data)
    sent = from_json(content.data)
    of_activity = isinstance(context, ActivitySerializationContext)  # heartbeats and failures
    # The SDK describes workflows by messages of protobuf.
    if not of_activity and (isinstance(sent, str) or "messageType" in content.metadata):
        return sent
    for model in () if of_activity else _UNSTAMPED:
        with suppress(ValidationError):
            read = _as_model(model, content.data)
            if read.keys() == sent.keys():
                return read
    raise LookupError(name)


def _as_model(model: Any, data: bytes) -> Any:  # noqa: ANN401 - a type; JSON
    adapter = _adapter(model)
    return adapter.dump_python(adapter.validate_json(data), mode="json", by_alias=True, exclude_unset=True)


_adapter = cache(TypeAdapter[Any])


@cache
def _models() -> Mapping[tuple[str, str], Any]:
    """Return the types of stamped messages by kind and name; a union of those that have the same."""
    found = list[tuple[str, str | None, Sequence[Any] | None]]()
    for each in (*_WORKFLOWS, *_ON_MANY_CASES):
        made = workflow._Definition.must_from_class(each)  # noqa: SLF001 - as the worker reads it
        updates = ((COMMAND, name, update.arg_types) for name, update in made.updates.items())
        found += [(START, made.name, made.arg_types), *updates]
    for function in chain.from_iterable(vars(each).values() for each in _ACTIVITIES):
        if asked := activity._Definition.from_callable(function):  # noqa: SLF001 - as above
            found += [(ACTIVITY, asked.name, asked.arg_types), (RESULT, asked.name, [asked.ret_type])]
    models = dict[tuple[str, str], Any]()
    for kind, called, types in found:
        for one in types or ():
            models[kind, called or ""] = models.get((kind, called or ""), one) | one
    return models


def _without(value: Any, names: set[str]) -> Any:  # noqa: ANN401 - JSON
    """Return JSON without the fields of these names."""
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


def _text(words: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=to_json(words))
