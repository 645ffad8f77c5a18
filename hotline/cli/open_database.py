"""The database as a command of the operator's needs it: with its tables up to date, and let go of afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from readmodel.database import engine
from readmodel.migrate import migrate


@contextmanager
def opened(url: str, refusal: Callable[[str], Exception]) -> Iterator[Engine]:
    """The database of this URL. Where it cannot be used, or fails within, raises what `refusal` makes of the reason."""
    try:
        migrate(url)
        database = engine(url)
        try:
            yield database
        finally:
            database.dispose()
    except DBAPIError as error:
        raise refusal(f"the database does not answer as it should: {error.orig}") from error
