"""Reader of TOML files of the operator."""

import tomllib
from pathlib import Path
from typing import Any

from domain.shared.errors import FileError


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file. Raises FileError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError([f"{path}: cannot be read ({error.strerror}); accepted: a TOML file"]) from error
    except UnicodeDecodeError as error:
        raise FileError([f"{path}: is no UTF-8 text ({error.reason}); accepted: a TOML file in UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise FileError([f"{path}: is no valid TOML: {error}"]) from error
