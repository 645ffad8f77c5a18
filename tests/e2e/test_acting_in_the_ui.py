"""Actions in the form of the Temporal UI, as staff send them: what is wrong is said in words, without a stack trace."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.service import Service
from tools.docs import pictures
from tools.docs.pictures import Person, show_form

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def agent(service: Service) -> Person:
    return Person(service, "陈美玲", Role.AGENT)


def submit(page: Page, dialog: Locator, text: str = "") -> None:
    """Put this text into the field, and send it. The field grows when it is left, which moves the button."""
    if text:
        dialog.locator("[contenteditable=true]").click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
        dialog.get_by_text("Data", exact=True).click()
    dialog.get_by_role("button", name="Submit").click()


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """A page on which a dispatcher has signed in."""
    key = Person(service, "周敏", Role.DISPATCHER).key
    page = pictures.new_page(browser, service, key, 1330)
    yield page
    page.close()


def test_the_list_shows_examples_and_sets_internal_updates_apart(page: Page, service: Service, agent: Person) -> None:
    show_form(page, service, agent.register("leak", "west", "漏水"))
    expect(page.get_by_role("option").filter(has_text="派单:")).to_contain_text(
        '示例 Example: {"department": "repair"}'
    )
    internal = page.get_by_role("option").filter(has_text="内部 Internal")
    expect(internal.first).to_be_visible()
    assert all(text.startswith("internal_") for text in internal.all_inner_texts())


def test_where_no_worker_tells_the_list_the_name_of_an_action_is_typed(
    page: Page, service: Service, agent: Person
) -> None:
    number = agent.register("leak", "west", "漏水")
    late = {"code": 4, "message": "context deadline exceeded"}
    page.route("**/query/__temporal_workflow_metadata*", lambda route: route.fulfill(status=504, json=late))
    page.goto(f"{service.ui}/namespaces/default/workflows/complaint-{number}")
    page.wait_for_url("**/timeline")
    page.get_by_role("button", name="More Actions").click()
    page.get_by_role("menu").get_by_text("Send an Update").click()
    dialog = page.get_by_role("dialog").filter(has_text="Send an Update")
    dialog.get_by_test_id("update-name").fill("dispatch")
    submit(page, dialog, '{"department": "repair"}')
    expect(dialog).to_be_hidden()
    assert agent.see(number)["state"] == "dispatched"


def test_what_is_wrong_is_said_in_words_until_the_example_works(page: Page, service: Service, agent: Person) -> None:
    number = agent.register("leak", "west", "漏水")
    dialog = show_form(page, service, number)
    page.get_by_role("option").filter(has_text="派单:").click()
    said = dialog.get_by_role("alert").last
    submit(page, dialog)
    expect(said).to_contain_text("填写有误：department：必填")
    example = said.inner_text().partition("示例 Example: ")[2]
    for wrong, words in (
        ({"department": "plumbers"}, "department：没有这个部门代码，可填 repair（抢修队）"),
        ({"as": "10032", "department": "repair"}, "as：没有这一项，可填 note, department, assignee"),
    ):
        submit(page, dialog, json.dumps(wrong))
        expect(said).to_contain_text(words)
        # One paragraph, and no block with frames below.
        assert "\n" not in said.inner_text().strip()
        expect(dialog).not_to_contain_text("File ")
    assert json.loads(example) == {"department": "repair"}
    submit(page, dialog, example)
    expect(dialog).to_be_hidden()
    found = agent.see(number)
    assert found["state"] == "dispatched"
    # The same once more is refused by the case.
    dialog = show_form(page, service, number)
    page.get_by_role("option").filter(has_text="派单:").click()
    submit(page, dialog, example)
    expect(dialog.get_by_role("alert").last).to_contain_text("部门和经办人均未变更，")
    expect(dialog.get_by_role("alert").last).to_contain_text("Accepted: another department")
    expect(dialog).not_to_contain_text("File ")
