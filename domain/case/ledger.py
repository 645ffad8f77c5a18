"""The clocks of a case as one: what happens to those of the case itself, of one part of it, or to all."""

from collections.abc import Callable, Iterable
from datetime import datetime

from domain.case.clocks import Clock
from domain.case.state import Record
from domain.catalogue.terms import ClockName

Change = Callable[[Clock], Clock]


def change(record: Record, change: Change, names: Iterable[str] | None = None, part: int | None = 0) -> None:
    """Apply a change to live clocks, and note the version on those that changed.

    Args:
        record: the case.
        change: what to do to a clock; one that it gives back unchanged keeps its version.
        names: of which clocks; None for all.
        part: of which part; 0 for the case itself, None for all of it.
    """

    def touched(clock: Clock) -> Clock:
        if not clock.live or (names is not None and clock.name not in names) or part not in (None, clock.part):
            return clock
        after = change(clock)
        return clock if after is clock else after.model_copy(update={"version": record.version})

    record.clocks = tuple(touched(clock) for clock in record.clocks)


def stop(record: Record, at: datetime, *names: ClockName, part: int = 0) -> None:
    """The promises of these names are kept, or late for good."""
    change(record, lambda clock: clock.stop(at, record.calendar), names, part)


def cancel(record: Record, at: datetime, part: int | None) -> None:
    """The promises of the case (0), of one part, or all of them (None) no longer apply."""
    change(record, lambda clock: clock.cancel(at, record.calendar), part=part)


def pause(record: Record, at: datetime, names: Iterable[ClockName]) -> None:
    """The case's own clocks of these names stand still."""
    change(record, lambda clock: clock.pause(at, record.calendar), names)


def start(record: Record, at: datetime, moment: str) -> None:
    """The case's own clocks begin that are promised from this moment on."""
    names = [promise.name for promise in record.terms.promises if promise.starts == moment]
    change(record, lambda clock: clock.start(at), names)


def open_clocks(record: Record, names: Iterable[ClockName], part: int = 0) -> None:
    """New clocks, waiting, for these promises to the caller, or of a part's department."""
    serial = len(record.clocks)
    promises = [promise for promise in record.terms.promises if promise.name in names]
    record.clocks += tuple(
        Clock(
            serial=serial + place,
            name=promise.name,
            cycle=record.cycle,
            calendar=promise.calendar,
            budget_seconds=promise.budget_seconds,
            part=part,
            version=record.version,
        )
        for place, promise in enumerate(promises, start=1)
    )


def reinstate(record: Record, *parts: int) -> None:
    """The work was not done after all: the clock counts on as if it had never stopped."""
    record.clocks = tuple(
        clock.reinstate().model_copy(update={"version": record.version})
        if clock.name == "resolve" and clock.cycle == record.cycle and clock.part in parts
        else clock
        for clock in record.clocks
    )
