"""Reading in the Temporal UI: who sees which workflows there, which lists, and what of their payloads.

The rights are those of the routes that show the same. Lists are narrowed by a condition. Temporal reads a query with a
grammar of SQL that knows far more than lists need. This module divides a query into the same tokens, and takes what
lists need: so what it takes stays whole between brackets.

The UI sends the payloads of its pages to the codec endpoint. Each names its workflow, which the person has to be
allowed to read. The content is read with the model of the message, and masked as the API masks it. `/encode` seals
nothing: the proxy reads updates in clear, and with an endpoint that seals, whatever a page sends would be taken for the
service's own.
"""

import re
from asyncio import to_thread
from collections.abc import Mapping
from functools import cache, partial
from http import HTTPStatus
from importlib import import_module
from itertools import chain
from pkgutil import walk_packages
from typing import Any, Final
from urllib.parse import urlencode

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json, to_json
from starlette.responses import Response
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import ActivitySerializationContext

import activities
import workflows
from activities.names import complaint_id
from activities.sealing.envelope import FOREIGN, SEALED, Context, Envelope, context_named, key_of
from activities.sealing.stamps import ACTIVITY, COMMAND, RESULT, START, Stamp
from api.complaints.cases import Cases
from api.edge.middleware import too_large
from api.edge.problems import BAD_REQUEST, OTHER_DEPARTMENT, ProblemError, declare
from api.responses import JSON, reads_one_department
from api.routing import wrong_role
from api.temporal.client import EntityClient
from api.temporal_ui.rules import CODEC, NOT_ALLOWED, Match, RequestKind, parameters_of, refused, require_details
from domain.case.lifecycle import ENDED
from domain.case.views import CaseView
from domain.rights.rights import (
    READ_ASSESSMENTS,
    READ_CASES,
    READ_INCIDENTS,
    READ_REPORTS,
    Mask,
    Reach,
    Right,
    masked,
    masks_for,
)
from domain.shared.actors import Actor, Role
from domain.shared.errors import CASE_OF_DEPARTMENT
from domain.shared.numbers import is_number
from workflows.clients.start import Request
from workflows.kit import search_attributes as keys

LONGEST_QUERY: Final = 15_000
"""Characters of the longest query; the UI itself sends no longer one."""
DEEPEST: Final = 40
"""Brackets within each other; Temporal takes some hundreds."""
GROUPS: Final = " GROUP BY ExecutionStatus"
"""Ending of the query by which the UI counts by status."""
_BLANK = " \t\r\n"
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<v> "(?:[^"\\]|\\.|"")*" | '(?:[^'\\]|\\.|'')*' | [0-9]+(?:[.][0-9]+)?(?:[eE][+-]?[0-9]+)? (?![\w@.]) )
    | (?P<n> `(?:[^`]|``)+` )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* (?!['@]) )
    | (?P<sign> <= (?!>) | >= | != | <> | [=<>(),+] | -(?![->]) )
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARE = dict.fromkeys(("=", "!=", "<>", "<", "<=", ">", ">="), "=")
_KEYWORDS = {"AND": "&", "OR": "|", "NOT": "!", "IN": "i", "BETWEEN": "b", "STARTS_WITH": "s", "IS": "j", "NULL": "0"}
_LETTERS = {**_COMPARE, **_KEYWORDS, "TRUE": "v", "FALSE": "v", "GROUP": "G", "BY": "B", "+": "-"}
"""Letter of a sign or keyword in the form of a query; a value is `v`, any other name `n`, all else itself."""
_COMPARISON = re.compile(r"n(?:=-?v|j!?0|!?(?:i\(-?v(?:,-?v)*\)|b-?v&-?v|s-?v))")
_JOINED = re.compile(r"(?<!!)!+c|\(c\)|c(?:[&|]c)+")


def _unreadable(reason: str) -> ProblemError:
    detail = (
        f"This query cannot be narrowed to your department: {reason}. It takes comparisons (=, !=, <, <=, >, >=, "
        "IN, BETWEEN, STARTS_WITH, IS NULL) joined by AND, OR, NOT and brackets; no comments, no ORDER BY. "
        "此查询无法限定到本部门: 仅支持上述比较与 AND、OR、NOT、括号。"
    )
    return ProblemError(UNREADABLE_QUERY, detail)


def narrowed(query: str, condition: str, *, counted: bool = False) -> str:
    """Query for what both find. `counted`: the given one may end as the UI's counts do. Raises ProblemError."""
    if len(query) > LONGEST_QUERY or not all(char.isprintable() or char in _BLANK for char in query):
        raise _unreadable(f"it has more than {LONGEST_QUERY:,} characters, or some that cannot be printed")
    form, ends = _form_of(query)
    ending = ""
    if counted and form.endswith("GBn") and query[ends[-2] :].strip() == "ExecutionStatus":
        form, ends, ending = form[:-3], ends[:-3], GROUPS
    if not form:
        return f"({condition}){ending}"
    if not _is_whole(form):
        raise _unreadable("it is no whole expression")
    return f"({query[: ends[-1]]}) AND ({condition}){ending}"


def _form_of(query: str) -> tuple[str, list[int]]:
    """Letter for each token, and where each token ends. Raises ProblemError."""
    letters, ends, at = list[str](), list[int](), 0
    end = len(query.rstrip(_BLANK))
    while at < end:
        found = _TOKEN.match(query, at)
        if found is None:
            raise _unreadable(f"what begins at character {at + 1} is no name, value or operator of lists")
        kind, text = found.lastgroup or "", found[found.lastgroup or 0]
        other = {"word": "n", "sign": text}.get(kind, kind)
        letters.append(other if kind in ("v", "n") else _LETTERS.get(text.upper(), other))
        ends.append(at := found.end())
    return "".join(letters), ends


def _is_whole(form: str) -> bool:
    """Return True if the form is one expression: comparisons, joined until one is left."""
    form = _COMPARISON.sub("c", form)
    for _ in range(2 * DEEPEST):
        form, times = _JOINED.subn("c", form)
        if not times:
            break
    return form == "c"


UNREADABLE_QUERY = declare("unreadable-query", HTTPStatus.BAD_REQUEST, "Query of the Temporal UI not readable")
RIGHTS: Final[Mapping[str, Right]] = {
    complaint_id(""): READ_CASES,
    "incident-": READ_INCIDENTS,
    "assessment-": READ_ASSESSMENTS,
    "report-": READ_REPORTS,
}
"""Right to read a workflow, by the beginning of its id. All others are for whoever reads all cases."""


async def admit(cases: Cases, actor: Actor, match: Match, query: bytes) -> bytes:
    """Query to send on for a request, narrowed to what the person may read. Raises ProblemError."""
    if not _reads_all(actor) and (actor.role not in READ_CASES.reach or actor.department is None):
        raise wrong_role(READ_CASES, actor)
    if match.ids.get("namespace") not in (None, cases.client.namespace):
        raise refused(match.rule.method)
    if match.kind in (RequestKind.PAGE, RequestKind.ASSET):
        return query
    if match.kind is RequestKind.LOGIN:
        detail = "What you opened is not among what you may see, as another department's case. 不在您的查阅范围内。"
        raise ProblemError(NOT_ALLOWED, detail)
    parameters = parameters_of(match.rule, query)
    if match.kind is RequestKind.RENDER:
        require_details(parameters.get("content", ""))
    if match.kind is RequestKind.OPERATIONS and not _reads_all(actor):
        raise wrong_role(READ_CASES, actor)
    if match.kind in (RequestKind.LIST, RequestKind.COUNT) and not _reads_all(actor):
        condition = f'{keys.DEPARTMENT.name} = "{actor.department}" OR {keys.INVOLVED.name} = "{actor.department}"'
        counted = match.kind is RequestKind.COUNT
        parameters["query"] = narrowed(parameters.get("query", ""), condition, counted=counted)
    if match.kind in (RequestKind.WORKFLOW, RequestKind.QUERY) and match.workflow_id is not None:
        await case_read(cases, actor, match.workflow_id)
    return urlencode(parameters).encode()


async def case_read(cases: Cases, actor: Actor, workflow_id: str) -> CaseView | None:
    """Case of a workflow that the person may read as one of a department; None for any other workflow.

    Raises ProblemError if the person may not read it, whichever of its runs.
    """
    right = next((right for start, right in RIGHTS.items() if workflow_id.startswith(start)), READ_CASES)
    number = workflow_id.removeprefix(complaint_id(""))
    match right.reach.get(actor.role):
        case Reach.ANY:
            return None
        case Reach.DEPARTMENT if workflow_id == complaint_id(number) and is_number(number):
            return await cases.get(number, actor, right)
        case Reach.DEPARTMENT:
            detail = (
                f"Not of one case: you read the cases of your department here, {actor.department}. 仅限本部门工单。"
            )
            raise ProblemError(OTHER_DEPARTMENT, detail, accepted=[CASE_OF_DEPARTMENT])
        case _:
            raise wrong_role(right, actor)


def _reads_all(actor: Actor) -> bool:
    return READ_CASES.reach.get(actor.role) is Reach.ANY


SETTINGS: Final = {"Endpoint": CODEC, "PassAccessToken": False, "IncludeCredentials": True}
"""Of the UI: where it has payloads opened, and that cookies go with them."""
LARGER_BODIES: Final[Mapping[str, int]] = {f"{CODEC}/decode": 3_145_728}
"""Bytes of the largest body: a payload has 2 MB at most, and base64 a third more."""
_MOST_PAYLOADS = 1000
"""Payloads of one body. The UI sends one message's at a time, which are a few."""
_UNSTAMPED = "", ""
"""Kind and name of what has no stamp: answers of workflows, and the memo."""
_OF_ANY = Any, BaseModel | None
"""Types of answers that each workflow makes of its own outcome."""
_NO_MODEL = "已封存，仅管理员可查阅。Sealed: administrators alone read this."
_NOT_OURS = "不是本系统封存的内容。The service has not sealed this for this workflow."
_UNKNOWN_KEY = "已封存，本系统没有密钥 {0}。Sealed with key {0}, which this service does not have."
_Masks = Mapping[str, Mask]


async def answer_codec(cases: Cases, actor: Actor, does: str, body: bytes) -> Response:
    """Open payloads as this person may read them; they are as they were sent if `does` is not `decode`.

    In place of one that the person may not read stands a text that says why. Raises ProblemError.
    """
    try:
        # In threads, as all that takes long: a payload may have megabytes.
        payloads = await to_thread(Parse, body, Payloads(), ignore_unknown_fields=True)
    except (ParseError, ValueError, RecursionError):
        detail = 'Send {"payloads": [{"metadata": {NAME: BASE64}, "data": BASE64}]}, as the Temporal UI does.'
        raise ProblemError(BAD_REQUEST, detail) from None
    if len(payloads.payloads) > _MOST_PAYLOADS:
        raise too_large(f"{_MOST_PAYLOADS} 个载荷", f"{_MOST_PAYLOADS} payloads")
    if does == "decode":
        opener = partial(_opened, cases.client.envelope, cases.client.namespace)
        opened = await to_thread(lambda: [*map(opener, payloads.payloads)])
        # Whoever invents ids has no rights looked up.
        authentic = {each.workflow_id or "" for _, each in opened if each}
        masks = {each: await _masks(cases, actor, each) for each in authentic}
        payloads = Payloads(payloads=await to_thread(lambda: [_shown(*each, actor, masks) for each in opened]))
    return Response(await to_thread(MessageToJson, payloads, indent=None), media_type=JSON)


async def _masks(cases: Cases, actor: Actor, workflow_id: str) -> _Masks | str:
    """Masks of a workflow for this person, or why they may not read it."""
    try:
        case = await case_read(cases, actor, workflow_id)
    except ProblemError as refusal:
        return refusal.problem.detail
    return masks_for(actor.role, ended=case is None or case.state in ENDED)


def _opened(envelope: Envelope, namespace: str, payload: Payload) -> tuple[Payload, Context | None]:
    """Pair what the service has sealed with what it is of; else a payload or a text that says why, with None."""
    if payload.metadata.get("encoding") != SEALED:
        return payload, None
    context = context_named(payload, namespace)
    if context is None or (content := envelope.with_context(context).open(payload)).metadata["encoding"] == FOREIGN:
        return _text(_NOT_OURS), None
    if key := key_of(content):
        return _text(_UNKNOWN_KEY.format(key)), None
    return content, context


def _shown(
    content: Payload, context: Context | None, reader: Actor, of_workflows: Mapping[str, _Masks | str]
) -> Payload:
    """Content as this person may read it, or a text that says why not."""
    if context is None:
        return content
    if isinstance(masks := of_workflows[context.workflow_id or ""], str):
        return _text(masks)
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
    """JSON read with its model, or a text. Raises ValueError or LookupError if it has none."""
    stamp, sent = Stamp.of(content)[:2], from_json(content.data)
    if stamp == _UNSTAMPED:
        if isinstance(context, ActivitySerializationContext) or not isinstance(sent, dict | str):
            raise LookupError(stamp)  # heartbeats and failures
        # The SDK describes workflows by messages of protobuf.
        if isinstance(sent, str) or "messageType" in content.metadata:
            return sent
    adapter = _models()[stamp]
    read = adapter.dump_python(adapter.validate_json(content.data), mode="json", by_alias=True, exclude_unset=True)
    if stamp == _UNSTAMPED and read.keys() != sent.keys():
        raise LookupError(stamp)
    return read


@cache
def _models() -> Mapping[tuple[str, str | None], TypeAdapter[Any]]:
    """By kind and name, which several messages may share. Under `_UNSTAMPED` stand all answers."""
    outcomes = (each.outcome for each in EntityClient.__subclasses__())
    found: list[tuple[str, str | None, Any]] = [(*_UNSTAMPED, each) for each in (Request, *outcomes)]
    packages = (walk_packages(each.__path__, f"{each.__name__}.") for each in (activities, workflows))
    modules = (import_module(each.name) for each in chain.from_iterable(packages))
    for each in dict.fromkeys(part for module in modules for part in vars(module).values() if isinstance(part, type)):
        if (made := workflow._Definition.from_class(each)) and made.name:  # noqa: SLF001 - as the worker reads it
            found += [(START, made.name, one) for one in made.arg_types or ()]
            found += [(COMMAND, name, one) for name, update in made.updates.items() for one in update.arg_types or ()]
            answers = [made.ret_type, *(one.ret_type for one in made.updates.values())]
            answers += [one.ret_type for one in made.queries.values()]
            found += [(*_UNSTAMPED, one) for one in answers if one not in _OF_ANY]
        for asked in filter(None, map(activity._Definition.from_callable, vars(each).values())):  # noqa: SLF001 - as above
            found += [(ACTIVITY, asked.name, one) for one in asked.arg_types or ()]
            found += [(RESULT, asked.name, asked.ret_type)]
    models = dict[tuple[str, str | None], Any]()
    for kind, name, model in found:
        models[kind, name] = models.get((kind, name), model) | model
    return {stamp: TypeAdapter(model) for stamp, model in models.items()}


def _without(value: Any, names: set[str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


def _text(words: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=to_json(words))
