"""An API process that kills itself at its first request: `python -m tests.support.dying_api sent|before|after`.

`sent`: Temporal was asked, and has perhaps not answered. `before`: Temporal has answered, and nothing was given to SQL.
`after`: SQL has committed, and no answer was sent.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable
from typing import Any

from activities.cases import Projection
from api.__main__ import main
from api.temporal import client, errors
from hotline import entry
from workflows.clients.start import start_once

POINTS = ("sent", "before", "after")
SENT_SECONDS = 0.003
"""Time after which a request is on its way, and most are not answered."""
_committed = Projection._committed


async def _die_asking(call: Awaitable[Any]) -> None:
    await asyncio.wait({asyncio.ensure_future(call)}, timeout=SENT_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


async def _die_writing(self: Projection, work: Awaitable[object]) -> bool:
    if sys.argv[1] == "after" and not await _committed(self, work):
        raise RuntimeError("SQL did not take it")
    os.kill(os.getpid(), signal.SIGKILL)
    return False


if __name__ == "__main__":
    # The hooks of the test.
    if sys.argv[1] == "sent":
        errors.answer_or_none = _die_asking
        vars(client)["start_once"] = lambda *given, **more: _die_asking(start_once(*given, **more))
    Projection._committed = _die_writing  # type: ignore[method-assign]
    entry.run_main(main)
