"""Temporal UI as staff see it after the sign-in: the case itself, in Chinese and English, and the saved views."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.temporal_ui.pages import VIEW_COLUMNS, VIEWS, of_today, personal
from domain.calendar.work_calendar import on_the_wall
from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.service import Service
from tools.docs import pictures
from tools.docs.pictures import BREACHED, Stage

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]
COUNT = len([*personal("10001", None), *of_today(datetime.now(UTC), "Asia/Shanghai"), *VIEWS])
"""Views of a person without a department."""
SAVED = "JSON.parse(localStorage.getItem('saved-workflow-queries')).default.map(view => view.name)"
CHOSEN = "JSON.parse(localStorage.getItem('namespace-workflow-table-columns')).default.map(each => each.label)"
MORE = (Role.SUPERVISOR, Role.MANAGER, Role.FOLLOW_UP, Role.ADMIN)
OFFICE = [Role.AGENT, Role.DISPATCHER, *(pytest.param(role, marks=pytest.mark.night) for role in MORE)]
"""Roles that see every case; the others are the same once more."""


@pytest.fixture(scope="module")
def stage(service: Service) -> Stage:
    return pictures.play(service)


@contextmanager
def desk(browser: Browser, service: Service, role: Role, department: str | None = None) -> Iterator[Page]:
    """Open a browser in which somebody of this role has signed in."""
    person = pictures.Person(service, f"{role.value} {department or ''}".strip(), role, department)
    with closing(pictures.new_page(browser, service, person.key, height=1080, width=1920)) as page:
        yield page


@pytest.mark.parametrize("role", OFFICE)
def test_the_office_sees_every_case(browser: Browser, service: Service, stage: Stage, role: Role) -> None:
    with desk(browser, service, role) as page:
        expect(page.get_by_role("status")).to_contain_text(f" {COUNT} ")
        expect(page.get_by_role("main")).to_contain_text(f"{role.zh} {role}")
        pictures.show_view(page, service, BREACHED, stage.late)
        page.goto(f"{service.api}/case/{stage.late}")
        expect(pictures.details_on(page, stage.late)).to_contain_text("家里没水，不欠费。No water, nothing owed.")


def test_a_crew_sees_the_cases_of_its_department_alone(browser: Browser, service: Service, stage: Stage) -> None:
    with desk(browser, service, Role.CREW, "metering") as page:
        expect(page.get_by_role("link", name="本部门工单 My department")).to_be_visible()
        page.goto(f"{service.ui}/namespaces/default/workflows")
        expect(page.get_by_text("No Workflows")).to_be_visible()
        page.goto(f"{service.api}/case/{stage.late}")
        expect(page.get_by_role("main")).to_contain_text("您无权查阅")
        for address in (f"{stage.late}", f"{stage.late}/history"):
            refused = page.goto(f"{service.ui}/api/v1/namespaces/default/workflows/complaint-{address}")
            assert refused
            assert refused.status == 403
            assert "家里没水" not in page.content()
    with desk(browser, service, Role.CREW, "billing") as page:
        row = pictures.show_row(page, f"{service.ui}/namespaces/default/workflows", stage.parts)
        expect(row).to_be_visible()
        expect(page.get_by_text(f"complaint-{stage.late}")).to_have_count(0)
        page.goto(f"{service.api}/case/{stage.parts}")
        expect(pictures.details_on(page, stage.parts)).to_contain_text("查欠费")


def test_a_telephone_system_sees_nothing(browser: Browser, service: Service, stage: Stage) -> None:
    with desk(browser, service, Role.TELEPHONY) as page:
        for path in ("/views", f"/case/{stage.late}", "/temporal/namespaces/default/workflows"):
            answer = page.goto(f"{service.api}{path}")
            assert answer
            assert answer.status == 403, path
            assert "家里没水" not in page.content()


def test_without_a_session_there_is_the_sign_in_alone(browser: Browser, service: Service, stage: Stage) -> None:
    wanted = f"{service.ui}/namespaces/default/workflows/complaint-{stage.late}"
    with closing(browser.new_page()) as page:
        answer = page.goto(wanted)
        assert answer
        assert answer.status == 401
        expect(page.get_by_role("heading", name="登录 Sign in")).to_be_visible()
        page.get_by_label("密钥 Key").fill(stage.supervisor.key)
        page.get_by_role("button", name="登录 Sign in").click()
        page.wait_for_url(f"{wanted}/**")
        page.goto(f"{service.api}/views")
        page.get_by_role("link", name="退出 Sign out").click()
        page.get_by_role("button", name="退出 Sign out").click()
        expect(page.get_by_label("密钥 Key")).to_be_visible()
        answer = page.goto(wanted)
        assert answer
        assert answer.status == 401


def test_the_former_address_leads_to_the_present_one(page: Page, service: Service, stage: Stage) -> None:
    page.goto(f"{service.former_ui}/namespaces/default/workflows/complaint-{stage.late}")
    page.wait_for_url(f"{service.ui}/namespaces/default/workflows/complaint-{stage.late}/**")


def test_a_late_case_shows_its_promises_in_both_languages(page: Page, service: Service, stage: Stage) -> None:
    details = pictures.show_case(page, service, stage.late)
    for words in ("停水/无水 No water (P2)", "待签收", "dispatched", "首问责任人", "Owner", "陈美玲"):
        expect(details).to_contain_text(words)
    seen = stage.supervisor.see(stage.late)
    due = on_the_wall(datetime.fromisoformat(seen["clocks"][0]["due_at"]))
    promise = details.get_by_role("listitem").filter(has_text="限 1 秒")
    expect(promise).to_contain_text("签收 acknowledge · 超时 missed")
    expect(promise).to_contain_text(f"到期 due {due:%Y-%m-%d %H:%M}")
    expect(details).to_contain_text("家里没水，不欠费。No water, nothing owed.")
    expect(details).to_contain_text("可办理 · What may be done next")
    expect(details).to_contain_text("sign_for")
    with page.expect_popup() as opened:
        details.get_by_role("link", name="签收").click()
    expect(opened.value).to_have_url(f"{service.api}/desk/cases/{stage.late}/actions/sign_for")
    expect(opened.value.get_by_role("heading", name="Sign for")).to_be_visible()
    opened.value.get_by_role("link", name=stage.late).click()
    opened.value.get_by_role("link", name="Show it in the Temporal UI").click()
    expect(pictures.details_on(opened.value, stage.late)).to_contain_text("家里没水")
    opened.value.close()


def test_a_paused_case_says_so_and_when_it_wakes(page: Page, service: Service, stage: Stage) -> None:
    details = pictures.show_case(page, service, stage.paused)
    for words in ("挂起", "suspended", "恢复时间", "Wakes at"):
        expect(details).to_contain_text(words)
    expect(details.get_by_role("listitem").filter(has_text="处理 resolve")).to_contain_text("暂停 paused")


def test_the_link_installs_the_saved_view_of_missed_clocks(page: Page, service: Service, stage: Stage) -> None:
    row = pictures.show_view(page, service, BREACHED, stage.late)
    for words in ("no_water", "dispatched", "missed", "repair"):
        expect(row).to_contain_text(words)
    expect(page.get_by_text(f"complaint-{stage.paused}")).to_have_count(0)
    page.goto(f"{service.ui}/namespaces/default/workflows")
    page.get_by_test_id("saved-views-button").click()
    expect(page.get_by_text(BREACHED.name).first).to_be_visible()


def test_the_sign_in_leads_to_a_page_that_installs_all_views_and_the_columns(
    browser: Browser, service: Service, stage: Stage
) -> None:
    with closing(pictures.new_page(browser, service, stage.agent.key, height=1080, width=1920)) as page:
        expect(page.get_by_role("status")).to_contain_text(f" {COUNT} ")
        page.get_by_role("link", name="打开工单列表 Open the list of cases").click()
        for column in VIEW_COLUMNS:
            expect(page.get_by_role("columnheader", name=column, exact=True)).to_be_visible()
        page.get_by_test_id("saved-views-button").click()
        page.get_by_text("我的工单 My cases").first.click()
        row = page.get_by_role("row").filter(has_text=f"complaint-{stage.late}")
        for words in ("no_water", "west", "dispatched", "missed", "陈美玲"):
            expect(row).to_contain_text(words)
        # It installs nothing twice.
        page.goto(f"{service.api}/views")
        expect(page.get_by_role("status")).to_contain_text(f" {COUNT} ")
        kept = page.evaluate(SAVED)
        assert len(kept) == len({*kept}) == COUNT


def test_who_signs_in_next_gets_views_of_their_own(browser: Browser, service: Service, stage: Stage) -> None:
    with closing(pictures.new_page(browser, service, stage.agent.key, height=800)) as page:
        assert {"我的工单 My cases"} <= {*page.evaluate(SAVED)}
        page.context.clear_cookies()
        pictures.sign_in(page, service, stage.crew.key)
        expect(page.get_by_role("main")).to_contain_text("梁伟")
        kept = {*page.evaluate(SAVED)}
        assert ("我的工单 My cases" in kept, "本部门工单 My department" in kept) == (False, True)


def test_the_page_of_views_keeps_what_the_person_has_made(page: Page, service: Service) -> None:
    page.goto(f"{service.ui}/namespaces/default/workflows?query=State%20%3D%20%22closed%22&savedQuery=Mine")
    expect(page.get_by_test_id("saved-views-button")).to_contain_text("Mine")
    own = {"default": [{"label": "State"}]}
    page.evaluate("own => localStorage.setItem('namespace-workflow-table-columns', JSON.stringify(own))", own)
    page.goto(f"{service.api}/views")
    expect(page.get_by_role("status")).to_be_visible()
    assert {"Mine", BREACHED.title} <= {*page.evaluate(SAVED)}
    assert page.evaluate(CHOSEN) == ["State"]
    page.get_by_role("button", name="恢复列 Restore the columns").click()
    assert page.evaluate(CHOSEN) == [*VIEW_COLUMNS]


def test_the_link_of_a_case_leads_to_its_details(page: Page, service: Service, stage: Stage) -> None:
    page.goto(f"{service.api}{stage.supervisor.see(stage.late)['links']['temporal_ui']}")
    expect(pictures.details_on(page, stage.late)).to_contain_text("家里没水，不欠费。No water, nothing owed.")


def test_a_number_that_is_typed_leads_to_the_details(page: Page, service: Service, stage: Stage) -> None:
    page.goto(f"{service.api}/views")
    for number in (f"{stage.late[:-1]}{(int(stage.late[-1]) + 1) % 10}", stage.late):
        page.get_by_label("工单号").fill(number)
        page.get_by_role("button", name="查看 Look up").click()
        if number != stage.late:
            expect(page.get_by_role("main")).to_contain_text("This is no case number")
    expect(pictures.details_on(page, stage.late)).to_contain_text("家里没水，不欠费。No water, nothing owed.")


def test_no_personal_data_is_in_the_lists(page: Page, service: Service, stage: Stage) -> None:
    pictures.show_view(page, service, BREACHED, stage.late)
    expect(page.get_by_text("nothing owed")).to_have_count(0)


@pytest.mark.night
def test_the_pictures_of_the_documentation_can_be_taken(
    browser: Browser, service: Service, stage: Stage, tmp_path: Path
) -> None:
    pictures.take(browser, service, stage, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "temporal-case.png",
        "temporal-breached.png",
        "temporal-parts.png",
        "temporal-grant.png",
        "caller-page.png",
        "caller-page-answered.png",
        "notice.png",
        "criticism.png",
        "incident-ui.png",
        "update-form.png",
        "sign-in.png",
        "views.png",
        "desk-list.png",
        "desk-case.png",
        "desk-intake.png",
        "desk-crew.png",
    }
    assert all(path.stat().st_size > 20_000 for path in tmp_path.iterdir())
