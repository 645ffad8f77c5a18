"""The caller's page of a case whose caller nobody asked how it went: it thanks for no answer."""

from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client

from api.complaints.caller_words import STATE_FOR_CALLERS
from domain.case.lifecycle import State
from hotline.settings import DEFAULT_CATALOGUE
from tests.api.test_caller_page import CHINESE, replied, withdrawn
from tests.support.api import Api, running_api

pytestmark = pytest.mark.asyncio(loop_scope="session")


def one_try(folder: Path) -> Path:
    """The default catalogue, but for a caller who is tried once."""
    catalogue = folder / "catalogue.toml"
    once = 'follow_up_attempts = { count = 1, source = "I" }'
    catalogue.write_text(f'extends = "{DEFAULT_CATALOGUE}"\n\n[process]\n{once}\n', "utf-8")
    return catalogue


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tried_once(temporal: Client, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A service that tries a caller once: its clock is Temporal's, and a further try takes a further day."""
    folder = tmp_path_factory.mktemp("tried_once")
    async with running_api(temporal, f"sqlite:///{folder / 'hotline.db'}", folder, catalogue=one_try(folder)) as made:
        yield made


async def unreachable(api: Api) -> str:
    number = await replied(api)
    assert (await api.act(number, "follow_up", {"outcome": "unreachable"}, "he")).status_code == HTTPStatus.OK
    return number


async def settled_in_the_call(api: Api) -> str:
    call = {"service_code": "inquiry", "description": "水费怎么算"}
    number: str = (await api.register(call, "chen")).json()["number"]
    assert (await api.act(number, "answer", {"message": "按阶梯水价"}, "chen")).status_code == HTTPStatus.OK
    return number


@pytest.mark.parametrize(
    ("road", "state"), [(unreachable, "closed"), (settled_in_the_call, "closed"), (withdrawn, "withdrawn")]
)
async def test_a_caller_who_is_not_asked_is_not_thanked(
    tried_once: Api, road: Callable[[Api], Awaitable[str]], state: str
) -> None:
    number = await road(tried_once)
    assert (await tried_once.complaint(number))["state"] == state
    page = (await tried_once.http.get(tried_once.link(number), headers=CHINESE)).text
    assert STATE_FOR_CALLERS[State(state)][0] in page
    assert not any(word in page for word in ("感谢", "评价", "satisfied"))


async def test_a_caller_is_not_thanked_for_a_cycle_without_answer(tried_once: Api) -> None:
    """Closed unanswered and reopened, the case has moved on without him."""
    number = await unreachable(tried_once)
    path = tried_once.link(number)
    assert (await tried_once.act(number, "reopen", {"reason": "又没水"}, "chen")).status_code == HTTPStatus.OK
    page = (await tried_once.http.get(path, headers=CHINESE)).text
    assert ("已通知处理部门" in page, "感谢" in page) == (True, False)
