"""Table of the saved views of the Temporal UI, with a link for each."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from api.temporal_ui.pages import VIEWS, View, of_today, personal
from domain.calendar.work_calendar import USUAL_ZONE

UI = "http://127.0.0.1:8080/temporal"


def link(view: View, ui: str = UI) -> str:
    """Return the address that opens and saves the view."""
    parameters = urlencode({"query": view.query, "savedQuery": view.title}, quote_via=quote)
    return f"{ui}/namespaces/default/workflows?{parameters}"


def table() -> str:
    """Return a Markdown table of the views, with links under it for those that are the same for everybody."""
    links = {view.name: link(view) for view in VIEWS}
    mine = personal("the person", "the department")
    rows = [
        f"| {f'[{view.name}][]' if view.name in links else view.name} | {view.name_zh} | {view.meaning} |"
        for view in (*mine, *of_today(datetime.now(UTC), USUAL_ZONE), *VIEWS)
    ]
    addresses = [f"[{name}]: {link}" for name, link in links.items()]
    return "\n".join(["| view | 中文 | which cases |", "| --- | --- | --- |", *rows, "", *addresses]) + "\n"
