"""Start of the long-running programs, worker and API, and their logging: one line per entry on standard error.

Entries are text or JSON. They name cases by number and people by id; callers, addresses and bodies are never logged.
"""

import gc
import logging
import math
import re
import sys
import time
from collections.abc import Callable, Coroutine
from types import NoneType

import structlog
import uvloop

from activities.sealing.stamps import UndecidedError
from hotline.entry import make_private
from hotline.settings import Settings

YOUNGEST = 5_000
"""Objects created between two collections of the youngest generation (700 by default in Python)."""
AGAIN_SECONDS = 600.0
"""Pause before the log has an UndecidedError again."""
MOST_LOGGED = 1000
"""Such entries that are remembered."""
_INPUT = re.compile(r", input_value=.*, input_type=\w+(?=])")
"""Input that pydantic quotes in its errors: it may be what a caller has said."""
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_TRACES = frozenset({"exception", "stack"})
_logged_at: dict[str, float] = {}


def run(serve: Callable[[Settings], Coroutine[None, None, None]]) -> None:
    settings = Settings()
    configure_logging(settings)
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


def configure_logging(settings: Settings) -> None:
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                on_own_lines,
                renderer,
            ],
        )
    )
    handler.addFilter(shorten)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # At each start it tells of its own parts while the tables are compared.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def on_own_lines(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape control characters, so that no text that is logged begins a line of its own; indent tracebacks.

    What pydantic quotes is left out.
    """
    for name, value in entry.items():
        if name in _TRACES and isinstance(value, str):
            lines = value.replace("\r", "\n").split("\n")
            entry[name] = "\n".join(f"  {_escaped(line)}" for line in lines)
        elif isinstance(value, str):
            entry[name] = _escaped(value)
        elif not isinstance(value, (bool, int, float, NoneType)):
            entry[name] = _escaped(repr(value))
    return entry


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), _INPUT.sub("", text))


def shorten(record: logging.LogRecord) -> bool:
    """Shorten an UndecidedError to one line; return False if it was logged lately, as it is tried on and on."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, UndecidedError):
        return True
    record.msg, record.args, record.exc_info = f"{record.getMessage()}: {error}", (), None
    now = time.monotonic()
    if now - _logged_at.get(record.msg, -math.inf) < AGAIN_SECONDS:
        return False
    if len(_logged_at) >= MOST_LOGGED:
        _logged_at.clear()
    _logged_at[record.msg] = now
    return True
