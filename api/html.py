"""HTML pages: each runs and shows nothing but what it contains."""

import base64
import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

_HERE = Path(__file__).parent
_PAGES = Environment(
    loader=FileSystemLoader([_HERE / "pages", _HERE / "temporal_ui" / "pages"]),
    undefined=StrictUndefined,
    autoescape=True,
)
NONE = " 'none'"
_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def page(
    name: str,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **fields: Any,  # noqa: ANN401 - of a template
) -> Response:
    """Return the page of a template of this name."""
    text = _PAGES.get_template(name).render(**fields)
    sources = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(text):
        sources[kind] += f" 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    allowed = "; ".join(f"{kind}-src{digests or NONE}" for kind, digests in sources.items())
    policy = f"default-src 'none'; {allowed}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, **(headers or {})})
