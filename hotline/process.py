"""Start of the long-running programs of the service: worker, API and the proxy before the Temporal UI."""

import gc
from collections.abc import Callable, Coroutine

import uvloop

from hotline import logs
from hotline.entry import make_private
from hotline.settings import Settings

YOUNGEST = 5_000
"""Objects created between two collections of the youngest generation (700 by default in Python)."""


def run(serve: Callable[[Settings], Coroutine[None, None, None]]) -> None:
    """Run a program with the settings of the environment until it returns.

    Objects of its modules live as long as the process. They are frozen, so that full collections skip them, which took
    a worker a tenth of a second each time.
    """
    settings = Settings()
    logs.configure(settings)
    make_private(settings.data_dir)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST)
    uvloop.run(serve(settings))
