"""Temporal UI as staff see it: the case itself, in Chinese and English, and the saved view of broken promises."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.temporal_ui.saved_views import COLUMNS, VIEWS, of_today, personal
from domain.calendar.work_calendar import on_the_wall
from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.service import Service
from tools.docs import pictures
from tools.docs.pictures import BREACHED, Stage

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]
COUNT = len([*personal("10001", "repair"), *of_today(datetime.now(UTC), "Asia/Shanghai"), *VIEWS])
"""Views of a person."""


@pytest.fixture(scope="module")
def stage(service: Service) -> Stage:
    return pictures.play(service)


def test_a_late_case_shows_its_promises_in_both_languages(page: Page, service: Service, stage: Stage) -> None:
    details = pictures.show_case(page, service, stage.late)
    for words in ("停水/无水 No water (P2)", "待签收", "dispatched", "首问责任人", "Owner", "陈美玲"):
        expect(details).to_contain_text(words)
    seen = pictures.Person(service, "许兰", Role.SUPERVISOR).see(stage.late)
    due = on_the_wall(datetime.fromisoformat(seen["clocks"][0]["due_at"]))
    promise = details.get_by_role("listitem").filter(has_text="限 limit 1 秒 s")
    expect(promise).to_contain_text("签收 acknowledge · 超时 missed")
    expect(promise).to_contain_text(f"到期 due {due:%Y-%m-%d %H:%M}")
    expect(details).to_contain_text("家里没水，不欠费。No water, nothing owed.")
    expect(details).to_contain_text("可办理 · What may be done next")
    expect(details).to_contain_text("sign_for")


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


def test_one_page_installs_all_views_and_the_columns(browser: Browser, service: Service, stage: Stage) -> None:
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f"{service.ui}/ui/views")
    page.get_by_label("工号 Your id").fill("陈美玲")
    page.get_by_label("部门 Your department").select_option("repair")
    page.get_by_role("button", name="安装 Install").click()
    expect(page.get_by_role("status")).to_contain_text(f" {COUNT} ")
    page.goto(f"{service.ui}/namespaces/default/workflows")
    for column in COLUMNS:
        expect(page.get_by_role("columnheader", name=column, exact=True)).to_be_visible()
    page.get_by_test_id("saved-views-button").click()
    page.get_by_text("我的工单 My cases").first.click()
    row = page.get_by_role("row").filter(has_text=f"complaint-{stage.late}")
    for words in ("no_water", "west", "dispatched", "missed", "陈美玲"):
        expect(row).to_contain_text(words)
    # It knows the person again, and installs nothing twice.
    page.goto(f"{service.ui}/ui/views")
    expect(page.get_by_label("工号 Your id")).to_have_value("陈美玲")
    expect(page.get_by_role("status")).to_contain_text(f" {COUNT} ")
    kept = page.evaluate("JSON.parse(localStorage.getItem('saved-workflow-queries')).default.map(view => view.name)")
    assert len(kept) == len({*kept}) == COUNT
    page.close()


def test_an_address_alone_chooses_no_person(browser: Browser, service: Service) -> None:
    """A link of anybody shows the views of its person. The button makes them those of this browser."""
    page = browser.new_page()
    page.goto(f"{service.ui}/ui/views?me=10099&department=billing")
    expect(page.get_by_text("These views are not installed")).to_be_visible()
    expect(page.get_by_role("link", name="我的工单 My cases")).to_have_attribute("href", re.compile("10099"))
    assert page.evaluate("localStorage.length") == 0
    page.get_by_role("button", name="安装 Install").click()
    expect(page.get_by_role("status")).to_contain_text(f" {COUNT} ")
    page.goto(f"{service.ui}/ui/views?me=10098")
    expect(page.get_by_text("These views are not installed")).to_be_visible()
    page.goto(f"{service.ui}/ui/views")
    expect(page.get_by_label("工号 Your id")).to_have_value("10099")
    kept = page.evaluate("localStorage.getItem('saved-workflow-queries')")
    assert ("10099" in kept, "10098" in kept) == (True, False)
    page.close()


def test_the_page_of_views_keeps_what_the_person_has_made(browser: Browser, service: Service) -> None:
    page = browser.new_page()
    page.goto(f"{service.ui}/namespaces/default/workflows?query=State%20%3D%20%22closed%22&savedQuery=Mine")
    expect(page.get_by_test_id("saved-views-button")).to_contain_text("Mine")
    own = {"default": [{"label": "State"}]}
    page.evaluate("own => localStorage.setItem('namespace-workflow-table-columns', JSON.stringify(own))", own)
    page.goto(f"{service.ui}/ui/views")
    expect(page.get_by_role("status")).to_be_visible()
    kept = page.evaluate("JSON.parse(localStorage.getItem('saved-workflow-queries')).default.map(view => view.name)")
    assert {"Mine", BREACHED.title} <= {*kept}
    assert page.evaluate("JSON.parse(localStorage.getItem('namespace-workflow-table-columns'))") == own
    page.close()


def test_the_link_of_a_case_leads_to_its_details(page: Page, service: Service, stage: Stage) -> None:
    link = pictures.Person(service, "许兰", Role.SUPERVISOR).see(stage.late)["links"]["temporal_ui"]
    assert link == f"{service.ui}/ui/case/{stage.late}"
    page.goto(link)
    expect(pictures.details_on(page, stage.late)).to_contain_text("家里没水，不欠费。No water, nothing owed.")


def test_a_number_that_is_typed_leads_to_the_details(page: Page, service: Service, stage: Stage) -> None:
    page.goto(f"{service.ui}/ui/views")
    for number in (f"{stage.late[:-1]}{(int(stage.late[-1]) + 1) % 10}", stage.late):
        page.get_by_label("工单号 Case number").fill(number)
        page.get_by_role("button", name="查看 Look up").click()
        if number != stage.late:
            expect(page.get_by_role("main")).to_contain_text("This is no case number")
    expect(pictures.details_on(page, stage.late)).to_contain_text("家里没水，不欠费。No water, nothing owed.")


def test_no_personal_data_is_in_the_lists(page: Page, service: Service, stage: Stage) -> None:
    pictures.show_view(page, service, BREACHED, stage.late)
    expect(page.get_by_text("nothing owed")).to_have_count(0)


def test_the_pictures_of_the_documentation_can_be_taken(
    browser: Browser, service: Service, stage: Stage, tmp_path: Path
) -> None:
    pictures.take(browser, service, stage, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "temporal-case.png",
        "temporal-breached.png",
        "temporal-parts.png",
        "caller-page.png",
        "caller-page-en.png",
        "caller-page-answered.png",
        "notice.png",
        "criticism.png",
        "incident-ui.png",
        "update-form.png",
        "views.png",
        "views-small.png",
    }
    assert all(path.stat().st_size > 20_000 for path in tmp_path.iterdir())
