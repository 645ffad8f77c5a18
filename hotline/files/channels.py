"""Reader of the file of channels, which reports all problems at once in one `ChannelsError`."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from activities.notifications.channels import CONFIGS
from activities.notifications.routing import ChannelFile, QuietHours, Route
from domain.shared.explain import explain, key_at
from hotline.errors import FileError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ChannelsError(FileError):
    """The file cannot be used. `problems` names for each mistake the file, the key, and what is accepted."""


def load_channels(path: Path, environment: Mapping[str, str] = os.environ) -> ChannelFile:
    """Return the content of this file; each `${NAME}` in its texts becomes that variable. Raises ChannelsError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChannelsError([f"{path}: cannot be read ({error.strerror}); accepted: a TOML file"]) from error
    except UnicodeDecodeError as error:
        raise ChannelsError([f"{path}: is no UTF-8 text; accepted: a TOML file in UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ChannelsError([f"{path}: is no valid TOML: {error}"]) from error
    problems: list[str] = []
    filled = _fill(table, environment, "", problems)
    try:
        found = ChannelFile.model_validate(filled)
    except ValidationError as error:
        problems += [f"{fault_key}: {text}" for fault_key, text in map(_problem, error.errors(include_input=False))]
    else:
        if not problems:
            return found
    raise ChannelsError(f"{path}: {problem}" for problem in problems)


def _fill(value: object, environment: Mapping[str, str], key: str, problems: list[str]) -> object:
    """Return the value with its variables filled in. No message ever quotes a variable's text."""
    if isinstance(value, dict):
        return {name: _fill(part, environment, f"{key}.{name}".lstrip("."), problems) for name, part in value.items()}
    if isinstance(value, list):
        return [_fill(part, environment, f"{key}[{place}]", problems) for place, part in enumerate(value)]
    if not isinstance(value, str):
        return value
    missing = sorted({name for name in _VARIABLE.findall(value) if name not in environment})
    problems += [f"{key}: needs the environment variable {name}, which is not set" for name in missing]
    return _VARIABLE.sub(lambda found: environment.get(found[1], found[0]), value)


def _problem(fault: ErrorDetails) -> tuple[str, str]:
    """Return the key and what is wrong with it."""
    location = list(fault["loc"])
    model = _model(location)
    if location[:1] == ["channels"]:
        # Pydantic puts the kind between a channel's name and its key.
        location[2:3] = []
    key = key_at(location)
    if fault["type"].startswith("union_tag"):
        return f"{key}.kind", f"accepted: {', '.join(CONFIGS)}"
    text = explain(fault, model)
    field = model.model_fields.get(str(location[-1])) if location else None
    about = field.description if field and "accepted" not in text else None
    return key or "the whole", f"{text}; accepted: {about}" if about else text


def _model(location: Sequence[str | int]) -> type[BaseModel]:
    """Return the model of the table that the last part of this place stands in."""
    match location:
        case ["channels", _, str() as kind, *_] if kind in CONFIGS:
            return CONFIGS[kind]
        case ["routes", _, *_]:
            return Route
        case ["quiet_hours", *_]:
            return QuietHours
        case _:
            return ChannelFile
