"""Records histories of new paths: `python -m tests.replay.record`, or with the names of the paths wanted.

A history that is there already is never written again.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from temporalio.client import WorkflowHistory

from tests.hotline import Hotline, hotline, temporal_server, until
from tests.replay.paths import PATHS
from workflows.courier import start_courier

HISTORIES = Path(__file__).parent / "histories"


COURIER = "courier"


async def record(house: Hotline, name: str) -> None:
    """Play the path and keep its history."""
    played = await (courier(house) if name == COURIER else complaint(house, name))
    (HISTORIES / f"{name}.json").write_text(played.to_json() + "\n", encoding="utf-8")


async def complaint(house: Hotline, name: str) -> WorkflowHistory:
    """The history of a complaint that went this way."""
    return await (await PATHS[name](house)).handle.fetch_history()


async def courier(house: Hotline) -> WorkflowHistory:
    """The history of a courier that has begun its first shift."""
    handle = await start_courier(house.client, house.settings.task_queue)
    await until(handle.describe, lambda seen: len(seen.raw_description.pending_activities) == 1)
    return await handle.fetch_history()


async def main(names: list[str]) -> None:
    """Record the paths of these names that have no history yet; all such paths if none is named."""
    missing = [name for name in names or (*PATHS, COURIER) if not (HISTORIES / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as folder:
        async with await temporal_server() as server, hotline(server, Path(folder)) as house:
            for name in missing:
                await record(house, name)
                print(f"recorded {name}")  # noqa: T201 - a command that says what it does


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
