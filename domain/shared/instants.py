"""Instants in the precision that every store keeps."""

from datetime import datetime


def to_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
