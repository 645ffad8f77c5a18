"""Unique words that are planted in what the service is told, and the search for them in all that it has written."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

_LATIN, _CHINESE, _DIGITS, _POINT = "qzjwvxqzjwvx", "鱻龘麤靐龖", "139271846", 0.718281828
"""Beginnings of planted values, which stand nowhere else: so long that no base64 of anything else has them."""


class Plants:
    """Makes unique values for fields that hold what a person has said, or says of a person."""

    def __init__(self) -> None:
        self._numbers = count(100)
        self.words: dict[str, str] = {}
        """Mark of each planted value, by which it is found again, and its field."""

    def text(self, field: str) -> str:
        """Return a text, a name or an address."""
        return f"{_CHINESE}{self._mark(field, _LATIN)}"

    def latin(self, field: str) -> str:
        """Return an account number or the like."""
        return self._mark(field, _LATIN)

    def phone(self, field: str) -> str:
        """Return a telephone number."""
        return self._mark(field, _DIGITS)

    def degrees(self, field: str, whole: int) -> float:
        """Return a coordinate of so many whole degrees."""
        self.words[str(_POINT)[2:]] = field
        return whole + _POINT

    def _mark(self, field: str, beginning: str) -> str:
        mark = f"{beginning}{next(self._numbers)}"
        self.words[mark] = field
        return mark


def _forms(text: str) -> Iterable[bytes]:
    """Yield the text as it may stand in a file: as it is, escaped, and in base64 at each of the three alignments."""
    escaped = json.dumps(text)[1:-1]
    for plain in {text, text.upper(), escaped, escaped.upper().replace("\\U", "\\u"), quote(text), quote(text).lower()}:
        yield plain.encode()
    for raw in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        yield raw
        for before in range(3):
            # The characters at the ends depend on what stands beside.
            coded = b64encode(bytes(before) + raw)[4 if before else 0 : -4]
            yield coded
            yield coded.translate(bytes.maketrans(b"+/", b"-_"))


_ANY = re.compile(
    b"|".join(
        sorted({re.escape(form) for text in (_LATIN, _CHINESE, _DIGITS, str(_POINT)[2:]) for form in _forms(text)})
    )
)


def found_in(content: bytes) -> list[str]:
    """Return what stands there of planted words, each with what stands beside it; once each."""
    return sorted({repr(content[max(0, each.start() - 60) : each.end() + 60]) for each in _ANY.finditer(content)})


def marks_in(content: bytes, plants: Plants) -> set[str]:
    """Return the marks of the planted values that stand there as they are."""
    return {mark for mark in plants.words if mark.encode() in content}


class Bodies:
    """Bodies of requests, after an OpenAPI document, with planted values in every field that holds words.

    Args:
        document: the document.
        words: fields that hold words or numbers of people, each with what makes a value to plant there.
        codes: fields of text that hold codes, ids and instants.
    """

    def __init__(self, document: Json, words: Mapping[str, Callable[[str], Any]], codes: frozenset[str]) -> None:
        self._document = document
        self._words = words
        self._codes = codes

    def planted(self, operation: Json) -> Any:
        """Return a body of this operation. Raises AssertionError for a field of which nobody has said what it holds."""
        content = operation["requestBody"]["content"]["application/json"]
        schema = self._schema(content["schema"])
        [given, *_] = [each["value"] for each in content.get("examples", {}).values()] or schema.get("examples", [{}])
        return self._filled(schema, operation["operationId"], "", given)

    def _filled(
        self,
        schema: Json,
        operation: str,
        name: str,
        given: Any,
        *,
        required: bool = True,
    ) -> Any:
        field = f"{operation}.{name}"
        if name in self._words and field not in self._codes and "items" not in schema:
            return self._words[name](field)
        if schema.get("type") == "string" and not {"enum", "const", "format"} & schema.keys():
            assert {name, field} & self._codes, f"{field} holds words, or a code: name it"
        if schema.get("format") == "date-time" and not required:
            return None  # that of the example has passed
        if properties := schema.get("properties"):
            below, needed = (given if isinstance(given, dict) else {}), schema.get("required", ())
            filled = {
                each: self._filled(self._schema(part), operation, each, below.get(each), required=each in needed)
                for each, part in properties.items()
            }
            return {each: value for each, value in (below | filled).items() if value is not None}
        if "items" in schema and name in self._words:
            return [self._filled(self._schema(schema["items"]), operation, name, None)]
        if isinstance(given, list):
            return [self._filled(self._schema(schema.get("items", {})), operation, name, each) for each in given]
        return given

    def _schema(self, schema: Json) -> Json:
        """Return the schema that a reference leads to, or the first of several."""
        while "properties" not in schema and ("$ref" in schema or "anyOf" in schema):
            one = schema if "$ref" in schema else schema["anyOf"][0]
            schema = self._document["components"]["schemas"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        kinds = schema.get("type")
        return {**schema, "type": kinds[0]} if isinstance(kinds, list) else schema
