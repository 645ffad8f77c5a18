"""Records histories of new paths: `python -m tests.replay.record`, or with the names of the paths wanted.

A history that is there already is never written again.
"""

import asyncio
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.client import WorkflowHistory

from domain.terms import Edition
from tests.hotline import Hotline, hotline, temporal_server, until
from tests.replay.paths import PATHS
from workflows.catalogue import CatalogueWorkflow, RoundStart, start_round
from workflows.courier import start_courier

HISTORIES = Path(__file__).parent / "histories"


COURIER = "courier"
CATALOGUE = "catalogue"


async def record(house: Hotline, name: str) -> None:
    """Play the path and keep its history."""
    others = {COURIER: courier, CATALOGUE: catalogue}
    played = await (others[name](house) if name in others else complaint(house, name))
    (HISTORIES / f"{name}.json").write_text(played.to_json() + "\n", encoding="utf-8")


async def complaint(house: Hotline, name: str) -> WorkflowHistory:
    """The history of a complaint that went this way."""
    return await (await PATHS[name](house)).handle.fetch_history()


async def courier(house: Hotline) -> WorkflowHistory:
    """The history of a courier that has begun its first shift."""
    handle = await start_courier(house.client, house.settings.task_queue)
    await until(handle.describe, lambda seen: len(seen.raw_description.pending_activities) == 1)
    return await handle.fetch_history()


async def catalogue(house: Hotline) -> WorkflowHistory:
    """The history of a round over two open cases, one of which is reached by the second look."""
    slower = house.catalogue.model_copy(update={"time_scale": 0.5})
    edition = Edition(digest="0" * 12, name="Half as fast", name_zh="放慢一半")
    start = RoundStart(
        catalogue=slower, edition=edition, closed_after=datetime.now(UTC) - timedelta(days=3), settle_seconds=3600
    )
    await (await house.start()).published(1)
    running = await start_round(house.client, house.settings.task_queue, start)
    await until(lambda: running.query(CatalogueWorkflow.progress), lambda at: at.counts.get("changed") == 1)
    await (await house.start()).published(1)
    await house.server.fast_forward(running, timedelta(seconds=3601))
    await running.result()
    return await running.fetch_history()


async def main(names: list[str]) -> None:
    """Record the paths of these names that have no history yet; all such paths if none is named."""
    missing = [name for name in names or (*PATHS, COURIER, CATALOGUE) if not (HISTORIES / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as folder:
        async with await temporal_server() as server, hotline(server, Path(folder)) as house:
            for name in missing:
                await record(house, name)
                print(f"recorded {name}")  # noqa: T201 - a command that says what it does


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
