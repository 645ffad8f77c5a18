"""Wrong arguments of updates, as people send them from the Temporal UI, and words of the refusals."""

from typing import Any

DEPARTMENTS = "repair（"
"""Beginning of the list of departments in Chinese."""
WRONG: list[tuple[str, list[Any], str, str]] = [
    (
        "dispatch",
        [{"department": "plumbers"}],
        f"department：没有这个部门代码，可填 {DEPARTMENTS}",
        "department: There is no such department; accepted: repair (",
    ),
    ("dispatch", [{"department": "水管工"}], "department：没有这个部门代码", "no such department"),
    (
        "involve",
        [{"department": "repair", "task": "?", "takes_over": "x"}],
        "takes_over：",
        "takes_over: ",
    ),
    ("dispatch", [{}], "department：必填", "body.department: Field required"),
    ("dispatch", [{"department": 7}], "department：应填文字", "department: Input should be a valid string"),
    (
        "dispatch",
        [{"department": "repair", "colour": 1}],
        "colour：没有这一项，可填 note, department, assignee",
        "colour: Unknown field; accepted: note, department, assignee",
    ),
    (
        "follow_up",
        [{"outcome": "good"}],
        "outcome：可填 satisfied、dissatisfied、",
        "outcome: Input should be 'satisfied'",
    ),
    (
        "follow_up",
        [{"satisfaction": "satisfied"}],
        "只填回访结果；或未联系上的，只填是否联系上；或已联系上的，同时填是否联系上、是否解决和满意度",
        "Give outcome alone, contacted alone if it is false, or contacted, solved and satisfaction if it is true",
    ),
    ("suspend", [{"reason": "?", "wake_at": "tomorrow"}], "wake_at：应填带时区的时间", "RFC 3339"),
    (
        "correct",
        [{"reason": "?", "location": {"lat": 22.5}}],
        "location：纬度和经度应同时填写",
        "location: lat and lng go together",
    ),
    ("dispatch", [], "department：必填", "department: Field required"),
    ("dispatch", [{}, {}], "应填一个 JSON 对象", "Send one JSON object"),
    ("dispatch", ["repair"], "应填一个 JSON 对象", "body: Input should be an object"),
    ("dispatch", [None], "应填一个 JSON 对象", "body: "),
    (
        "dispatch",
        [{"department": "repair", "Assignee": "40001"}],
        "Assignee：没有这一项",
        "Assignee: Unknown field; accepted: note",
    ),
    (
        "dispatch",
        [{"department": "repair", "actor": {"id": "10001"}}],
        "actor：没有这一项",
        "actor: Unknown field",
    ),
    (
        "correct",
        [{"reason": "?", "caller": "abc"}],
        "caller：应填一个 JSON 对象",
        "caller: Input should be an object",
    ),
    (
        "correct",
        [{"reason": "?", "caller": {"phone": "abc"}}],
        "应填电话号码",
        "A telephone number: 3 to",
    ),
    ("link_incident", [{"incident": "foo"}], "应填突发事件编号", "i and eleven digits"),
]
