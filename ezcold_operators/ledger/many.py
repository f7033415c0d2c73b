"""One statement for each of many rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Connection, Dialect, Insert, Update


def execute_many(conn: Connection, statement: Insert | Update, rows: Sequence[dict[str, Any]]) -> None:
    """Execute a statement once for each row; nothing if there are none.

    It is compiled once, and the driver takes the rows as they are: SQLAlchemy's own `execute` makes the parameters of
    each row anew, which costs as much as SQLite's work on them.

    :param statement: a constant of its module: what was compiled of it is kept.
    :param rows: all with the same keys. A column that an insert is not given has its default.
    """
    if rows:
        sql, fixed, parameters = _compiled(statement, conn.dialect, tuple(rows[0]))
        conn.exec_driver_sql(sql, [parameters(fixed | row) for row in rows])


@lru_cache(maxsize=64)
def _compiled(
    statement: Insert | Update, dialect: Dialect, keys: tuple[str, ...]
) -> tuple[str, dict[str, Any], Callable[[dict[str, Any]], Any]]:
    """SQL; the parameters that are the same for all rows; what makes the driver's parameters of a row."""
    columns = list(keys) if isinstance(statement, Insert) else None
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    fixed = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
    fixed |= {str(column.key): cast(Any, column.default).arg for column in compiled.insert_prefetch}
    return compiled.string, fixed, itemgetter(*compiled.positiontup) if compiled.positiontup else dict
