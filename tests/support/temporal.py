"""Temporal for tests: the real server of `hotline up`, in memory, with skippable time."""

import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from tests.support.sealing import DATA_CONVERTER, SEALING
from workflows.kit.search_attributes import REGISTRY

TEMPORAL = str(Path(sys.executable).with_name("temporal"))
DYNAMIC_CONFIG = (
    "frontend.WorkflowTimeSkippingEnabled=true",
    "frontend.WorkflowPauseEnabled=true",
    # By default the server rounds timers up to a second: skipping time would wait as long at every one.
    'history.timerProcessorMaxTimeShift="50ms"',
)
STARTS = 20
"""Tries to start a server. The SDK gives it five seconds, which a machine busy with other tests may not have."""


async def temporal_server(*dynamic_config: str, ui_port: int | None = None) -> WorkflowEnvironment:
    """Start a server on which each workflow has a clock of its own; `dynamic_config` adds `name=value` pairs.

    With `ui_port`, it has the UI's server at that port of the loopback as well.
    """
    flags = [flag for value in (*DYNAMIC_CONFIG, *dynamic_config) for flag in ("--dynamic-config-value", value)]
    start = partial(
        WorkflowEnvironment.start_time_skipping_v2,
        ts_config=TimeSkippingConfig(enabled=False),
        dev_server_existing_path=TEMPORAL,
        dev_server_extra_args=["--log-level", "error", "--ui-public-path", "/temporal", *flags],
        ui=ui_port is not None,
        ui_port=ui_port,
        data_converter=DATA_CONVERTER,
        interceptors=SEALING["interceptors"],
        search_attributes=list(REGISTRY),
    )
    for _ in range(STARTS - 1):
        with suppress(RuntimeError):
            return await start()
    return await start()
