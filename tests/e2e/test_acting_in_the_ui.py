"""Actions in the form of the Temporal UI, as staff send them: what is wrong is said in words, without a stack trace."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from domain.shared.actors import Role
from tests.support.browser import needs_chromium
from tests.support.service import Service
from tools.docs import pictures
from tools.docs.pictures import Person

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pictures.running(tmp_path_factory.mktemp("service")) as service:
        service.run("person", "add", "10031", "--role", "dispatcher", "--name", "周敏")
        yield service


@pytest.fixture(scope="module")
def agent(service: Service) -> Person:
    return Person(service, "陈美玲", Role.AGENT)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with pictures.browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = pictures.new_page(browser, 1330)
    yield page
    page.close()


def form(page: Page, service: Service, number: str) -> Locator:
    """Open the form of a case's updates, and the list of their names."""
    page.goto(f"{service.ui}/namespaces/default/workflows/complaint-{number}")
    page.wait_for_url("**/timeline")
    page.get_by_role("button", name="More Actions").click()
    page.get_by_role("menu").get_by_text("Send an Update").click()
    dialog = page.get_by_role("dialog").filter(has=page.get_by_role("heading", name="Send an Update"))
    dialog.locator("form button").first.click()
    return dialog


def submit(page: Page, dialog: Locator, text: str = "") -> None:
    """Put this text into the field, and send it. The field grows when it is left, which moves the button."""
    if text:
        dialog.locator("[contenteditable=true]").click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
        dialog.get_by_text("Data", exact=True).click()
    dialog.get_by_role("button", name="Submit").click()


def test_the_list_shows_examples_and_sets_internal_updates_apart(page: Page, service: Service, agent: Person) -> None:
    form(page, service, agent.register("leak", "west", "漏水"))
    expect(page.get_by_role("option").filter(has_text="派单:")).to_contain_text(
        '示例 Example: {"as": "10031", "department": "repair"}'
    )
    internal = page.get_by_role("option").filter(has_text="内部 Internal")
    expect(internal.first).to_be_visible()
    assert all(text.startswith("internal_") for text in internal.all_inner_texts())


def test_what_is_wrong_is_said_in_words_until_the_example_works(page: Page, service: Service, agent: Person) -> None:
    number = agent.register("leak", "west", "漏水")
    dialog = form(page, service, number)
    page.get_by_role("option").filter(has_text="派单:").click()
    said = dialog.get_by_role("alert").last
    submit(page, dialog)
    expect(said).to_contain_text("填写有误：应填一个 JSON 对象")
    example = said.inner_text().partition("示例 Example: ")[2]
    for person, department, words in (
        ("10031", "plumbers", "department：没有这个部门代码，可填 repair（抢修队）"),
        ("10032", "repair", "as 10032 不在在岗人员名录中"),
    ):
        submit(page, dialog, json.dumps({"as": person, "department": department}))
        expect(said).to_contain_text(words)
        # One paragraph, and no block with frames below.
        assert "\n" not in said.inner_text().strip()
        expect(dialog).not_to_contain_text("File ")
    assert json.loads(example) == {"as": "10031", "department": "repair"}
    submit(page, dialog, example)
    expect(dialog).to_be_hidden()
    assert agent.see(number)["state"] == "dispatched"
    # The same once more is refused by the case.
    dialog = form(page, service, number)
    page.get_by_role("option").filter(has_text="派单:").click()
    submit(page, dialog, example)
    expect(dialog.get_by_role("alert").last).to_contain_text("部门和经办人均未变更。The case ")
    expect(dialog.get_by_role("alert").last).to_contain_text("Accepted: another department")
    expect(dialog).not_to_contain_text("File ")
