"""Names of the saved views of the Temporal UI, and the link to one."""

import textwrap
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from api.temporal_ui.pages import VIEWS, View, of_today, personal
from domain.calendar.work_calendar import USUAL_ZONE
from tools.docs.markdown import WIDTH

UI = "http://127.0.0.1:8080/temporal"


def link(view: View, ui: str = UI) -> str:
    """Return the address that opens and saves the view."""
    parameters = urlencode({"query": view.query, "savedQuery": view.title}, quote_via=quote)
    return f"{ui}/namespaces/default/workflows?{parameters}"


def names() -> str:
    """Return the names of the views; the page that installs them says what each is for."""
    mine, today = personal("the person", "the department"), of_today(datetime.now(UTC), USUAL_ZONE)
    return textwrap.fill(f"{', '.join(view.title for view in (*mine, *today, *VIEWS))}.", WIDTH) + "\n"
