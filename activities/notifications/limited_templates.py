"""Environment of operators' templates: they change nothing, and no loop, recursion or huge text hangs the service."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Any, TypeVar

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

STEPS = 20_000
"""Work that filling in one template may take: items of loops, calls, filters and outputs, each by its size."""
CHARACTERS_IN_A_STEP = 64
SIZED = (str, bytes, list, tuple, dict, set, frozenset, range)
ValueT = TypeVar("ValueT")
_left: ContextVar[list[int] | None] = ContextVar("characters that are left", default=None)


def _spend(*values: object, more: int = 0) -> None:
    """Count one step, and all that the values hold. Raises SecurityError beyond `STEPS`, and outside of a filling in.

    The compiler asks for values of constant expressions; refused, it leaves them to the filling in.
    """
    left = _left.get()
    if left is None:
        raise SecurityError("is no template that is filled in")
    left[0] -= CHARACTERS_IN_A_STEP + more
    waiting = [*values]
    while waiting and left[0] >= 0:
        value = waiting.pop()
        left[0] -= len(value) if isinstance(value, SIZED) else 0
        if isinstance(value, (list, tuple, set, frozenset)):
            waiting += value
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
    if left[0] < 0:
        raise SecurityError(f"takes more than {STEPS:,} steps; accepted: shorter loops and texts")


def _spend_call(values: Iterable[object], named: Mapping[str, object]) -> None:
    """Count a call; a number may ask for a text of so many characters."""
    given = (*values, *named.values())
    _spend(*given, more=sum(abs(each) for each in given if isinstance(each, int)))


def _weighed(value: ValueT) -> ValueT:
    _spend(value)
    return value


def _counted(items: Iterable[ValueT]) -> Iterator[ValueT]:
    for item in items:
        _spend()
        yield item


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that counts its steps."""

    @wraps(function)
    def limited(*values: object, **named: object) -> object:
        _spend_call(values, named)
        return function(*values, **named)

    return limited


class LimitedTemplate(Template):
    """Template with a limit of the steps in which it is filled in."""

    def render(self, *fields: Any, **named: Any) -> str:  # noqa: ANN401 - as Jinja has it
        """Return the text. Raises TemplateError, also if it takes too many steps."""
        token = _left.set([STEPS * CHARACTERS_IN_A_STEP])
        try:
            return super().render(*fields, **named)
        except RecursionError:
            raise SecurityError("calls or includes itself too often") from None
        finally:
            _left.reset(token)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """Environment of operators' templates."""

    template_class = LimitedTemplate
    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - as Jinja has it
        super().__init__(**options)
        self.filters = {name: _limited(function) for name, function in self.filters.items() if name != "format"}
        self.filters |= {"_counted": _counted, "_weighed": _weighed}

    def wrap_str_format(self, value: object) -> Callable[..., str] | None:
        """Refuse `format`, which makes long texts of short ones."""
        if super().wrap_str_format(value) is not None:
            raise SecurityError("the method format is not accepted here; accepted: ~ between values")
        return None

    def call(self, context: Context, function: Any, /, *values: Any, **named: Any) -> Any:  # noqa: ANN401 - as Jinja has it
        """Call a macro or a method, as one step of the size of its arguments."""
        _spend_call(values, named)
        return super().call(context, function, *values, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - as Jinja has it
        """Compute a sum, product or remainder, as one step of the size of its result. Powers are refused."""
        texts = [each for each in (left, right) if isinstance(each, SIZED)]
        if operator == "**" or (operator == "%" and texts):
            raise SecurityError(f"the operator {operator} is not accepted here; accepted: + - * / //, and % of numbers")
        if operator == "*" and texts:
            times = next((abs(each) for each in (left, right) if isinstance(each, int)), 1)
            _spend(more=len(texts[0]) * times)
        else:
            _spend(*texts)
        return super().call_binop(context, operator, left, right)

    def join_path(self, template: str, parent: str) -> str:
        """Return the name of an included template, as one step."""
        if _left.get() is not None:
            _spend()
        return super().join_path(template, parent)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in [*tree.find_all((nodes.For, nodes.Concat, nodes.Output))]:
            if isinstance(node, nodes.For):
                node.iter = self._filtered(node.iter, "_counted")
            elif isinstance(node, (nodes.Concat, nodes.Output)):
                node.nodes = [
                    each if isinstance(each, nodes.TemplateData) else self._filtered(each, "_weighed")
                    for each in node.nodes
                ]
        return tree

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        made = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        made.set_environment(self)
        return made
