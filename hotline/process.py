"""Start of the long-running programs of the service: worker and API."""

import gc
from collections.abc import Callable, Coroutine

import uvloop

from hotline import logs
from hotline.entry import make_private
from hotline.settings import Settings

YOUNGEST = 5_000
"""Objects made between two collections of the youngest generation (Python's own figure is 700)."""


def run(serve: Callable[[Settings], Coroutine[None, None, None]]) -> None:
    """Run a program with the settings of the environment until it returns.

    What its modules have made lives as long as the process. Frozen, it is no longer looked through by every full
    collection, which took a worker a tenth of a second each time, between two answers.
    """
    settings = Settings()
    logs.configure(settings)
    make_private(settings.data_dir)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST)
    uvloop.run(serve(settings))
