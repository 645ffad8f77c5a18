"""Progress bars of the demo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

Progress = Callable[[str, int, int], None]
"""Callback with the progress: name of the counted item, number of those that are done, number of all."""


@contextmanager
def bars(console: Console) -> Iterator[tuple[Progress, Callable[[str], None]]]:
    """Show a progress bar for each counted item; the last one tells if the service is away."""
    columns = (TextColumn("{task.description:<22}"), BarColumn(bar_width=None), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console) as shown:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what)
            shown.update(tasks[what], completed=done, total=of, description=what)

        def tell(what: str) -> None:
            for last in [*tasks.values()][-1:]:
                shown.update(last, description=what)

        yield progress, tell
