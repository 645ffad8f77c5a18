"""The OpenAPI document is true: Schemathesis makes requests of it, and compares the answers with it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import events, from_schema
from schemathesis.generation.meta import TestPhase

from api.edge.problems import MEDIA_TYPE, NO_METHOD, NOT_FOUND, URN
from api.sign_in.security import IDEMPOTENCY_KEY, LONGEST_KEY
from domain.shared.actors import Role
from domain.shared.value import FORBIDDEN_CHARACTERS
from hotline.settings import DEFAULT_CATALOGUE
from tests.support.schema_cases import CATALOGUE, CHANNELS, Subjects
from tests.support.service import Service

# A walk takes minutes, and several times as long beside other tests.
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(2400)]

Json = dict[str, Any]
AnyCase = Case[Any]

AGENT = "陈静"
"""Person to whom cases are handed over in the documented example."""
IN_BODY = "$response.body#/"
"""Beginning of the name of a field in the answer, in a link."""
OF_FORM = {
    "invalid-request",
    "invalid-etag",
    "malformed-json",
    "bad-request",
    "unsupported-media-type",
    "body-too-large",
}
"""Problems of requests that the document does not permit. All others depend on what is stored, or on the catalogue."""
EXAMPLES = 30
"""Random requests for each operation at night, besides those that Schemathesis computes from the document, and random
sequences of requests.

It computes some sixty for each, permitted and not. Random ones take longer than these, as most are made in vain. Few
sequences register anything, so that by day each link of the document is followed once instead.
"""


class Walk(NamedTuple):
    """Requests for every operation with the key of one role: answers by operation and status, and what was wrong.

    `astray` names the links of the document that do not lead to what was made.
    """

    role: Role
    operations: list[str]
    answers: Counter[tuple[str, int]]
    failures: list[str]
    astray: list[str]


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    """Run a service of one walk, on which nothing but its own requests has happened."""
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(CATALOGUE.format(usual=DEFAULT_CATALOGUE), "utf-8")
    channels = folder / "channels.toml"
    channels.write_text(CHANNELS, "utf-8")
    # Schemathesis tries wrong keys as well, and asks more than a person does.
    unlimited = dict.fromkeys(
        ("HOTLINE_READS_PER_MINUTE", "HOTLINE_WRITES_PER_MINUTE", "HOTLINE_ACTIONS_PER_CASE"), "0"
    )
    more = unlimited | {"HOTLINE_GUESSES_PER_MINUTE": "100000", "HOTLINE_CHANNELS": str(channels)}
    more["HOTLINE_SANDBOX"] = "false"  # as workers run, and in less time
    with Service(folder, catalogue, more) as service:
        yield service


WALKS = [
    pytest.param((Role.ADMIN, False), id="admin"),
    pytest.param((Role.ADMIN, True), id="admin, random too", marks=pytest.mark.night),
    pytest.param((Role.AGENT, True), id="agent, random too", marks=pytest.mark.night),
]


@pytest.fixture(scope="module", params=WALKS)
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """A walk of one role, with the same requests at every run."""
    role, random_too = request.param
    with running(tmp_path_factory.mktemp("schema")) as service:
        return walked(service, role, random_too=random_too)


def walked(service: Service, role: Role, *, random_too: bool) -> Walk:
    """Send the requests with the key of the role."""
    agent = service.make_key(AGENT, "agent")
    key = agent if role is Role.AGENT else service.admin_key
    subjects = Subjects(service, role, AGENT if role is Role.AGENT else None, "east")
    # The first reader has it built, which takes a second of a processor that other tests use as well.
    document: Json = httpx.get(f"{service.api}/openapi.json", trust_env=False, timeout=60).json()
    config = schemathesis.Config.from_dict(settings(service.api, key, random_too=random_too))
    schema = schemathesis.openapi.from_dict(document, config=config)
    operations = sorted(operation["operationId"] for path in document["paths"].values() for operation in path.values())
    made = Walk(role, operations, Counter(), [], [*links_astray(service, document)])
    with aimed(subjects, made.answers):
        made.failures.extend(failure for event in from_schema(schema).execute() for failure in failures_of(event))
    return made


def links_astray(service: Service, document: Json) -> Iterator[str]:
    """Make what the links of the document lead to, by its examples; yield the links that lead elsewhere."""
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    with httpx.Client(base_url=service.api, headers=headers, timeout=30, trust_env=False) as http:
        for name, (method, path, operation) in operations.items():
            for status, link in links_of(operation):
                [example] = operation["requestBody"]["content"]["application/json"]["examples"].values()
                answer = http.request(method, path, json=example["value"])
                assert answer.status_code == status, answer.text
                made = answer.json()
                values = {into: made[source.removeprefix(IN_BODY)] for into, source in link["parameters"].items()}
                method_there, path_there, _ = operations[link["operationId"]]
                found = http.request(method_there, path_there.format_map(values))
                if not (found.is_success and values.items() <= found.json().items()):
                    yield f"{name} → {link['operationId']}: {found.status_code} {found.text}"


def links_of(operation: Json) -> Iterator[tuple[int, Json]]:
    """Yield each link of an operation with the status of its answer."""
    for status, response in operation["responses"].items():
        for link in response.get("links", {}).values():
            yield int(status), link


LONGER_BY_SPACES = re.compile(r'violates `maxLength`.*, became "(\s|.*\s"\))', re.DOTALL)
"""Fault that is none: a text is counted without the white space around it, which the document cannot say."""


def settings(url: str, key: str, *, random_too: bool) -> Json:
    """The settings of Schemathesis."""
    return {
        "seed": 1,
        "base-url": url,
        "headers": {"Authorization": f"Bearer {key}"},
        "continue-on-failure": True,
        # Of some bodies, as those of calls, few random ones keep to their patterns.
        "suppress-health-check": ["filter_too_much"],
        "generation": {"deterministic": True, "max-examples": EXAMPLES, "no-shrink": True, "database": "none"},
        "phases": {
            "fuzzing": {"enabled": random_too},
            # Each sequence takes as long as thirty requests for one operation.
            "stateful": {"enabled": random_too},
        },
        # `is_accepted_if_documented` takes its place, and knows the problems that depend on what is stored.
        "checks": {"positive_data_acceptance": {"enabled": False}},
    }


@contextmanager
def aimed(subjects: Subjects, answers: Counter[tuple[str, int]]) -> Iterator[None]:
    """Send requests to real cases and incidents within the block, and count the answers."""

    def before_call(_: HookContext, case: AnyCase, kwargs: Json) -> None:  # noqa: ARG001 - by name, as the hook is called
        assert case.meta is not None
        negative = case.meta.is_negative_at
        if case.meta.phase.name is not TestPhase.STATEFUL and not negative(ParameterLocation.PATH):
            case.path_parameters |= subjects.in_path(operation_id(case), case.operation.path)
        if not negative(ParameterLocation.QUERY):
            case.query |= subjects.in_query(operation_id(case))
        if isinstance(case.body, dict) and not negative(ParameterLocation.BODY):
            case.body |= subjects.in_body(operation_id(case), case.body)
        key = case.headers.get(IDEMPOTENCY_KEY)
        # One that came with another body is refused. The longest stay as they are.
        if key and len(key) < LONGEST_KEY - 8 and not negative(ParameterLocation.HEADER):
            case.headers[IDEMPOTENCY_KEY] = f"{key}-{answers.total()}"
        # The document cannot know the version, and Schemathesis makes tags that do not match their pattern.
        if not negative(ParameterLocation.HEADER):
            for name in ("If-Match", "If-None-Match"):
                case.headers.pop(name, None)

    def after_call(_: HookContext, case: AnyCase, response: Response) -> None:
        answers[operation_id(case), response.status_code] += 1
        if is_done(response.status_code):
            subjects.use_up(operation_id(case))

    schemathesis.hook(before_call)
    schemathesis.hook(after_call)
    try:
        yield
    finally:
        schemathesis.hooks.unregister(before_call)
        schemathesis.hooks.unregister(after_call)


def operation_id(case: AnyCase) -> str:
    found: str = case.operation.definition.raw["operationId"]
    return found


def is_done(status: int) -> bool:
    return httpx.codes.is_success(status)


def failures_of(event: events.EngineEvent) -> Iterator[str]:
    """Each fault that was found, with the request that shows it and its answer."""
    if isinstance(event, (events.NonFatalError, events.FatalError, events.Interrupted)):
        yield str(event)
    if isinstance(event, events.ScenarioFinished):
        for case_id, checks in event.recorder.checks.items():
            answer = event.recorder.interactions[case_id].response
            for found in (check.failure_info for check in checks if check.failure_info):
                told = f"{found.failure.title}: {found.failure.message}"
                if LONGER_BY_SPACES.search(told):
                    continue
                yield f"{event.recorder.label}: {told}\n{found.code_sample}\n{answer.text if answer else ''}"


def slug_of(response: Response) -> str | None:
    """Return the last part of a problem's type; None if the answer is no problem."""
    if MEDIA_TYPE not in response.headers.get("content-type", [""]):
        return None
    slug: str = response.json()["type"].removeprefix(URN)
    return slug


@schemathesis.check
def problem_is_documented(_: CheckContext, response: Response, case: AnyCase) -> None:
    """Hold a problem to the types that the document has for this operation and status."""
    slug = slug_of(response)
    if slug in (None, NOT_FOUND.slug, NO_METHOD.slug):  # the path or method is that of no operation
        return
    answer = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    if shared := answer.get("$ref"):
        answer = case.operation.schema.raw_schema["components"]["responses"][shared.rpartition("/")[2]]
    documented = answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    if slug not in documented:
        raise AssertionError(f"{slug} is none of {', '.join(documented)}")


@schemathesis.check
def is_accepted_if_documented(_: CheckContext, response: Response, case: AnyCase) -> None:
    """Hold the service to what the document permits: its form is never refused, but for `FORBIDDEN_CHARACTERS`.

    Patterns of Python and ECMA-262 have no common way to leave those characters out.
    """
    assert case.meta is not None
    slug = slug_of(response)
    is_beyond = FORBIDDEN_CHARACTERS.search(json.dumps([case.body, case.query], ensure_ascii=False, default=str))
    if case.meta.generation.mode.is_positive and slug in OF_FORM and not is_beyond and not names_nothing(response):
        raise AssertionError(f"the document permits it, and it is answered with {slug}")


def names_nothing(response: Response) -> bool:
    """Return True if all that is wrong are names, which the document has as texts, of something that there is not."""
    faults = response.json().get("errors") or [{"message": ""}]
    return all(fault["message"].startswith("There is no such ") for fault in faults)


def test_answers_are_as_documented(walk: Walk) -> None:
    if walk.failures:
        pytest.fail("\n\n".join(walk.failures), pytrace=False)


def test_links_lead_to_what_was_made(walk: Walk) -> None:
    assert walk.astray == []


def test_every_operation_is_reached(walk: Walk) -> None:
    """Each succeeds at least once, unless the role may not do it."""
    not_reached = []
    for name in walk.operations:
        counts = {status: count for (operation, status), count in sorted(walk.answers.items()) if operation == name}
        print(f"{name:24}{sum(counts.values()):6}  {counts}")  # noqa: T201 - `-s` shows that all are walked
        forbidden = walk.role is not Role.ADMIN and httpx.codes.FORBIDDEN in counts
        if not forbidden and not any(map(is_done, counts)):
            not_reached.append(name)
    assert not_reached == []
