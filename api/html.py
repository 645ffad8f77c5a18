"""HTML pages for the people of the company: each runs and shows nothing but what it contains."""

import base64
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

FOLDER = Path(__file__).parent / "pages"
_PAGES = Environment(
    loader=FileSystemLoader([FOLDER, Path(__file__).parent / "temporal_ui" / "pages"]),
    undefined=StrictUndefined,
    autoescape=True,
)
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def page(
    name: str,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    pages: Environment = _PAGES,
    **fields: Any,  # noqa: ANN401 - of a template
) -> Response:
    """Return the page of a template, which extends `base.html`; `pages` finds it."""
    text = pages.get_template(name).render(**fields)
    sources = {"script": ["'none'"], "style": ["'none'"]}
    for kind, content in _INLINE.findall(text):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        sources[kind] = [f"'sha256-{digest}'"]
    policy = (
        f"default-src 'none'; script-src {' '.join(sources['script'])}; style-src {' '.join(sources['style'])};"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, **(headers or {})})
