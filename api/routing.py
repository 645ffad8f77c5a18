"""Class of the routes: it refuses what is given several times, and takes names in place of codes."""

import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, get_origin

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from api.edge.problems import MALFORMED_JSON, FieldError, ProblemError, invalid_request
from api.rights import right_of

CONTEXT: ContextVar[Mapping[str, Any]] = ContextVar("context")
"""Context in which bodies and parameters of the request are validated: what the application knows."""


class ByName:
    """Annotation of a body or of query parameters: validates it in the context, which has codes for names."""

    def __get_pydantic_core_schema__(self, model: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(value: Any, _: Callable[[Any], Any]) -> BaseModel:  # noqa: ANN401 - whatever was sent
            return model.model_validate(value, from_attributes=True, context=CONTEXT.get())

        return core_schema.no_info_wrap_validator_function(validate, handler(model))


BY_NAME = ByName()


class OnceRequest(Request):
    """Request whose JSON has no key twice in one object: programs do not agree which of the two counts."""

    async def json(self) -> Any:  # noqa: ANN401 - as Starlette has it
        """Return the body. Raises JSONDecodeError, and ProblemError for a key that is given twice."""
        return json_of(await self.body())


def json_of(body: bytes) -> Any:  # noqa: ANN401 - it may be any JSON
    """Return what a body holds. Raises ValueError, RecursionError, and ProblemError for a key that is given twice."""
    return json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        key = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        # What was sent is not repeated unless it has the form of a field: it may be personal.
        name = f" {key!r}" if _FIELD.fullmatch(key) else ""
        detail = f"The key{name} is given several times in one object; accepted: once."
        raise ProblemError(MALFORMED_JSON, detail)
    return found


_FIELD = re.compile("[a-z_]{1,40}")


class OnceRoute(APIRoute):
    """Route that refuses what is given several times: keys of JSON, and query parameters unless they take several.

    The id of its operation is the name of its function. Raises TypeError for an operation under `/v1` without a right.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], *, name: str | None = None, **more: Any) -> None:  # noqa: ANN401 - as FastAPI takes them
        name = name or endpoint.__name__
        super().__init__(path, endpoint, name=name, **more | {"operation_id": name})
        if path.startswith("/v1/") and self.include_in_schema and right_of(self) is None:
            raise TypeError(f"{path} takes no right: give its function `actor: Annotated[Actor, needs(RIGHT)]`")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def serve(request: Request) -> Response:
            CONTEXT.set(request.app.state.backend.context)
            return await inner(OnceRequest(request.scope, request.receive))

        parameters = [field.field_info.annotation for field in self.dependant.query_params]
        if not parameters:
            return serve
        fields = [field for model in parameters for field in getattr(model, "model_fields", {}).items()]
        several = {name for name, field in fields if get_origin(field.annotation) is tuple}

        async def once(request: Request) -> Response:
            given = Counter(name for name, _ in request.query_params.multi_items() if name not in several)
            if repeated := [(name, times) for name, times in given.items() if times > 1]:
                fault = "Given {} times; accepted: once"
                raise invalid_request(
                    [FieldError(field=f"query.{name}", message=fault.format(times)) for name, times in repeated]
                )
            return await serve(request)

        return once
