"""Section of the lifecycle page about the conditions of time."""

RULES_IN_TIME = """## Conditions of time

Outside these conditions the service refuses an action, with 409 unless the list says otherwise. The answer names the
rule, the dates and the possible actions. The figures are those of the
[default catalogue](catalogue.md#rules-of-the-chain).

- 派单 `dispatch` in `dispatched`: to another department or assignee only (422 `same-department`).
- 派单 `dispatch` in `in_progress`: to another department (422), by dispatcher or supervisor (403).
- 退单 `return`: within two working days after the dispatch (`return-too-late`).
- 处理完成 `complete`, if the service requires it (减免 `waiver`): after management's decision in this cycle
  (`not-approved`).
- 申请延期 `request_extension`: at least one day of working time before `resolve` expires, even if that runs round
  the clock (`extension-too-late`); once in a cycle, if granted (`extension-used`); ten working days at most (422
  `extension-too-long`).
- 延期审批 `decide_extension`: not by the person who asked (403 `own-request`); to grant, before `resolve` has expired
  (`extension-expired`).
- 催办 `urge`: by agents and supervisors before the promise expires (`urge-too-late`), by callers at any time. The
  promise is `resolve`; after it is kept, or if the service does not promise it, `reply`.
- 撤销 `withdraw` by an agent who does not own the case: with a call of its caller (403 `call-needed`).
- 重开 `reopen`, 撤回撤销 `reinstate`: within 72 hours after the close or the withdrawal (`out-of-turn`).
- 更正 `correct`: to other facts than those of the case (422 `nothing-corrected`); to another service over HTTP only,
  where its terms are looked up (422 `terms-not-sent`); completed work only to a service that needs no decision of
  management (`not-approved`).
- 督办 `supervise`: once in a cycle (`already-supervised`).
- 移交 `hand_over`: to another person than the owner (422 `same-owner`), of the directory and of no crew (422
  `unknown-owner`). Both are notified.
- 指派 `assign`: to another person than the assignee (422 `same-assignee`), of the department (422 `unknown-assignee`).
- 回访 `follow_up`: [outcomes](api.md#follow-up). Callers change theirs until the rework is signed for, or the window
  ends.

The system raises two events, each once in a cycle, if the same promise as for urging is still not kept:

- 催办通知书 `notice`, one day after the miss: to assignee, lead and owner.
- 通报批评 `criticise`, five working days after the notice went out: to lead, director, general manager, owner and
  supervisor.

Their time is paused while the case is suspended, and ends if the promise is kept. They go to the departments with
unfinished work: not to one that has completed the case and waits for another's part.
"""
