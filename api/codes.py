"""Codes of services, districts and departments in requests, which may be given by name."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from domain.catalogue.catalogue import Catalogue
from domain.catalogue.terms import Edition
from domain.shared.codes import CodeKind


class CatalogueInForce(Protocol):
    """Catalogue in force; another one may be put in force at any time."""

    remark: str
    """Remark for the operator; empty if there is none."""
    sound: bool
    """False if an earlier catalogue is used because the one on record cannot be read."""

    @property
    def catalogue(self) -> Catalogue:
        """Catalogue that is in force now."""

    @property
    def edition(self) -> Edition:
        """Edition of the catalogue that is in force now."""

    def former_code(self, kind: CodeKind, given: str) -> str | None:
        """Return the code by the last catalogue that knows it, or None if none ever did."""

    def record(self, at: datetime) -> None:
        """Record that the catalogue is in force from now on, if none is on record."""


CONTEXT: ContextVar[Mapping[str, Any]] = ContextVar("context")
"""Context in which bodies and parameters of the request are validated: what the application knows."""


class ByName:
    """Annotation of a body or of query parameters: validates it in the context, which has codes for names."""

    def __get_pydantic_core_schema__(self, model: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, _: Callable[[Any], Any]) -> BaseModel:  # noqa: ANN401 - whatever was sent
            return model.model_validate(value, from_attributes=True, context=CONTEXT.get())

        return core_schema.no_info_wrap_validator_function(validate, handler(model))


BY_NAME = ByName()
