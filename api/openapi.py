"""The OpenAPI document, which `make docs` computes of the routes: a service answers with it from its first request."""

from functools import cache
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from api.sign_in.tokens import Issuer

DOCUMENT = Path(__file__).with_name("openapi.json")
PAGE = {"tryItOutEnabled": True, "persistAuthorization": False, "filter": True, "validatorUrl": None}
"""Settings of the page at `/docs`: it forgets keys, and asks no validator on the internet."""


@cache
def described(issuer: Issuer | None) -> dict[str, Any]:
    """Return the document, with tokens as another way in if there is an issuer of them."""
    document: dict[str, Any] = from_json(DOCUMENT.read_bytes())
    if issuer:
        url = issuer.discovery_url
        scheme = {"type": "openIdConnect", "openIdConnectUrl": url, "description": "An access token."}
        document["components"]["securitySchemes"]["openIdConnect"] = scheme
        for operations in document["paths"].values():
            for operation in operations.values():
                if "security" in operation:
                    operation["security"].append({"openIdConnect": []})
    return document
