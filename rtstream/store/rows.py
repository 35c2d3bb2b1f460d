"""Builds the dataclasses that queries return from rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar, get_args, get_type_hints

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select

T = TypeVar("T")

ResultRow: TypeAlias = Row[Any]  # Any: its columns
"""SQLAlchemy's row. It stays inside this package, because its columns have no types."""

Query: TypeAlias = Select[Any]  # Any: its columns
"""A query for rows of any columns."""


class RowReader(Generic[T]):
    """Reads the columns that the fields of a dataclass name, and builds one instance per row.

    A column that the dataclass does not name is not read, so a new column needs no change here.

    Args:
        row_type: The dataclass. A state (``StrEnum``) and a type with ``from_json`` are converted.
        table: Table of the fields.
        other: Columns of other tables, of any type, by the name of their field.
    """

    def __init__(self, row_type: type[T], table: Table, **other: ColumnElement[object] | ColumnElement[bool]) -> None:
        hints = get_type_hints(row_type)
        names = [field.name for field in fields(row_type)]  # pyright: ignore[reportArgumentType]
        self._row_type = row_type
        self._columns = [other[name] if name in other else table.c[name] for name in names]
        self._converters = [
            (place, convert) for place, name in enumerate(names) if (convert := _converter(hints[name]))
        ]

    def select(self) -> Query:
        """Return a query for all rows."""
        return select(*self._columns)

    def first(self, conn: Connection, query: Query) -> T | None:
        """Return the first row, or None if there is none."""
        row = conn.execute(query).first()
        return None if row is None else self.build(row)

    def all(self, conn: Connection, query: Query) -> list[T]:
        """Return all rows."""
        return self.build_all(conn.execute(query))

    def build(self, row: Iterable[object]) -> T:
        """Build an instance from a row whose first columns are those of ``select``."""
        values = list(row)[: len(self._columns)]
        for place, convert in self._converters:
            values[place] = convert(values[place])
        return self._row_type(*values)

    def build_all(self, rows: Iterable[ResultRow]) -> list[T]:
        """Build an instance per row."""
        return [self.build(row) for row in rows]


# Any: the value of a column, which the converter checks.
def _converter(hint: object) -> Callable[[Any], object] | None:
    """Return the function that converts a column value to a field of this type, or None if none is needed."""
    if isinstance(hint, type):
        return hint if issubclass(hint, StrEnum) else getattr(hint, "from_json", None)
    for part in get_args(hint):
        if isinstance(part, type) and issubclass(part, StrEnum):
            return lambda value: None if value is None else part(value)
    return None
