"""Details of a case in the Temporal UI: what was wanted, found, replied and decided, and why a promise is due when."""

import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from domain.case.actions.comment import Comment
from domain.case.actions.complete import Complete
from domain.case.actions.decide_approval import DecideApproval
from domain.case.actions.decide_extension import DecideExtension
from domain.case.actions.follow_up import FollowUp
from domain.case.actions.link_incident import LinkIncident
from domain.case.actions.reply import Reply
from domain.case.actions.request_approval import RequestApproval
from domain.case.actions.request_extension import RequestExtension
from domain.case.actions.sign_for import SignFor
from domain.case.actions.suspend import Suspend
from domain.case.automatic.internal_updates import Undelivered
from domain.case.case import Case
from domain.case.lifecycle import State
from domain.case.progress import Satisfaction
from domain.case.state import CaseState
from domain.catalogue.terms import Organisation, Unit
from domain.shared.codes import Coded
from tests.support.build import (
    BODIES,
    DISPATCHER,
    INCIDENT,
    MONDAY,
    OTHER_CREW,
    PROMISES,
    THEN,
    case_in,
    days,
    do,
    hours,
    minutes,
    one,
    registration,
)
from tests.support.credits import OWED, late
from workflows.complaint.details import FLAG_ZH, LONGEST_WORDS, RECENT, details, latest, lines, timeline_line
from workflows.complaint.messages import search_attributes
from workflows.kit.search_attributes import HEADLINE, LONGEST_HEADLINE, NEXT_DUE_AT, headline
from workflows.kit.words import WorkerNames, duration, plain

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
CHART = Organisation(
    name="Hotline",
    name_zh="供水热线",
    units=(
        Unit(code="repair", name="Repair crew", name_zh="抢修队"),
        Unit(code="metering", name="Metering", name_zh="计量部"),
    ),
)


KNOWN = WorkerNames(
    districts={"west": "西区 West"},
    incidents={INCIDENT: "爆管 *Burst* main"},
    findings={"valve": "阀门 Valve"},
)


def shown(case: CaseState, at: datetime = THEN) -> str:
    return details(case, at, (), KNOWN)


def section(case: CaseState, heading: str) -> list[str]:
    """Lines of one section; none if it is not there."""
    _, found, rest = shown(case).partition(f"### {heading}")
    return rest.split("\n\n")[0].splitlines()[1:] if found else []


class TestOverview:
    def test_a_waiting_credit_shows_what_its_approver_has_to_check(self) -> None:
        case = late(owed=(OWED.model_copy(update={"note": "Paid before? 已付过？"}),))
        case.advance(MONDAY + hours(24))
        waiting = [line for line in shown(case).splitlines() if line.startswith(("- **待批", "- **核对"))]
        assert waiting == [
            "- **待批 waits** · 补偿 credits: 2 · 100.00 GBP",
            "- **核对 check** · Supply not restored: Paid before? 已付过？",
        ]

    def test_shows_what_the_caller_wants_and_nothing_of_the_caller(self) -> None:
        text = shown(case_in(State.IN_PROGRESS))
        assert "> No water at home since six." in text
        for secret in ("李婆婆", "0760 8823 7777", "A-17", "下闸新村", "22.54"):
            assert secret not in text

    def test_names_departments_beside_their_codes(self) -> None:
        case = case_in(State.IN_PROGRESS, organisation=CHART)
        do(case, BODIES["involve"], THEN)
        assert "抢修队 Repair crew `repair`" in shown(case)
        assert "计量部 Metering `metering`" in section(case, "部门联动 · Parts of other departments")[0]

    def test_names_the_district_and_the_incident(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, LinkIncident(incident=INCIDENT), THEN, DISPATCHER)
        assert "西区 West `west`" in shown(case)
        assert section(case, "并案 · Incident") == [rf"- {INCIDENT} · 爆管 \*Burst\* main"]

    def test_shows_what_a_worker_does_not_know_by_its_code(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, LinkIncident(incident=INCIDENT), THEN, DISPATCHER)
        text = details(case, THEN, (), WorkerNames())
        assert "| `west` |" in text.replace("\N{EN SPACE}", " ")
        assert f"- {INCIDENT}\n" in text

    def test_what_people_wrote_has_no_effect_as_markdown(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Complete(result="# [here](http://x) <b>*now*\n| and | then"), THEN)
        [line] = section(case, "查明 · Found and done")
        assert line.replace("\N{EN SPACE}", " ") == r"- \# \[here\](http\://x) \<b\>\*now\* \| and \| then"

    def test_no_address_becomes_a_link_in_which_escapes_would_be_lost(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Complete(result='http://e.x/<a href="https://evil.example">请登录</a>'), THEN)
        [line] = section(case, "查明 · Found and done")
        assert line == r'- http\://e.x/\<a href="https\://evil.example"\>请登录\</a\>'

    def test_the_callers_last_answer_stays_whatever_comes_later(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, FollowUp(outcome="dissatisfied", note="A joint still drips."), THEN)
        [line] = section(case, "回访 · Followed up")
        assert line.endswith("· 不满意 dissatisfied · A joint still drips.")

    def test_the_answers_to_the_three_questions_are_shown_in_both_languages(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        body = FollowUp(contacted=True, solved=False, satisfaction=Satisfaction.FAIRLY_SATISFIED, note="It drips.")
        [event] = do(case, body, THEN)
        answers = "已解决 solved: 否 no{0}满意度 satisfaction: 基本满意 fairly_satisfied"
        [line] = section(case, "回访 · Followed up")
        assert line.endswith(f"· 不满意 dissatisfied · {answers.format(' · ')} · It drips.")
        assert f"已联系 contacted: 是 yes; {answers.format('; ')}" in timeline_line(event, case)

    def test_flags_have_the_chinese_names_of_the_glossary(self) -> None:
        rows = re.findall(r"(?m)^- (\S+) `(\w+)`: ", GLOSSARY.read_text(encoding="utf-8"))
        glossary = {(code, zh) for zh, code in rows}
        assert {*FLAG_ZH.items()} <= glossary

    def test_a_suspended_case_says_at_the_top_why_and_until_when(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, Suspend(reason="Buys a *valve*.", wake_at=MONDAY + days(3)), THEN)
        rows = shown(case).replace("\N{EN SPACE}", " ").partition("|---|---|")[2].splitlines()
        assert rows[2:4] == [
            r"| 挂起原因 Suspended for | Buys a \*valve\*. |",
            "| 恢复时间 Wakes at | 2026-09-10 09:00 |",
        ]
        do(case, BODIES["resume"], MONDAY + hours(3))
        assert "Suspended for" not in shown(case)

    def test_says_who_may_do_what_next(self) -> None:
        case = case_in(State.REGISTERED)
        lines = section(case, "可办理 · What may be done next")
        form = f"/desk/cases/{case.number}/actions/dispatch"
        assert f"- [派单]({form}) `dispatch`: 话务员 agent, 派单员 dispatcher, 班长 supervisor" in lines
        assert not [line for line in lines if "system" in line]


class TestPromises:
    def department(self, case: CaseState) -> list[str]:
        return section(case, "部门时限 · The department's promises")

    def owner(self, case: CaseState) -> list[str]:
        return section(case, "对来电人的承诺 · The owner's promises to the caller")

    def test_are_due_in_the_companys_time_zone_with_the_reason(self) -> None:
        first, why, *_ = self.department(case_in(State.DISPATCHED))
        assert first.strip() == "- **签收 acknowledge** · 计时中 running · 到期 due **2026-09-07 09:10**"
        assert why.strip() == (
            "限 10 分钟，全天计时，起 2026-09-07 09:00 · limit 10 min, round the clock, from 2026-09-07 09:00"
        )

    def test_of_working_time_are_told_in_working_days_with_their_extension(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, RequestExtension(working_days=2, reason="Parts are late."), THEN)
        do(case, DecideExtension(approved=True), THEN)
        shown = "".join(self.owner(case))
        assert "限 7 工作日，工作时间，含延期 2 工作日" in shown
        assert "limit 7 working days, working time, with an extension of 2 working days" in shown

    def test_that_were_paused_say_what_was_used_before(self) -> None:
        case = case_in(State.IN_PROGRESS)
        do(case, BODIES["suspend"], MONDAY + minutes(30))
        assert "**到场 arrive** · 暂停 paused" in "".join(self.department(case))
        assert (
            "暂停中（挂起），已用 30 分钟 · limit 1 h, round the clock, from 2026-09-07 09:00, paused while suspended"
            in "".join(self.department(case))
        )
        assert self.department(case)[-1].strip() == "原因 reason: The caller buys a valve."
        do(case, BODIES["resume"], MONDAY + hours(3))
        assert "resumed 2026-09-07 12:00, used before 30 min" in "".join(self.department(case))

    def test_that_are_missed_say_if_they_are_still_not_kept(self) -> None:
        case = case_in(State.DISPATCHED)
        case.advance(MONDAY + minutes(11))
        assert "still not kept" in "".join(self.department(case))
        do(case, BODIES["sign_for"], MONDAY + minutes(12))
        assert "止 2026-09-07 09:12，用时 12 分钟，逾期完成" in "".join(self.department(case))

    def test_that_have_not_started_say_what_they_wait_for(self) -> None:
        assert "自回复起 · limit" in self.owner(case_in(State.IN_PROGRESS))[-1]

    def test_of_an_earlier_cycle_are_kept_without_reasons(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        do(case, FollowUp(outcome="dissatisfied"), THEN)
        assert [line for line in self.department(case) if "第 1 轮 cycle 1" in line]
        assert sum("limit 10 min" in line for line in self.department(case)) == 1

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (40, ("40 秒", "40 s")),
            (600, ("10 分钟", "10 min")),
            (5400, ("1.5 小时", "1.5 h")),
            (172_800, ("2 天", "2 d")),
        ],
    )
    def test_durations(self, seconds: float, words: tuple[str, str]) -> None:
        assert duration(seconds, 86_400) == words


class TestDone:
    def test_nothing_is_shown_of_what_has_not_happened(self) -> None:
        text = shown(case_in(State.DISPATCHED))
        for heading in ("查明", "回复 · Replied", "审批 ·", "未送达", "并案 ·"):
            assert f"### {heading}" not in text

    def test_shows_what_was_found_and_replied(self) -> None:
        case = case_in(State.IN_PROGRESS, organisation=CHART)
        do(case, BODIES["involve"], THEN)
        do(case, SignFor(), THEN, OTHER_CREW)
        do(case, Complete(result="No arrears."), THEN, OTHER_CREW)
        do(case, Complete(result="The valve core had dropped."), THEN)
        do(case, Reply(message="Water is back."), THEN)
        assert section(case, "查明 · Found and done") == [
            "- The valve core had dropped.",
            "- 计量部 Metering `metering`: No arrears.",
        ]
        assert section(case, "回复 · Replied to the caller") == ["- Water is back."]

    def test_names_findings_that_the_worker_knows(self) -> None:
        case = case_in(State.IN_PROGRESS, findings=("valve", "joint"))
        do(case, Complete(result="Replaced.", findings=("valve", "joint")), THEN)
        assert section(case, "查明 · Found and done")[1:] == [
            "- 查实 finding 阀门 Valve `valve` · 2026-09-07 09:03",
            "- 查实 finding `joint` · 2026-09-07 09:03",
        ]

    def test_shows_what_management_decides_on_what(self) -> None:
        case = case_in(State.IN_PROGRESS)
        asked = RequestApproval(subject="New pipes", amount=Decimal("480.00"), kind="funded_repair", grounds="Relief.")
        do(case, asked, THEN)
        heading = "审批 · Decided by management"
        assert section(case, heading) == ["- **待批 waits** · New pipes · 480.00 CNY · 依据 grounds: Relief."]
        do(case, DecideApproval(approved=True, reason="She is alone."), THEN)
        decided, reason = section(case, heading)
        wanted = "- **同意 approved** · New pipes · 480.00 CNY · 依据 grounds: Relief. · Gao Feng"
        assert (decided.strip(), reason.strip()) == (wanted, "原因 reason: She is alone.")

    def test_shows_which_notification_failed_on_which_channel(self) -> None:
        case = case_in(State.DISPATCHED)
        failed = Undelivered(key=f"{case.number}-2-caller:{case.number}", channel="sms", error="HTTP 503")
        event = one(case.undelivered(failed, THEN))
        [line] = section(case, "未送达 · Not delivered")
        assert line == "- 2026-09-07 09:03 · 来电人 Caller · 渠道 channel sms · 错误 error HTTP 503"
        assert "收件人 recipient: 来电人 Caller; 渠道 channel: sms; 错误 error: HTTP 503" in timeline_line(event, case)


class TestTimeline:
    def test_escalations_in_a_row_hide_nobody(self) -> None:
        case = case_in(State.DISPATCHED)
        said = do(case, Comment(note="The caller rang again."), MONDAY + minutes(1))
        late = case.advance(MONDAY + hours(3))
        done = do(case, SignFor(), MONDAY + hours(3))
        assert len(late) > RECENT / 2
        kept = latest(["- an earlier run's", *said, *late, *done])
        assert kept == ("- an earlier run's", *said, *late, *done)
        first, comment, escalated, signed = lines(kept, case)
        assert (first, "The caller rang again." in comment, "`sign_for`" in signed) == (
            "- an earlier run's",
            True,
            True,
        )
        last = timeline_line(late[-1], case).removeprefix("- ")
        count = len(late)
        assert escalated == f"- **升级 {count} 次** escalated {count} times · 最近 the last: {last}"

    def test_the_oldest_entries_leave(self) -> None:
        entries = [f"- {each}" for each in range(RECENT + 1)]
        assert latest(entries) == tuple(entries[1:])

    def test_an_entry_has_local_time_actor_state_and_words(self) -> None:
        case = case_in(State.IN_PROGRESS)
        [event] = do(case, Complete(result="The valve core had dropped."), THEN)
        assert timeline_line(event, case) == (
            "- 2026-09-07 09:03 · **处理完成** `complete` · Wu Gang → 待回复 pending_reply"
            "; 查明 found: The valve core had dropped."
        )

    def test_tells_nothing_of_the_caller(self) -> None:
        case, [event] = Case.register(registration())
        line = timeline_line(event, case)
        assert line.endswith("→ 已受理 registered; 首问责任人 owner: Chen Jing")

    def test_a_decision_has_subject_and_amount(self) -> None:
        case = case_in(State.AWAITING_APPROVAL)
        [event] = do(case, BODIES["decide_approval"], THEN)
        assert "决定 decided: 同意 approved; 事项 subject: New pipes" in timeline_line(event, case)

    def test_long_words_are_cut(self) -> None:
        case = case_in(State.IN_PROGRESS)
        [event] = do(case, Comment(note="水" * 2000), THEN)
        assert timeline_line(event, case).count("水") == LONGEST_WORDS - 1
        assert plain("水" * 2000).endswith("…")


class TestNextDueAt:
    def shown(self, case: CaseState) -> datetime | None:
        found: datetime | None = search_attributes(case, THEN)[NEXT_DUE_AT]
        return found

    def test_is_the_most_urgent_promise_also_when_it_is_missed(self) -> None:
        case = case_in(State.DISPATCHED, promises=PROMISES[:2])
        dues = []
        for count in (9, 11, 61):
            case.advance(MONDAY + minutes(count))
            dues.append(self.shown(case))
        assert dues == [MONDAY + minutes(10)] * 3
        do(case, BODIES["sign_for"], MONDAY + minutes(62))
        assert self.shown(case) == MONDAY + hours(1)
        do(case, BODIES["arrive"], MONDAY + minutes(63))
        assert self.shown(case) is None

    def test_of_a_suspended_case_is_what_it_had_missed(self) -> None:
        case = case_in(State.IN_PROGRESS, promises=PROMISES[:2])
        do(case, BODIES["suspend"], MONDAY + hours(2))
        assert self.shown(case) == MONDAY + hours(1)

    def test_a_follow_up_that_is_late_stays_on_the_list_until_it_is_made(self) -> None:
        case = case_in(State.PENDING_FOLLOW_UP)
        case.advance(MONDAY + days(2))
        assert self.shown(case) == MONDAY + days(1)
        do(case, FollowUp(outcome="satisfied"), MONDAY + days(2))
        assert self.shown(case) is None


class TestHeadline:
    def test_has_state_service_and_district_in_words_of_the_terms(self) -> None:
        west = Coded(code="west", name="West", name_zh="西区")
        case = case_in(State.DISPATCHED, district=west)
        assert search_attributes(case, THEN)[HEADLINE] == f"待签收 · {case.terms.name_zh} · 西区"

    def test_of_a_district_that_the_terms_do_not_name_has_its_code(self) -> None:
        case = case_in(State.DISPATCHED, district=Coded(code="east", name="East", name_zh="东区"))
        assert search_attributes(case, THEN)[HEADLINE] == f"待签收 · {case.terms.name_zh} · west"

    def test_fits_into_a_column_of_temporal(self) -> None:
        assert headline("字" * 300, None) == "字" * LONGEST_HEADLINE
