"""The file `run.json` in the data folder: the programs that `hotline up` runs, for commands and for its next start."""

import json
from contextlib import suppress
from pathlib import Path

RUN_FILE = "run.json"


def temporal_address(data_dir: Path) -> str | None:
    """Return the address at which `hotline up` runs Temporal for this data folder; None if it does not."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((data_dir / RUN_FILE).read_bytes())["temporal"]["address"])
    return None
