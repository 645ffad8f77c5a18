"""What the documentation of the interface says of every operation: examples, errors, names."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI

from api import examples
from api.problems import KINDS, MEDIA_TYPE, PREFIX, Problem
from api.schemas import Complaint

Json = dict[str, Any]
Responses = dict[int | str, Json]

_SCHEMA = "#/components/schemas/{model}"

PAGE = {"tryItOutEnabled": True, "persistAuthorization": False, "filter": True, "validatorUrl": None}
"""How the page at `/docs` behaves: it forgets keys, and asks nobody outside what this description is worth."""

TAGS = [
    {"name": "complaints", "description": "Take complaints in, find them, read them. 工单"},
    {"name": "callers", "description": "Who calls: the customer, the cases of before, thanks. 来电人"},
    {"name": "actions", "description": "Everything that is done to a complaint, one operation for each action. 办理"},
    {"name": "incidents", "description": "One cause behind many calls, handled once. 突发事件"},
    {"name": "letters", "description": "Messages that no channel took, and sending them again. 未送达"},
    {"name": "reports", "description": "What a month came to. 报表"},
    {"name": "reference", "description": "What the company promises, and what may follow what. 目录与流程"},
    {"name": "operations", "description": "For those who run the service. 运维"},
]

ABOUT = """A water company's complaint hotline (供水热线). A complaint is durable in Temporal before it is answered.

* **200, 201**: durable, and lists show it. **202**: durable; lists will show it as soon as SQL is back.
* **503** with `Retry-After`: nobody knows. Send the same again with the same `Idempotency-Key`: it happens once, and
  the answer tells what became of it.
* Every error is a problem (RFC 9457, `application/problem+json`) whose `type` is stable and whose `detail` says what
  would be accepted.
* Times are RFC 3339 in UTC, durations are seconds, money is a decimal string in the catalogue's currency.
* A list is `{"items": [...], "next_cursor": ...}`; give `next_cursor` back as `cursor` to get the next page.
"""


def example(description: str, name: str) -> Json:
    """A documented answer, with one of `examples.ANSWERS`."""
    shown = {name: {"$ref": f"#/components/examples/{name}"}}
    return {"description": description, "content": {"application/json": {"examples": shown}}}


def accepted(name: str) -> Json:
    """The documented answer of what is durable and not yet in SQL."""
    return {"model": Complaint, **example("Durable; lists will show it as soon as SQL has caught up.", name)}


def errors(*slugs: str) -> Responses:
    """The documented error responses of an operation, by status; any may fail in a way that nobody foresaw (500)."""
    by_status: dict[int, list[str]] = {}
    for slug in (*slugs, "internal"):
        by_status.setdefault(int(KINDS[slug].status), []).append(slug)
    return {status: _problems(found) for status, found in by_status.items()}


def described(app: FastAPI) -> Callable[[], Json]:
    """The application's `openapi`, with what the framework does not say: it leaves out nulls and knows no problems."""
    framework = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            document = framework()
            components = document["components"]
            components["examples"] = {
                name: {"summary": name.replace("_", " "), "value": value} for name, value in examples.ANSWERS.items()
            }
            problem = Problem.model_json_schema(ref_template=_SCHEMA, mode="serialization")
            components["schemas"] |= {**problem.pop("$defs"), "Problem": problem}
            app.openapi_schema = document
        return app.openapi_schema

    return openapi


def _problems(slugs: Sequence[str]) -> Json:
    shown = {slug: {"summary": KINDS[slug].title, "value": _problem(slug)} for slug in slugs}
    return {
        "description": "; ".join(KINDS[slug].title for slug in slugs),
        "content": {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA.format(model="Problem")}, "examples": shown}},
    }


def _problem(slug: str) -> Json:
    kind = KINDS[slug]
    return {"type": PREFIX + slug, "title": kind.title, "status": int(kind.status), "detail": f"{kind.title}."}
