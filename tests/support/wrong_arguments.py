"""Wrong arguments of updates, as people send them from the Temporal UI, and words of the refusals."""

from typing import Any

DEPARTMENTS = "repair（"
"""Beginning of the list of departments in Chinese."""
WRONG: list[tuple[str, list[Any], str, str]] = [
    (
        "dispatch",
        [{"as": "10031", "department": "plumbers"}],
        f"department：没有这个部门代码，可填 {DEPARTMENTS}",
        "department: there is no such department; accepted: repair (",
    ),
    ("dispatch", [{"as": "10031", "department": "抢修"}], "department：没有这个部门代码", "no such department"),
    (
        "involve",
        [{"as": "10031", "department": "repair", "task": "?", "takes_over": "x"}],
        "takes_over：",
        "takes_over: ",
    ),
    ("dispatch", [{"department": "repair"}], "as：必填", "as: required"),
    ("dispatch", [{"as": "10031"}], "department：必填", "department: required"),
    ("dispatch", [{"as": 10031, "department": "repair"}], "as：应填文字", "as: Input should be a valid string"),
    (
        "dispatch",
        [{"as": "10031", "department": "repair", "colour": 1}],
        "colour：没有这一项，可填 as, note, department, assignee",
        "colour: unknown field; accepted: as, note, department, assignee",
    ),
    (
        "follow_up",
        [{"as": "10031", "outcome": "good"}],
        "outcome：可填 satisfied、dissatisfied、",
        "outcome: accepted: 'satisfied'",
    ),
    (
        "follow_up",
        [{"as": "10031", "satisfaction": "satisfied"}],
        "只填 outcome，或只填 contacted: false，或填 contacted: true 并填 solved 和 satisfaction",
        "satisfaction without contacted; accepted: outcome alone",
    ),
    ("suspend", [{"as": "10031", "reason": "?", "wake_at": "tomorrow"}], "wake_at：应填带时区的时间", "RFC 3339"),
    (
        "correct",
        [{"as": "10031", "reason": "?", "location": {"lat": 22.5}}],
        "location：lat 和 lng 应同时填写",
        "location: lat and lng go together",
    ),
    ("dispatch", [], "应填一个 JSON 对象", "one JSON object is accepted"),
    ("dispatch", [{}, {}], "应填一个 JSON 对象", "one JSON object is accepted"),
    ("dispatch", ["repair"], "应填一个 JSON 对象", "one JSON object is accepted"),
    ("dispatch", [None], "应填一个 JSON 对象", "one JSON object is accepted"),
    (
        "dispatch",
        [{"as": "10031", "department": "repair", "Assignee": "40001"}],
        "Assignee：没有这一项",
        "Assignee: unknown field; accepted: as",
    ),
    (
        "dispatch",
        [{"as": "10031", "department": "repair", "actor": {"id": "10001"}}],
        "actor：没有这一项",
        "actor: unknown field",
    ),
    (
        "correct",
        [{"as": "10031", "reason": "?", "caller": "abc"}],
        "caller：应填一个 JSON 对象",
        "caller: one JSON object",
    ),
    (
        "correct",
        [{"as": "10031", "reason": "?", "caller": {"phone": "abc"}}],
        "应填电话号码",
        "A telephone number: 3 to",
    ),
    ("link_incident", [{"as": "10031", "incident": "foo"}], "应填突发事件编号", "i and eleven digits"),
]
