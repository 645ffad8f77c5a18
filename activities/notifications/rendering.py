"""The words of messages: Jinja2 templates in Chinese and English, all of them proved before the first is needed.

`caller/reply.zh.txt` is what a caller is told in Chinese when his case is replied to; `caller/default.zh.txt` where the
kind has no template of its own; `staff/` likewise; `subject.zh.txt` heads what has a heading, a mail say.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import SandboxedEnvironment

from activities.notifications.channel_file import CALLER, Language
from domain.calendar.work_calendar import USUAL_ZONE
from domain.case import notifications
from domain.incident import notices as incident_notices
from domain.shared.numbers import is_incident
from readmodel.deliveries import Parcel
from readmodel.mailbox import Message

OWN = Path(__file__).resolve().with_name("templates")
PAPERS = "papers/"
"""The folder of documents, which are no messages: `api.documents.papers` proves and draws them."""
KIND_ZH = notifications.KIND_ZH | incident_notices.KIND_ZH
"""Every kind of message, and what it is called."""
NEEDED = [f"{stem}.{tongue}.txt" for stem in ("caller/default", "staff/default", "subject") for tongue in ("zh", "en")]
_PATH = re.compile(rf"(subject|(caller|staff)/(default|{'|'.join(KIND_ZH)}))\.(zh|en)\.txt")
_SAMPLE = Parcel(
    Message(
        key="2608034711004-7-caller:2608034711004",
        number="2608034711004",
        seq=7,
        recipient="caller:2608034711004",
        kind="reply",
        text_zh="工单2608034711004:回复,现为待回访",
        text_en="Case 2608034711004: reply by agent, now pending_follow_up",
        created_at=datetime(2026, 8, 3, 4, tzinfo=UTC),
        tries=1,
    ),
    priority="P2",
    phone=None,
)


class TemplatesError(Exception):
    """Templates cannot be used. `problems` names for each mistake the file, the line, and what is accepted."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Templates:
    """All templates of the service, some of them replaced by the operator's.

    Args:
        folder: of the operator, laid out like ours; None for ours alone.
        time_zone: of the instants that templates show.
        link: the caller's own way to his case, of a message to him.
        hotline: the number that callers dial; empty where the catalogue names none.

    Raises:
        TemplatesError: one of them cannot be used.
    """

    def __init__(
        self,
        folder: Path | None = None,
        time_zone: str = USUAL_ZONE,
        link: Callable[[Parcel], str] | None = None,
        hotline: Callable[[], str] = str,
    ) -> None:
        self._link = link
        self._hotline = hotline
        self._zone = ZoneInfo(time_zone)
        loaders = [FileSystemLoader(place, encoding="utf-8") for place in (folder, OWN) if place is not None]
        # Plain text has nothing to escape.
        self._environment = SandboxedEnvironment(
            loader=ChoiceLoader(loaders), undefined=StrictUndefined, auto_reload=False
        )
        problems = [] if folder is None or folder.is_dir() else [f"{folder}: is no folder; accepted: one of templates"]
        problems += [problem for name in self._names() for problem in self._problems(name)]
        if problems:
            raise TemplatesError(problems)

    def text(self, parcel: Parcel, language: Language) -> str:
        """What the recipient is told: in one language, or in Chinese and then in English."""
        audience = "caller" if _to_caller(parcel) else "staff"
        stems = [f"{audience}/{parcel.message.kind}", f"{audience}/default"]
        return self._in(language, stems, parcel)

    def subject(self, parcel: Parcel, language: Language) -> str:
        """The heading, on one line."""
        return self._in(language, ["subject"], parcel).replace("\n", " · ")

    def _in(self, language: Language, stems: list[str], parcel: Parcel) -> str:
        tongues: list[Literal["zh", "en"]] = ["zh", "en"] if language == "both" else [language]
        fields = self._fields(parcel)
        found = (self._environment.select_template([f"{stem}.{tongue}.txt" for stem in stems]) for tongue in tongues)
        return "\n".join(template.render(fields).strip() for template in found)

    def _fields(self, parcel: Parcel) -> Mapping[str, str]:
        """What templates may name."""
        message = parcel.message
        matter_zh, matter = ("突发事件", "Incident") if is_incident(message.number) else ("工单", "Case")
        return {
            "number": message.number,
            "matter": matter,
            "matter_zh": matter_zh,
            "kind": message.kind,
            "kind_zh": KIND_ZH.get(message.kind, message.kind),
            "recipient": message.recipient,
            "priority": parcel.priority,
            "text_zh": message.text_zh,
            "text_en": message.text_en,
            "state": parcel.state,
            "said": parcel.said,
            "hotline": self._hotline(),
            "link": self._link(parcel) if self._link and _to_caller(parcel) else "",
            "at": message.created_at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M"),
        }

    def _names(self) -> list[str]:
        return [name for name in self._environment.list_templates() if not name.startswith(PAPERS)]

    def _problems(self, name: str) -> Iterator[str]:
        accepted = None if _PATH.fullmatch(name) else f"{', '.join(NEEDED)}, and a kind in place of default"
        return unusable(self._environment, name, self._fields(_SAMPLE), accepted)


def unusable(
    environment: Environment, name: str, sample: Mapping[str, Any], accepted: str | None = None
) -> Iterator[str]:
    """Why this template cannot be used with fields like those of the sample; nothing where it can.

    `accepted` says which names would be, where this is none of them.
    """
    file = name
    try:
        source, file = _source(environment, name)
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
    except TemplateSyntaxError as error:
        yield f"{file}: line {error.lineno}: {error.message}"
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        yield f"{file}: cannot be filled in: {error}"


def _source(environment: Environment, name: str) -> tuple[str, str]:
    loader = environment.loader
    assert loader is not None  # noqa: S101 - every environment of ours has one
    source, file, _ = loader.get_source(environment, name)
    return source, file or name


def _to_caller(parcel: Parcel) -> bool:
    return parcel.message.recipient.partition(":")[0] == CALLER
