"""Departments as the events of a case name them: which one had it, and which one it was given to next."""

from typing import Any

from sqlalchemy import JSON, ColumnElement, FromClause, and_, func, or_, type_coerce

from domain.case.actions import dispatch, follow_up, reopen
from domain.case.lifecycle import State
from readmodel.cases.tables import events


def fact(row: FromClause, name: str) -> ColumnElement[Any]:
    found: ColumnElement[Any] = type_coerce(row.c.data, JSON)[name].as_string()
    return found


def given_to(row: FromClause = events) -> ColumnElement[Any]:
    """Return the department that an event gives the case to; that of rework, if no department had it before."""
    return func.coalesce(fact(row, "department"), fact(row, "rework_by"))


def gives(row: FromClause = events) -> ColumnElement[bool]:
    """Return the condition for an event that gives the case to a department: by a dispatch, or for rework."""
    rework = and_(row.c.action == follow_up.ACTION.name, row.c.to_state == State.DISPATCHED.value)
    return or_(row.c.action.in_((dispatch.ACTION.name, reopen.ACTION.name)), rework)
