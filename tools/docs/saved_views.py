"""Table of the saved views of the Temporal UI, with a link for each."""

from datetime import UTC, datetime

from api.temporal_ui.saved_views import VIEWS, of_today, personal
from domain.calendar.work_calendar import USUAL_ZONE


def table() -> str:
    """Return a Markdown table of the views, with links under it for those that are the same for everybody."""
    links = {view.name: view.link() for view in VIEWS}
    mine = personal("the person", "the department")
    rows = [
        f"| {f'[{view.name}][]' if view.name in links else view.name} | {view.name_zh} | {view.meaning} |"
        for view in (*mine, *of_today(datetime.now(UTC), USUAL_ZONE), *VIEWS)
    ]
    addresses = [f"[{name}]: {link}" for name, link in links.items()]
    return "\n".join(["| view | 中文 | which cases |", "| --- | --- | --- |", *rows, "", *addresses]) + "\n"
