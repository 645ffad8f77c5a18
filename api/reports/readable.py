"""Files of reports for people: in the language that is asked for, with words for codes, names and local times."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from api.directory import People
from api.exports.files import XLSX, attachment, one_page
from api.exports.reports import Reading, as_xlsx
from api.routing import BackendParts
from domain.catalogue.catalogue import Catalogue
from domain.reports.report import Table
from domain.shared.value import Phrase
from workflows.complaint.details import OUTCOME_ZH

ANSWERS: Mapping[str, Phrase] = {
    "true": ("是", "yes"),
    "false": ("否", "no"),
    **{code: (zh, code) for code, zh in OUTCOME_ZH.items()},
}
"""Words for what a follow-up (回访) has found."""
_OF_PEOPLE = "Language of its words, names and local times, for people; by default codes."
Language = Annotated[Literal["zh", "en"] | None, Field(description=_OF_PEOPLE)]
LanguageQuery = Annotated[Literal["zh", "en"] | None, Query(description=_OF_PEOPLE)]


def reading(language: Language, catalogue: Catalogue, people: People) -> Reading | None:
    """Return None for a file for programs."""
    if language is None:
        return None
    zh = language == "zh"

    def person(owner: str) -> str:
        return found.name if (found := people.get(owner)) else owner

    def answer(code: str) -> str:
        return ANSWERS[code][not zh]

    words = {"owner": person, **dict.fromkeys(("outcome", "contacted", "solved"), answer)}
    return Reading(zh, catalogue.calendar.timezone, words)


async def file_of(table: Table, period: str, form: str, backend: BackendParts, language: Language) -> Response:
    """Answer with a table as a file, `csv` or else `xlsx`."""
    catalogue, exports = backend.catalogue, backend.export_throttle
    reader = reading(language, catalogue, backend.people)
    name = f"{table.name.replace('_', '-')}-{period}"
    company = catalogue.name_zh if reader is None or reader.zh else catalogue.name
    title = f"{reader.title(table)} {period}" if reader else ""
    if form == "csv":
        headings, rows = reader.of(table)[1:] if reader else ([column.name for column in table.columns], table.rows)
        return await exports.answer(form, name, headings, one_page(rows), company, title)
    book = await exports.run(as_xlsx, [table], company, title or f"{table.title_zh} {period}", reader)
    return Response(book, media_type=XLSX, headers=attachment(f"{name}.xlsx", company, title))
