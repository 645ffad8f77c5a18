"""Codes of services, districts and departments in requests, which may be given by name."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from domain.shared.codes import Kind, UnknownCode
from hotline.files.catalogue_store import InForce


class ByName:
    """Annotation of a body or of query parameters: makes codes of names, by the catalogue in force at the request.

    What only an earlier catalogue had is let pass, as cases of that time carry it. Where a new thing is to refer
    to the catalogue in force, the route checks that.
    """

    def __init__(self, in_force: InForce) -> None:
        self._in_force = in_force

    def __get_pydantic_core_schema__(self, model: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        context = {"codes": self._code}

        def validate(value: Any, _: Callable[[Any], Any]) -> BaseModel:  # noqa: ANN401 - whatever was sent
            return model.model_validate(value, from_attributes=True, context=context)

        return core_schema.no_info_wrap_validator_function(validate, handler(model))

    def _code(self, kind: Kind, given: str) -> str:
        try:
            return self._in_force.catalogue.code(kind, given)
        except UnknownCode:
            former = self._in_force.former_code(kind, given)
            if former is None:
                raise
            return former
