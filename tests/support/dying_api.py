"""An API process that kills itself at its first write to SQL: `python -m tests.support.dying_api before|after`.

`before`: Temporal has answered, and nothing was given to SQL. `after`: SQL has committed, and no answer was sent.
"""

import os
import signal
import sys
from collections.abc import Awaitable

from activities.projection import SenderWriter
from api.__main__ import main
from hotline import entry

POINTS = ("before", "after")
_committed = SenderWriter.committed


async def _die_writing(self: SenderWriter, work: Awaitable[object]) -> bool:
    if sys.argv[1] == "after" and not await _committed(self, work):
        raise RuntimeError("SQL did not take it")
    os.kill(os.getpid(), signal.SIGKILL)
    return False


if __name__ == "__main__":
    SenderWriter.committed = _die_writing  # type: ignore[method-assign]  # the hook of the test
    entry.run_main(main)
