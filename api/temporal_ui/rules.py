"""Rules of the Temporal UI's proxy: the methods and routes of the UI's server that pass. All else is refused.

Paths are matched as they were sent, with `/temporal` before them, by segments. Literals are compared as they stand; the
UI's server decodes the other segments once, and so does this table.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from starlette.responses import JSONResponse, Response

from api.edge.problems import MEDIA_TYPE, ProblemError, declare
from workflows.kit.words import LONGEST_DETAILS

UI_PATH: Final = "/temporal"
API: Final = f"{UI_PATH}/api/v1"
CODEC: Final = f"{UI_PATH}/codec"
NOT_ALLOWED = declare("temporal-ui-not-allowed", HTTPStatus.FORBIDDEN, "Request not allowed in the Temporal UI")
_SEGMENT = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_FORBIDDEN = frozenset("/\\%?#")
"""Characters of a decoded segment that the UI's server could take for the end of it, or decode again."""

MOST_SIGNS, MOST_COLUMNS = 3000, 16
"""Most lines and signs of Markdown of details, which have some hundreds, and columns of their tables, which have 6.
The UI's server needs the square of their number, in time or memory."""
_ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
_SIGN = re.compile(r"[\[`*_~<>#\r\n]")
_WIDE_ROW = re.compile(rf"^(?:[^|\n]*\|){{{MOST_COLUMNS + 2}}}", re.MULTILINE)


class RequestKind(StrEnum):
    """Subject of a request of the UI, by which the proxy decides who handles it."""

    ASSET = "asset"
    PAGE = "page"
    LOGIN = "login"
    """The UI's own sign-in, to which it sends a browser whose request was refused."""
    RENDER = "render"
    SETTINGS = "settings"
    CODEC = "codec"
    """Of the endpoint that opens payloads, which is part of the proxy."""
    FACTS = "facts"
    """Of the server, without cases: for all readers, as each page of the UI asks for some."""
    OPERATIONS = "operations"
    """Schedules, batches, the archive: for readers of all cases."""
    LIST = "list"
    COUNT = "count"
    WORKFLOW = "workflow"
    QUERY = "query"
    UPDATE = "update"
    DANGEROUS = "dangerous"


class Rule(NamedTuple):
    """Row of the table: method, path, kind, the parameters of its query, and what a dangerous one or the codec does.

    A segment `{name}` takes any id, one that ends in `*` any with that beginning, and `**` at the end one segment or
    more.
    """

    method: str
    path: str
    kind: RequestKind
    parameters: frozenset[str] = frozenset()
    does: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        taken = {"**": ".+", "*": "[^/]*", "{": "(?P<", "}": ">[^/]+)"}
        return re.compile("".join(taken.get(part) or re.escape(part) for part in re.split(r"(\*\*|[*{}])", self.path)))


class Match(NamedTuple):
    """Rule that a request came under, with the ids of its path, each decoded once."""

    rule: Rule
    ids: Mapping[str, str]

    @property
    def kind(self) -> RequestKind:
        return self.rule.kind

    @property
    def workflow_id(self) -> str | None:
        return self.ids.get("workflow_id")


_TOKENS = ("nextPageToken", "next_page_token")
"""Names of the same parameter: the UI uses both."""
_RUN = ("execution.runId",)
_CODEC = ("decode", "encode")
_PAGED = ("query", "pageSize", "maximumPageSize", *_TOKENS)
_HISTORY = (*_RUN, *_TOKENS, "maximumPageSize", "waitNewEvent", "historyEventFilterType", "skipArchival")
_NAMESPACE = f"{API}/namespaces/{{namespace}}"
_WORKFLOW = f"{_NAMESPACE}/workflows/{{workflow_id}}"
_SCHEDULE = f"{_NAMESPACE}/schedules/{{schedule_id}}"


def _get(kind: RequestKind, path: str, *parameters: str) -> Rule:
    return Rule("GET", path, kind, frozenset(parameters))


def _dangerous(does: str, path: str, method: str = "POST") -> Rule:
    # The UI names the run of some in the query, and the person who deletes a schedule.
    return Rule(method, path, RequestKind.DANGEROUS, frozenset((*_RUN, "identity")), does)


RULES: Final = (
    _get(RequestKind.PAGE, UI_PATH),
    *(_get(RequestKind.PAGE, f"{UI_PATH}/{page}") for page in ("namespaces", "namespaces/**", "select-namespace")),
    _get(RequestKind.LOGIN, f"{UI_PATH}/login"),
    *(_get(RequestKind.ASSET, f"{UI_PATH}/{asset}") for asset in ("_app/**", "css/**", "i18n/**", "codemirror/**")),
    *(_get(RequestKind.ASSET, f"{UI_PATH}/{start}*") for start in ("android", "apple", "banner", "favicon", "logo")),
    _get(RequestKind.ASSET, f"{UI_PATH}/site.webmanifest"),
    _get(RequestKind.ASSET, f"{UI_PATH}/Temporal_Logo_Animation.gif"),
    _get(RequestKind.RENDER, f"{UI_PATH}/render", "content", "theme", "overrideTheme", "compact"),
    *(Rule("POST", f"{CODEC}/{does}", RequestKind.CODEC, frozenset({"preserveStorageRefs"}), does) for does in _CODEC),
    _get(RequestKind.SETTINGS, f"{API}/settings"),
    _get(RequestKind.FACTS, f"{API}/system-info"),
    _get(RequestKind.FACTS, f"{API}/cluster-info"),
    _get(RequestKind.FACTS, f"{API}/namespaces", "pageSize", *_TOKENS),
    _get(RequestKind.FACTS, _NAMESPACE),
    _get(RequestKind.FACTS, f"{_NAMESPACE}/search-attributes"),
    _get(RequestKind.FACTS, f"{_NAMESPACE}/task-queues/{{queue}}", "taskQueueType", "reportStats", "reportPollers"),
    _get(RequestKind.FACTS, f"{_NAMESPACE}/workers", *_PAGED),
    _get(RequestKind.FACTS, f"{_NAMESPACE}/worker-count", "query"),
    _get(RequestKind.FACTS, f"{_NAMESPACE}/workers/describe/{{worker}}"),
    _get(RequestKind.OPERATIONS, f"{_NAMESPACE}/schedules", *_PAGED),
    _get(RequestKind.OPERATIONS, f"{_NAMESPACE}/schedule-count", "query"),
    _get(RequestKind.OPERATIONS, _SCHEDULE),
    _get(RequestKind.OPERATIONS, f"{_NAMESPACE}/archived-workflows", *_PAGED),
    _get(RequestKind.OPERATIONS, f"{_NAMESPACE}/batch-operations", *_PAGED),
    _get(RequestKind.OPERATIONS, f"{_NAMESPACE}/batch-operations/{{job_id}}"),
    _get(RequestKind.LIST, f"{_NAMESPACE}/workflows", *_PAGED),
    _get(RequestKind.COUNT, f"{_NAMESPACE}/workflow-count", "query"),
    _get(RequestKind.WORKFLOW, _WORKFLOW, *_RUN),
    _get(RequestKind.WORKFLOW, f"{_WORKFLOW}/history", *_HISTORY),
    _get(RequestKind.WORKFLOW, f"{_WORKFLOW}/history-reverse", *_HISTORY),
    _get(RequestKind.WORKFLOW, f"{_WORKFLOW}/run/{{run_id}}/history.json"),
    Rule("POST", f"{_WORKFLOW}/query/{{name}}", RequestKind.QUERY),
    Rule("POST", f"{_WORKFLOW}/update/{{name}}", RequestKind.UPDATE),
    _dangerous("start", _WORKFLOW),
    *(_dangerous(act, f"{_WORKFLOW}/{act}") for act in ("terminate", "cancel", "reset", "pause", "unpause")),
    _dangerous("signal", f"{_WORKFLOW}/signal/{{name}}"),
    _dangerous("batch", f"{_NAMESPACE}/batch-operations/{{job_id}}"),
    _dangerous("stop_batch", f"{_NAMESPACE}/batch-operations/{{job_id}}/stop"),
    *(
        _dangerous(f"activity_{act}", f"{_NAMESPACE}/activities-deprecated/{act}")
        for act in ("pause", "unpause", "reset", "update-options")
    ),
    _dangerous("schedule_create", _SCHEDULE),
    _dangerous("schedule_update", f"{_SCHEDULE}/update"),
    _dangerous("schedule_patch", f"{_SCHEDULE}/patch"),
    _dangerous("schedule_delete", _SCHEDULE, "DELETE"),
)
"""Every request that the proxy knows; the first row that fits counts."""
_PATTERNS = tuple((rule, rule.pattern) for rule in RULES)


def rule_of(method: str, path: bytes) -> Match | None:
    """`path` is as it was sent, `/temporal` and all; None if the proxy refuses it."""
    if path == f"{UI_PATH}/".encode():  # the one path that may end with a slash
        path = path[:-1]
    try:
        decoded = {raw.decode(): _decoded(raw) for raw in path.split(b"/")[1:]}
    except ValueError:
        return None
    sent = path.decode("latin-1")
    for rule, pattern in _PATTERNS:
        if rule.method == method and (found := pattern.fullmatch(sent)):
            return Match(rule, {name: decoded[raw] for name, raw in found.groupdict().items()})
    return None


def _decoded(raw: bytes) -> str:
    """Decode a segment once. Raises ValueError if another program could read it otherwise."""
    text = unquote_to_bytes(raw).decode()
    if not _SEGMENT.fullmatch(raw) or text in (".", "..") or not text.isprintable() or not _FORBIDDEN.isdisjoint(text):
        raise ValueError(raw)
    return text


def refused(method: str) -> ProblemError:
    """Repeat nothing of the path: it may hold anything."""
    detail = (
        f"This {method} request is none of those that the Temporal UI is let through for here. "
        "Cases are read in its pages, and acted on by the form Send an Update or by the HTTP API. "
        "此请求不在 Temporal UI 的放行清单内。"
    )
    return ProblemError(NOT_ALLOWED, detail, accepted=[("工作流页面所发的请求", "what the pages of workflows ask for")])


def shown(refusal: ProblemError) -> Response:
    """Answer so that the UI shows the sentence: it reads the field `message`."""
    problem = refusal.problem
    content = {**problem.model_dump(exclude_none=True), "message": problem.detail}
    return JSONResponse(content, problem.status, refusal.headers, MEDIA_TYPE)


def parameters_of(rule: Rule, query: bytes) -> dict[str, str]:
    """By name. Raises ProblemError for a parameter that is not the rule's, or comes twice."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise ProblemError(NOT_ALLOWED, "The query of this address cannot be read.") from None
    given = dict(pairs)
    accepted = sorted(rule.parameters)
    if not rule.parameters.issuperset(given) or len(given) != len(pairs) or set(_TOKENS) <= given.keys():
        detail = f"Such a request takes each of these parameters once, and no other: {', '.join(accepted) or 'none'}."
        raise ProblemError(NOT_ALLOWED, detail, accepted=accepted)
    return given


def require_details(text: str) -> None:
    """Raise ProblemError for a text that would hold up the UI's server, which is Temporal itself on one machine."""
    bare = _ESCAPED.sub("", text)
    if len(text) > LONGEST_DETAILS or len(_SIGN.findall(bare)) > MOST_SIGNS or _WIDE_ROW.search(bare):
        most = f"{LONGEST_DETAILS} characters, {MOST_SIGNS} lines and signs of Markdown, {MOST_COLUMNS} columns at most"
        raise ProblemError(NOT_ALLOWED, f"Details to be drawn have {most}. 内容过多，无法显示。", accepted=[most])
