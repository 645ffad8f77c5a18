"""Records histories of new paths: `python -m tests.replay.record`, or with the names of the paths wanted.

A history that is there already is never written again.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.hotline import Hotline, hotline, temporal_server
from tests.replay.paths import PATHS

HISTORIES = Path(__file__).parent / "histories"


async def record(house: Hotline, name: str) -> None:
    """Play the path and keep its history."""
    complaint = await PATHS[name](house)
    history = await complaint.handle.fetch_history()
    (HISTORIES / f"{name}.json").write_text(history.to_json() + "\n", encoding="utf-8")


async def main(names: list[str]) -> None:
    """Record the paths of these names that have no history yet; all such paths if none is named."""
    missing = [name for name in names or PATHS if not (HISTORIES / f"{name}.json").exists()]
    with tempfile.TemporaryDirectory() as folder:
        async with await temporal_server() as server, hotline(server, Path(folder)) as house:
            for name in missing:
                await record(house, name)
                print(f"recorded {name}")  # noqa: T201 - a command that says what it does


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
