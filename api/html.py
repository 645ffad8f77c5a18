"""HTML pages: each runs and shows nothing but what it contains."""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_HERE = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader([_HERE / "pages", _HERE / "temporal_ui" / "pages", _HERE / "exports" / "templates"]),
    undefined=StrictUndefined,
    autoescape=True,
    trim_blocks=True,
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
    text = TEMPLATES.get_template(name).render(**fields)
    sources = {"script": "", "style": ""}
    for kind, content in _INLINE.findall(text):
        sources[kind] += source(content.encode())
    allowed = "; ".join(f"{kind}-src{digests or NONE}" for kind, digests in sources.items())
    policy = f"default-src 'none'; {allowed}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return HTMLResponse(text, status, {"Content-Security-Policy": policy, **(headers or {})})


def source(content: bytes) -> str:
    """Return the source of a policy that lets a script or style run that stands in a page."""
    return f" 'sha256-{b64encode(sha256(content).digest()).decode()}'"


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that a page has sent."""
    return dict(parse_qsl((await request.body()).decode(errors="replace")))
