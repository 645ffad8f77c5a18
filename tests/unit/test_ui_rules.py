"""Allow-list of the Temporal UI's proxy: what passes, and that no other spelling of a path does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.edge.problems import ProblemError
from api.temporal_ui.rules import API, RULES, Match, RequestKind, parameters_of, rule_of

NAMESPACE = f"{API}/namespaces/default"
CASE = f"{NAMESPACE}/workflows/complaint-2608034711004"
RUN = "01a22a4b-13a5-7890-b630-cf5bff77ef7c"


def matched(method: str, path: str) -> Match:
    match = rule_of(method, path.encode())
    assert match is not None, path
    return match


@pytest.mark.parametrize(
    ("method", "path", "kind", "ids"),
    [
        ("GET", "/temporal", RequestKind.PAGE, {}),
        ("GET", "/temporal/", RequestKind.PAGE, {}),
        ("GET", "/temporal/namespaces/default/workflows/complaint-1/r/history", RequestKind.PAGE, {}),
        ("GET", "/temporal/_app/immutable/chunks/R0gNDFMs.js", RequestKind.ASSET, {}),
        ("GET", "/temporal/favicon.ico", RequestKind.ASSET, {}),
        ("GET", "/temporal/render", RequestKind.RENDER, {}),
        ("POST", "/temporal/codec/decode", RequestKind.CODEC, {}),
        ("GET", f"{API}/settings", RequestKind.SETTINGS, {}),
        ("GET", f"{API}/cluster-info", RequestKind.FACTS, {}),
        ("GET", f"{NAMESPACE}/task-queues/1234%40host%3Aab", RequestKind.FACTS, {"queue": "1234@host:ab"}),
        ("GET", f"{NAMESPACE}/workflows", RequestKind.LIST, {}),
        ("GET", f"{NAMESPACE}/workflow-count", RequestKind.COUNT, {}),
        ("GET", f"{NAMESPACE}/schedules/period-end", RequestKind.OPERATIONS, {"schedule_id": "period-end"}),
        ("GET", CASE, RequestKind.WORKFLOW, {"workflow_id": "complaint-2608034711004"}),
        ("GET", f"{NAMESPACE}/workflows/%E9%99%88%20a", RequestKind.WORKFLOW, {"workflow_id": "陈 a"}),
        ("GET", f"{CASE}/history", RequestKind.WORKFLOW, {"workflow_id": "complaint-2608034711004"}),
        ("GET", f"{CASE}/history-reverse", RequestKind.WORKFLOW, {"workflow_id": "complaint-2608034711004"}),
        ("GET", f"{CASE}/run/{RUN}/history.json", RequestKind.WORKFLOW, {"run_id": RUN}),
        ("POST", f"{CASE}/query/__stack_trace", RequestKind.QUERY, {"name": "__stack_trace"}),
        ("POST", f"{CASE}/update/dispatch", RequestKind.UPDATE, {"name": "dispatch"}),
        ("POST", f"{CASE}/terminate", RequestKind.DANGEROUS, {"workflow_id": "complaint-2608034711004"}),
        ("POST", f"{CASE}/signal/linked", RequestKind.DANGEROUS, {"name": "linked"}),
        ("POST", CASE, RequestKind.DANGEROUS, {}),
        ("POST", f"{NAMESPACE}/batch-operations/1", RequestKind.DANGEROUS, {"job_id": "1"}),
        ("DELETE", f"{NAMESPACE}/schedules/period-end", RequestKind.DANGEROUS, {}),
    ],
)
def test_what_the_pages_of_workflows_ask_for_is_known(
    method: str, path: str, kind: RequestKind, ids: dict[str, str]
) -> None:
    match = matched(method, path)
    assert match.kind is kind
    assert match.ids.items() >= ids.items()
    assert match.ids.get("namespace") == ("default" if path.startswith(NAMESPACE) else None)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "temporal/",
            "/temporal//",
            "/temporal/.",
            "/temporal/..",
            "/Temporal/",
            "/temporal%2F",
            "//temporal/",
        ),
        *("/temporal/_app", "/temporal/_app/", "/temporal/_app//a.js", "/temporal/_app/../api/v1/settings"),
        *("/temporal/_app/%2e%2e/api/v1/settings", "/temporal/_app/..%2fapi", "/temporal/_app/%252e%252e/x"),
        *("/temporal/healthz", "/temporal/auth/sso", "/temporal/auth/logout", "/temporal/api", "/temporal/api/v1"),
        *(
            f"{API}/settings/",
            f"{API}//settings",
            f"{API}/Settings",
            f"{API}/setting%73",
            f"{API}/./settings",
            f"{API}/me",
        ),
        *(f"{API}/settings#x", f"{API}/settings?x", f"{API}/settings%00", f"{API}/settings\\", f"{API}/settings%20"),
        *(f"{API}/nexus/endpoints", f"{API}/namespaces/default/update", f"{NAMESPACE}/activities", f"{API}/cluster"),
        *(f"{NAMESPACE}/workflows/", f"{NAMESPACE}/Workflows", f"{NAMESPACE}/workflow%73", f"{NAMESPACE}//workflows"),
        *(f"{NAMESPACE}/workflows/a%2Fhistory", f"{NAMESPACE}/workflows/a%2fb", f"{NAMESPACE}/workflows/a%252Fb"),
        *(f"{NAMESPACE}/workflows/a%5Cb", f"{NAMESPACE}/workflows/a%3Fb", f"{NAMESPACE}/workflows/a%23b"),
        *(f"{NAMESPACE}/workflows/%2E", f"{NAMESPACE}/workflows/.%2e", f"{NAMESPACE}/workflows/a%0Ab"),
        *(f"{NAMESPACE}/workflows/a%FF", f"{NAMESPACE}/workflows/a%C0%AF", f"{NAMESPACE}/workflows/a%", f"{CASE}/a%4"),
        *(f"{NAMESPACE}/workflows/a%E2%80%AEb", f"{NAMESPACE}/workflows/陈", f"{NAMESPACE}/workflows/a b", f"{CASE}/x"),
        *(
            f"{CASE}/history/",
            f"{CASE}/HISTORY",
            f"{CASE}/histor%79",
            f"{CASE}/history.json",
            f"{CASE}/run//history.json",
        ),
        *(f"{CASE}/../a/history", f"{CASE}/%2e%2e/a", f"{CASE};x/history/y", f"{CASE}/update/dispatch"),
    ],
)
def test_no_other_spelling_of_a_path_passes(path: str) -> None:
    assert rule_of("GET", path.encode()) is None


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "get", "POST ", "CONNECT"])
def test_no_other_method_passes(method: str) -> None:
    assert rule_of(method, CASE.encode()) is None


def test_a_path_that_is_read_is_not_changed_by_its_method() -> None:
    assert [rule.path for rule in RULES if rule.method == "GET" and rule.kind is RequestKind.DANGEROUS] == []
    unsafe = {rule.kind for rule in RULES if rule.method != "GET"}
    assert unsafe == {RequestKind.CODEC, RequestKind.QUERY, RequestKind.UPDATE, RequestKind.DANGEROUS}
    assert all(rule.does for rule in RULES if rule.kind is RequestKind.DANGEROUS)


def test_no_two_rules_are_about_the_same_request() -> None:
    assert len({(rule.method, rule.path) for rule in RULES}) == len(RULES)


@given(
    st.lists(st.sampled_from([*"/.%25eE2fFcC0", "/temporal", "/api/v1", "/settings", "/namespaces", "/a"]), max_size=14)
)
def test_a_path_that_passes_has_one_reading(pieces: list[str]) -> None:
    path = "".join(pieces)
    if match := rule_of("GET", path.encode()):
        sent = path.rstrip("/").split("/")[1:]
        assert sent[0] == "temporal"
        assert all(segment.strip(".") for segment in sent)
        assert not {"/", "\\", "%"} & {char for value in match.ids.values() for char in value}


RUNS = matched("GET", f"{CASE}/history").rule


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("", {}),
        ("execution.runId=a&nextPageToken=b%3D", {"execution.runId": "a", "nextPageToken": "b="}),
        ("next_page_token=b&waitNewEvent=", {"next_page_token": "b", "waitNewEvent": ""}),
    ],
)
def test_the_parameters_of_a_rule_are_taken_once(query: str, parameters: dict[str, str]) -> None:
    assert parameters_of(RUNS, query.encode()) == parameters


@pytest.mark.parametrize(
    "query",
    [
        *("execution.runId=a&execution.runId=b", "execution.run_id=a", "Execution.runId=a", "execution[runId]=a"),
        *(
            "namespace=other",
            "execution.workflowId=b",
            "nextPageToken=a&next_page_token=b",
            "query=a",
            "a",
            "&",
            "%FF=a",
        ),
        *("execution.runId=%FF", "execution.runId=a;nextPageToken=b&x=1", "=a", "execution.runId%00=a"),
    ],
)
def test_all_other_parameters_are_refused(query: str) -> None:
    with pytest.raises(ProblemError) as raised:
        parameters_of(RUNS, query.encode())
    assert raised.value.problem.status == 403
