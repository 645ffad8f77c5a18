"""Texts of notifications: Jinja2 templates in Chinese and English, all of them checked at the start.

`caller/reply.zh.txt` is the Chinese text for a caller whose case was replied to, `caller/default.zh.txt` that of kinds
without a template; `staff/` likewise. `subject.zh.txt` is the subject, of a mail for example. Templates of operators
change nothing, and no loop, recursion or huge text of them hangs the service.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import jinja2
from jinja2 import Template, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from activities.notifications.channels.base import DeliveryError, RenderedNotification
from activities.notifications.routing import Language, is_caller
from domain.assessment.assessment import ASSESSMENT_NOTIFICATION_ZH, ASSESSMENT_PREFIX
from domain.calendar.work_calendar import USUAL_ZONE
from domain.case.case import CASE_NOTIFICATION_ZH
from domain.catalogue.catalogue import Catalogue
from domain.incident.incident import INCIDENT_NOTIFICATION_ZH, INCIDENT_PREFIX
from domain.shared.errors import FileError
from domain.shared.numbers import is_incident
from domain.shared.value import english
from readmodel.notifications import Delivery, NotificationRow

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
    @wraps(function)
    def limited(*values: object, **named: object) -> object:
        _spend_call(values, named)
        return function(*values, **named)

    return limited


class LimitedTemplate(Template):
    """Template with a limit of the steps in which it is filled in."""

    def render(self, *fields: Any, **named: Any) -> str:  # noqa: ANN401 - as Jinja has it
        """Raise TemplateError, also if it takes too many steps."""
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
        """Count it as one step."""
        if _left.get() is not None:
            _spend()
        return super().join_path(template, parent)

    def compile(self, source: str | nodes.Template, *names: Any, **options: Any) -> Any:  # noqa: ANN401 - as Jinja has it
        """Compile a template, made to count what it repeats and puts out."""
        if isinstance(source, nodes.Template):
            return super().compile(source, *names, **options)
        tree = self.parse(source, *names[:2])
        for node in [*tree.find_all((nodes.For, nodes.Concat, nodes.Output))]:
            if isinstance(node, nodes.For):
                node.iter = self._filtered(node.iter, "_counted")
            elif isinstance(node, (nodes.Concat, nodes.Output)):
                node.nodes = [
                    each if isinstance(each, nodes.TemplateData) else self._filtered(each, "_weighed")
                    for each in node.nodes
                ]
        return super().compile(tree, *names, **options)

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        made = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
        made.set_environment(self)
        return made


OWN_TEMPLATES = Path(__file__).resolve().with_name("templates")
DOCUMENT_TEMPLATES = "documents/"
"""Folder of the templates of documents, which `api.documents` checks and renders."""
KIND_ZH = CASE_NOTIFICATION_ZH | INCIDENT_NOTIFICATION_ZH | ASSESSMENT_NOTIFICATION_ZH
"""Chinese name of every kind of notification."""
NEEDED = [f"{stem}.{each}.txt" for stem in ("caller/default", "staff/default", "subject") for each in ("zh", "en")]
_PATH = re.compile(rf"(subject|(caller|staff)/(default|{'|'.join(KIND_ZH)}))\.(zh|en)\.txt")
_SAMPLE = Delivery(
    NotificationRow(
        key="2608034711004-7-caller:2608034711004",
        number="2608034711004",
        seq=7,
        recipient="caller:2608034711004",
        kind="reply",
        text_zh="工单2608034711004：回复，现为待回访",
        text_en="Case 2608034711004: reply, by an agent; now pending follow-up",
        created_at=datetime(2026, 8, 3, 4, tzinfo=UTC),
    ),
    tries=1,
    priority="P2",
    phone=None,
)


class Sender(NamedTuple):
    """Name of the hotline in Chinese and English, and the number that callers dial, where no catalogue gives them."""

    name_zh: str = "供水热线"
    name: str = "Water hotline"
    hotline: str = ""


class Templates:
    """The templates of notifications, some of them replaced by those of the operator's folder, if there is one.

    `link` returns the address of the caller's page, for a delivery to a caller's telephone. Raises FileError if a
    template cannot be used.
    """

    def __init__(
        self,
        folder: Path | None = None,
        time_zone: str = USUAL_ZONE,
        link: Callable[[Delivery], str] | None = None,
        sender: Callable[[], Sender | Catalogue] = Sender,
    ) -> None:
        self._link = link
        self._sender = sender
        self._zone = ZoneInfo(time_zone)
        places = [place for place in (folder, OWN_TEMPLATES) if place is not None]
        # Plain text has nothing to escape.
        self._environment = LimitedEnvironment(
            loader=jinja2.FileSystemLoader(places), undefined=jinja2.StrictUndefined, auto_reload=False
        )
        problems = [] if folder is None or folder.is_dir() else [f"{folder}: is no folder; accepted: one of templates"]
        sample = self._fields(_SAMPLE)
        for name in self._environment.list_templates(filter_func=lambda name: not name.startswith(DOCUMENT_TEMPLATES)):
            accepted = None if _PATH.fullmatch(name) else f"{', '.join(NEEDED)}, and a kind in place of default"
            problems += template_problems(self._environment, name, sample, accepted)
        if problems:
            raise FileError(problems)

    def render(self, delivery: Delivery, language: Language, *, to_phone: bool = False) -> RenderedNotification:
        """Subject, on one line, and text. Both languages are Chinese, then English.

        The words of a reply to one caller, and the caller's link, go to the caller's telephone alone (`to_phone`); the
        link only if that is neither one of the staff nor the owner's choice (`Delivery.may_link`): others could use it.

        Raises TemplateError, or DeliveryError if a template takes too many steps.
        """
        notification = delivery.notification
        audience = "caller" if is_caller(notification.recipient) else "staff"
        link = self._link(delivery) if self._link and to_phone and delivery.may_link else ""
        said = delivery.reply.message if delivery.reply and (to_phone or delivery.reply.incident) else ""
        fields = self._fields(delivery, link, said)
        subject = self._in(language, ["subject"], fields).replace("\n", " · ")
        text = self._in(language, [f"{audience}/{notification.kind}", f"{audience}/default"], fields)
        facts = (notification.key, notification.number, notification.kind, notification.recipient)
        return RenderedNotification(*facts, notification.created_at, subject, text, delivery.phone)

    def _in(self, language: Language, stems: list[str], fields: Mapping[str, str]) -> str:
        languages = ["zh", "en"] if language == "both" else [language]
        found = (self._environment.select_template([f"{stem}.{each}.txt" for stem in stems]) for each in languages)
        try:
            return "\n".join(template.render(fields).strip() for template in found)
        except jinja2.exceptions.SecurityError as error:
            raise DeliveryError(f"its template {error}") from None

    def _fields(self, delivery: Delivery, link: str = "", said: str = "") -> Mapping[str, str]:
        notification, sender = delivery.notification, self._sender()
        matter_zh, matter = _matter(notification)
        return {
            "number": notification.number,
            "matter": matter,
            "matter_zh": matter_zh,
            "kind": notification.kind,
            "kind_en": english(notification.kind.removeprefix(INCIDENT_PREFIX).removeprefix(ASSESSMENT_PREFIX)),
            "kind_zh": KIND_ZH.get(notification.kind, notification.kind),
            "recipient": notification.recipient,
            "priority": delivery.priority,
            "text_zh": notification.text_zh,
            "text_en": notification.text_en,
            "state": delivery.state,
            "said": said,
            "company": sender.name,
            "company_zh": sender.name_zh,
            "hotline": sender.hotline,
            "link": link,
            "at": notification.created_at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M"),
        }


def template_problems(
    environment: jinja2.Environment, name: str, sample: Mapping[str, Any], accepted: str | None = None
) -> Iterator[str]:
    """Yield the problems of a template with fields like those of the sample.

    `accepted` lists the valid names if its name is not one of them; None if it is.
    """
    file, loader = name, environment.loader
    assert loader is not None  # noqa: S101 - every environment of ours has one
    try:
        source, path, _ = loader.get_source(environment, name)
        file = path or name
        if accepted:
            yield f"{file}: is no template's name; accepted: {accepted}"
            return
        tree = environment.parse(source, name)
        unknown = meta.find_undeclared_variables(tree) - {*sample}
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                yield f"{file}: line {node.lineno}: there is no field {node.name}; accepted: {', '.join(sample)}"
        if not unknown:
            environment.get_template(name).render(sample)
    except UnicodeDecodeError as error:
        yield f"{name}: is no UTF-8 text ({error.reason}); accepted: a template in UTF-8"
    except jinja2.TemplateSyntaxError as error:
        yield f"{file}: line {error.lineno}: {error.message}"
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        yield f"{file}: cannot be filled in: {error}"


def _matter(notification: NotificationRow) -> tuple[str, str]:
    """Name what has the number of the notification, in Chinese and English."""
    if notification.kind.startswith(ASSESSMENT_PREFIX):
        return "考核", "Assessment"
    return ("突发事件", "Incident") if is_incident(notification.number) else ("工单", "Case")
