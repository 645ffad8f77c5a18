"""Links to the saved views of the Temporal UI."""

from urllib.parse import quote, urlencode

from api.temporal_ui.pages import View

UI = "http://127.0.0.1:8080/temporal"


def link(view: View, ui: str = UI) -> str:
    """Return the address that opens and saves the view."""
    parameters = urlencode({"query": view.query, "savedQuery": view.title}, quote_via=quote)
    return f"{ui}/namespaces/default/workflows?{parameters}"
