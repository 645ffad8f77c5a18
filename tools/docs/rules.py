"""The rules of the lifecycle that have their time, for the page that is drawn from its table."""

REFUSED = (
    (
        "派单 `dispatch`",
        "Once dispatched, until it is signed for, to another department or another assignee (422).",
        "same-department",
    ),
    ("退单 `return`", "Within two working days of the dispatch, with the reason.", "return-too-late"),
    (
        "处理完成 `complete`",
        "Where the service says so (减免 `waiver`), once management has decided in the cycle, for or against.",
        "not-approved",
    ),
    (
        "申请延期 `request_extension`",
        "A working day before `resolve` expires, of one that runs round the clock as well,",
        "extension-too-late",
    ),
    ("", "granted once in a cycle,", "extension-used"),
    ("", "for ten working days at most (422).", "extension-too-long"),
    ("延期审批 `decide_extension`", "Not by whoever asked (403),", "own-request"),
    ("", "nor granted once `resolve` has expired; rejected at any time.", "extension-expired"),
    (
        "催办 `urge`",
        "Agents and supervisors before `resolve` expires, or `reply` where that is all that is left. Callers always.",
        "urge-too-late",
    ),
    (
        "督办 `supervise`",
        "Once in a cycle. The rework after a second dissatisfied follow-up is supervised by itself.",
        "already-supervised",
    ),
    (
        "移交 `hand_over`",
        "By a supervisor, to somebody else (422). The new owner and the old one are told.",
        "same-owner",
    ),
    (
        "",
        "To somebody of the staff who has a key (422). An administrator hands over to anybody.",
        "unknown-owner",
    ),
)
"""Rules for people's actions, each with the type of the problem that breaks it."""

BY_TIME = (
    (
        "催办通知书 `notice`",
        "A day after `resolve` was missed, or `reply` where that is all that is left, when it still runs.",
        "assignee, lead, owner",
    ),
    (
        "通报批评 `criticise`",
        "Five working days after the notice went out, when it still runs.",
        "lead, director, general manager, owner, supervisor",
    ),
)
"""Events that time brings: the instant, and the recipients."""


def rules_in_time() -> str:
    """Return the section, in Markdown."""
    refused = "\n".join(f"| {what} | {rule} | `{slug}` |" for what, rule, slug in REFUSED)
    brought = "\n".join(f"| {what} | {when} | {told} |" for what, when, told in BY_TIME)
    return f"""## Rules in time

What is out of its time is refused with 409, and the answer names the rule, the dates, and what may be done instead. The
figures are those of the [default catalogue](catalogue.md#rules-of-the-chain).

| what | rule | otherwise |
| --- | --- | --- |
{refused}

What time brings by itself, each once in a cycle:

| what | when | who is told |
| --- | --- | --- |
{brought}

The time towards both stands still while the case is suspended, and ends with the work. They go to the departments whose
work is waited for: not to one that has completed the case and waits for another's part.
[Why](decisions/0013-notices-and-documents.md).
"""
