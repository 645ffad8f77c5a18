"""Work of starting a service that is the same for every service of a process: tests, which start hundreds, do it once.

A start checks that each workflow loads in the sandbox, compiles the templates of notifications, makes the fields of
every route, and reads the certificates of all authorities. Results depend on nothing else than what they are kept by.
"""

import os
import ssl
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import pytest
from fastapi._compat.v2 import ModelField, asdict
from httpx._config import create_ssl_context
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.notifications.limited_templates import LimitedEnvironment


def _prepared(real: Callable[..., None]) -> Callable[..., None]:
    """Return the check of a workflow, left out if the same class has passed under the same restrictions."""
    known: set[Hashable] = set()

    def prepare(runner: SandboxedWorkflowRunner, definition: workflow._Definition) -> None:
        key = definition.cls, frozenset(runner.restrictions.passthrough_modules)
        if key not in known:
            real(runner, definition)
            known.add(key)

    return prepare


def _by_source(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return the parser or compiler of templates, which takes the same text under the same name as before."""
    known: dict[Hashable, Any] = {}

    def compiled(environment: LimitedEnvironment, source: Any, *names: Any, **options: Any) -> Any:
        if not isinstance(source, str):
            return real(environment, source, *names, **options)
        key = environment.autoescape, source, names, tuple(options.items())
        if key not in known:
            known[key] = real(environment, source, *names, **options)
        return known[key]

    return compiled


def _of_field(real: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return the making of a route's field, which takes the validator of an equal field."""
    known: dict[Hashable, ModelField] = {}

    def make(field: Any) -> None:
        # What the validator is made of; the usual text of a parameter of a path or query has no constraints in it.
        given = asdict(field.field_info)
        key = given["annotation"], repr(given["metadata"]), repr(given["attributes"]), repr(field.config)
        if key in known:
            field._type_adapter = known[key]._type_adapter
        else:
            real(field)
            known[key] = field

    return make


def _of_settings(real: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    """Return the making of a context for TLS, which gives the same one to all clients with the usual certificates."""
    known: dict[Hashable, ssl.SSLContext] = {}

    def context(*, verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is not True or cert is not None:
            return real(verify=verify, cert=cert, trust_env=trust_env)
        key = trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        if key not in known:
            known[key] = real(verify=verify, cert=cert, trust_env=trust_env)
        return known[key]

    return context


@pytest.fixture(scope="session", autouse=True)
def known_work() -> Iterator[None]:
    """Keep the results for the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxedWorkflowRunner, "prepare_workflow", _prepared(SandboxedWorkflowRunner.prepare_workflow))
        patch.setattr(LimitedEnvironment, "compile", _by_source(LimitedEnvironment.compile))
        patch.setattr(LimitedEnvironment, "parse", _by_source(LimitedEnvironment.parse))
        patch.setattr(ModelField, "__post_init__", _of_field(ModelField.__post_init__))
        made = "httpx._transports.default.create_ssl_context"
        patch.setattr(made, _of_settings(create_ssl_context))
        yield
