"""Reader of the file of channels, which reports every mistake in one `FileError`."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from activities.notifications.channels import CONFIGS
from activities.notifications.routing import LOG_ONLY, ChannelFile
from domain.shared.errors import FileError, causes, explain, key_at, table_at
from hotline.files.formats import read_toml

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_channels(path: Path | None, environment: Mapping[str, str] = os.environ) -> ChannelFile:
    """With its `${NAME}` filled in; without a file, the log alone. Raises FileError."""
    if path is None:
        return LOG_ONLY
    problems: list[str] = []
    filled = _fill(read_toml(path), environment, "", problems)
    try:
        found = ChannelFile.model_validate(filled)
    except ValidationError as error:
        faults = causes(error.errors(include_input=False))
        problems += [f"{fault_key}: {text}" for fault_key, text in map(_problem, faults)]
    else:
        if not problems:
            return found
    raise FileError(f"{path}: {problem}" for problem in problems)


def _fill(value: object, environment: Mapping[str, str], key: str, problems: list[str]) -> object:
    """Fill in its variables. No message quotes the value of a variable."""
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
    location = list(fault["loc"])
    model = table_at(ChannelFile, location[:-1])
    match location:
        case ["channels", _, str() as kind, *_] if kind in CONFIGS:
            # Pydantic puts the kind between a channel's name and its key.
            model = CONFIGS[kind]
            del location[2]
    key = key_at(location)
    if fault["type"].startswith("union_tag"):
        return f"{key}.kind", f"accepted: {', '.join(CONFIGS)}"
    text = explain(fault, model)
    field = model.model_fields.get(str(location[-1])) if location else None
    about = field.description if field and "accepted" not in text else None
    return key or "the whole", f"{text}; accepted: {about}" if about else text
