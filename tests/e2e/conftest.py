"""Service and browser of the tests that look at the Temporal UI."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from domain.shared.actors import Role
from tests.support.service import Service
from tools.docs import pictures


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pictures.running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with pictures.browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """A page as high as the details of a case, with a supervisor signed in."""
    key = pictures.Person(service, "许兰", Role.SUPERVISOR).key
    page = pictures.new_page(browser, service, key, 1330)
    yield page
    page.close()
