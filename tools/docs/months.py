"""A past month for pictures and tests: filled, begun, and judged by people over HTTP on a running service."""

import asyncio
from collections.abc import Awaitable, Callable

from demo.client import Hotline
from demo.past_month import Judging, fill_last_month
from demo.people import Staff
from domain.shared.actors import Role
from hotline.files.catalogue import load_catalogue
from hotline.settings import DEFAULT_CATALOGUE, Settings
from tests.support.service import Service

DEADLINE_SECONDS = 60.0
SEED = 2009


def judged(service: Service, how: Callable[[Judging], Awaitable[object]], **settings: str) -> str:
    """Fill the last month and have it judged as `how` says; return it, as 2026-08.

    `settings` are those of the command that begins the assessment.
    """
    month = fill_last_month(Settings(data_dir=service.data_dir), SEED)
    service.run("assessment", "begin", month, **settings)
    staff = Staff({each.department for each in load_catalogue(DEFAULT_CATALOGUE).services})
    judges = (person for person in staff.people if person.role in (Role.SUPERVISOR, Role.MANAGER))
    keys = {person.name: service.make_key(person.name, person.role) for person in judges}

    async def judge() -> None:
        async with Hotline.at(service.api, service.admin_key, DEADLINE_SECONDS) as hotline:
            hotline.keys = keys
            await how(Judging(hotline, staff, month))

    asyncio.run(judge())
    return month
