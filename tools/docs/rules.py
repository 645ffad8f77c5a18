"""Section of the lifecycle page about the conditions of time."""

REFUSED = (
    (
        "派单 `dispatch`",
        "In `dispatched`: to another department or assignee only (422).",
        "same-department",
    ),
    ("", "In `in_progress`: to another department (422), by dispatcher or supervisor (403).", "same-department"),
    ("退单 `return`", "Within two working days after the dispatch.", "return-too-late"),
    (
        "处理完成 `complete`",
        "If the service requires it (减免 `waiver`): after management's decision in this cycle.",
        "not-approved",
    ),
    ("申请延期 `request_extension`", "At least one working day before `resolve` expires.", "extension-too-late"),
    ("", "If no extension was granted in this cycle.", "extension-used"),
    ("", "Ten working days at most (422).", "extension-too-long"),
    ("延期审批 `decide_extension`", "Not by the person who asked (403).", "own-request"),
    ("", "To grant: before `resolve` has expired. To reject: at any time.", "extension-expired"),
    ("催办 `urge`", "By agents and supervisors: before the promise expires. By callers: at any time.", "urge-too-late"),
    ("撤销 `withdraw`", "By an agent who does not own it: with a call of its caller (403).", "call-needed"),
    ("撤回撤销 `reinstate`", "Within 72 hours after the withdrawal.", "out-of-turn"),
    ("更正 `correct`", "To other facts than those of the case (422).", "nothing-corrected"),
    ("", "Another service: over HTTP, where its terms are looked up (422).", "terms-not-sent"),
    ("", "Completed work: to a service that needs no decision of management.", "not-approved"),
    ("督办 `supervise`", "Once in a cycle.", "already-supervised"),
    ("移交 `hand_over`", "To another person than the owner (422).", "same-owner"),
    ("", "To a person of the directory who is of no crew (422).", "unknown-owner"),
    ("指派 `assign`", "To another person than the assignee (422).", "same-assignee"),
    ("", "To a person of the department (422).", "unknown-assignee"),
)
"""Actions with their condition, and the problem type of a refusal."""

BY_TIME = (
    ("催办通知书 `notice`", "One day after the miss, if the promise is still not kept.", "assignee, lead, owner"),
    (
        "通报批评 `criticise`",
        "Five working days after the notice went out, if the promise is still not kept.",
        "lead, director, general manager, owner, supervisor",
    ),
)
"""Events of the system with their instant and recipients."""


def rules_in_time() -> str:
    """Return the section as Markdown."""
    refused = "\n".join(f"| {what} | {rule} | `{slug}` |" for what, rule, slug in REFUSED)
    timed = "\n".join(f"| {what} | {when} | {told} |" for what, when, told in BY_TIME)
    return f"""## Conditions of time

The service refuses an action outside its time with 409, unless the table says otherwise. The answer names the rule, the
dates and the possible actions. The figures are those of the [default catalogue](catalogue.md#rules-of-the-chain).

| action | possible | else |
| --- | --- | --- |
{refused}

- An extension needs one day of working time before the expiry, also if `resolve` runs round the clock.
- Urging is about `resolve`; after it is kept, or if the service does not promise it, urging is about `reply`.
- A follow-up is dissatisfied if the matter is not solved, or the caller chose one of the last two of the five steps. A
  caller who was not contacted counts as unreachable. One who says so on the caller's page leaves the case, its promise
  and the number of tries as they are.
- After a second dissatisfied follow-up the system supervises the case.
- A hand-over notifies the old owner and the new owner.

The system raises two events of its own, each once in a cycle:

| event | time | recipients |
| --- | --- | --- |
{timed}

Both are about `resolve`; after it is kept, or if the service does not promise it, they are about `reply`. Their time is
paused while the case is suspended, and ends if the promise is kept. They go to the departments with unfinished
work: not to a department that has completed the case and waits for another department's part. See
[decision 13](decisions/0013-notices-and-documents.md).
"""
