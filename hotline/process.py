"""Start of the long-running programs of the service: worker and API."""

import gc
from collections.abc import Callable, Coroutine

import uvloop

from hotline import logs
from hotline.entry import make_private
from hotline.settings import Settings

YOUNGEST = 5_000
"""Objects created between two collections of the youngest generation (700 by default in Python)."""


def run(serve: Callable[[Settings], Coroutine[None, None, None]]) -> None:
    settings = Settings()
    logs.configure(settings)
    make_private(settings.data_dir)
    collect_less()
    uvloop.run(serve(settings))


def collect_less() -> None:
    """Let the collector of garbage run less often, and leave out the objects of the modules.

    They live as long as the process. Full collections skip them now; they took a worker a tenth of a second each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNGEST)
