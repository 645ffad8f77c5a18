"""Work of starting a service that is the same for every service of a process: tests, which start hundreds, do it once.

A start checks that each workflow loads in the sandbox, compiles the templates of notifications, makes the fields of
every route, reads the certificates of all authorities, parses catalogues and writes SQL. Results depend on nothing else
than what they are kept by.
"""

import os
import pickle
import ssl
import tomllib
from collections.abc import Callable, Hashable, Iterator, MutableMapping
from typing import Any, ClassVar

import pytest
import sqlalchemy
from fastapi._compat.v2 import ModelField, asdict
from httpx._config import create_ssl_context
from sqlalchemy import Dialect, Engine
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.notifications.texts import LimitedEnvironment


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


def _of_text(real: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Return the parser of TOML, which gives a copy of what the same text held before."""
    known: dict[str, bytes] = {}

    def parse(text: str) -> dict[str, Any]:
        if text not in known:
            known[text] = pickle.dumps(real(text))
        parsed: dict[str, Any] = pickle.loads(known[text])  # noqa: S301 - made in the line above
        return parsed

    return parse


class _Statements(MutableMapping[tuple[Any, ...], Any]):
    """Compiled statements of an engine, shared with all engines whose dialect writes the same SQL."""

    known: ClassVar[dict[Hashable, dict[Hashable, Any]]] = {}

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def _of_dialect(self) -> dict[Hashable, Any]:
        # The version is known once a first connection was made, and decides what is written.
        dialect = self._dialect
        return self.known.setdefault((type(dialect), dialect.server_version_info), {})

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        return self._of_dialect()[key[1:]]

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._of_dialect()[key[1:]] = compiled

    def __delitem__(self, key: tuple[Any, ...]) -> None:
        del self._of_dialect()[key[1:]]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of_dialect())

    def __len__(self) -> int:
        return len(self._of_dialect())


def _with_statements(real: Callable[..., Engine]) -> Callable[..., Engine]:
    """Return the making of an engine, which knows the statements that others have compiled."""

    def make(url: str, **options: Any) -> Engine:
        engine = real(url, **options)
        engine._compiled_cache = _Statements(engine.dialect)
        return engine

    return make


@pytest.fixture(scope="session", autouse=True)
def known_work() -> Iterator[None]:
    """Keep the results for the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxedWorkflowRunner, "prepare_workflow", _prepared(SandboxedWorkflowRunner.prepare_workflow))
        patch.setattr(LimitedEnvironment, "compile", _by_source(LimitedEnvironment.compile))
        patch.setattr(LimitedEnvironment, "parse", _by_source(LimitedEnvironment.parse))
        patch.setattr(ModelField, "__post_init__", _of_field(ModelField.__post_init__))
        patch.setattr(tomllib, "loads", _of_text(tomllib.loads))
        patch.setattr(sqlalchemy, "create_engine", _with_statements(sqlalchemy.create_engine))
        made = "httpx._transports.default.create_ssl_context"
        patch.setattr(made, _of_settings(create_ssl_context))
        yield
