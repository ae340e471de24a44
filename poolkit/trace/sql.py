"""The questions as SQL: DuckDB views over a store's own files, for whoever wants to look at a day in another way.

`VIEWS` are the definitions, in an order in which each stands on those before it. Every table of the schemas is a view
of that name with the number of the commit that wrote each row.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from poolkit.errors import Problem, TraceError
from poolkit.schemas import TABLES

if TYPE_CHECKING:
    import duckdb

VIEWS: Mapping[str, str] = {
    # What is known now: of several versions of a result the newest.
    "current_results": """
        SELECT * FROM results
        QUALIFY row_number() OVER (PARTITION BY sample_id ORDER BY commit_id DESC) = 1""",
    # Which specimens hold a sample: itself, its tube, and every mixture.
    "specimens": """
        SELECT DISTINCT sample_id, sample_id AS specimen_id FROM samples
        UNION SELECT DISTINCT sample_id, tube_id FROM samples
        UNION SELECT DISTINCT sample_id, pool_id FROM members""",
    # trace: every well that a sample stood in, who read it with what, and whether that decided.
    "chain": """
        SELECT DISTINCT p.sample_id, r.subject_id, p.specimen_id, w.plate_id, w.well, u.run_id, u.instrument_id,
            u.operator_id, u.extraction_lot, u.amplification_lot, u.started_at, u.ended_at, c.call, c.reasons,
            r.status, coalesce(r.evidence = concat_ws('/', c.specimen_id, c.run_id, c.well), false) AS decided
        FROM specimens p
        JOIN wells w USING (specimen_id)
        LEFT JOIN runs u USING (plate_id)
        LEFT JOIN calls c ON c.run_id = u.run_id AND c.well = w.well
        LEFT JOIN current_results r USING (sample_id)""",
    # recall: on which run, plate, lot, instrument and person every current result rests.
    "rests_on": """
        SELECT DISTINCT r.sample_id, r.subject_id, r.status, r.status IN ('negative', 'positive') AS released,
            k.committed_at, c.specimen_id, c.plate_id, c.well, c.run_id, u.instrument_id, u.operator_id,
            u.extraction_lot, u.amplification_lot, u.started_at, u.ended_at
        FROM current_results r
        JOIN calls c ON r.evidence = concat_ws('/', c.specimen_id, c.run_id, c.well)
        JOIN runs u ON u.run_id = c.run_id
        JOIN commits k ON k.commit_id = r.commit_id""",
    # journey and turnaround: the moments of a sample's line that the tables know.
    "moments": """
        SELECT s.sample_id, any_value(s.site_id) AS site_id, min(s.collected_at) AS collected_at,
            min(h.started_at) AS plated_at, min(h.ended_at) AS read_at, any_value(r.decided_at) AS decided_at,
            any_value(k.committed_at) AS committed_at
        FROM samples s
        LEFT JOIN chain h USING (sample_id)
        LEFT JOIN current_results r USING (sample_id)
        LEFT JOIN commits k ON k.commit_id = r.commit_id
        GROUP BY s.sample_id""",
    # reconcile: tubes with an unsettled sample that stand in no well, nor gave anything to a mixture.
    "not_received": """
        SELECT s.tube_id, count(DISTINCT s.sample_id) AS n_samples, min(s.collected_at) AS collected_at
        FROM samples s
        JOIN current_results r USING (sample_id)
        WHERE s.tube_id NOT IN (SELECT specimen_id FROM wells WHERE specimen_id IS NOT NULL)
          AND s.sample_id NOT IN (SELECT specimen_id FROM wells WHERE specimen_id IS NOT NULL)
          AND s.sample_id NOT IN (SELECT sample_id FROM members)
        GROUP BY s.tube_id
        HAVING bool_or(r.status NOT IN ('negative', 'positive'))""",
    # monitor: calls of pools and of single specimens by the day, in UTC, on which their run ended.
    "daily_calls": """
        WITH sizes AS (
            SELECT specimen_id, count(DISTINCT sample_id) AS n_members FROM specimens GROUP BY specimen_id)
        SELECT CAST(make_timestamp(epoch_us(u.ended_at)) AS DATE) AS day, z.n_members > 1 AS pooled, count(*) AS n,
            count(*) FILTER (c.call = 'positive') AS n_positive, count(*) FILTER (c.call = 'suspect') AS n_suspect,
            count(*) FILTER (c.call = 'invalid') AS n_invalid
        FROM calls c JOIN runs u USING (run_id) JOIN sizes z USING (specimen_id)
        GROUP BY ALL""",
}


def connect(segments: Iterable[tuple[int, str, str]], commits: pa.Table) -> "duckdb.DuckDBPyConnection":
    """Open a DuckDB connection in which a store's tables and questions are views.

    Parameters
    ----------
    segments
        Commit, table and file path of each segment, oldest first.
    commits : pyarrow.Table
        One row a commit, with its number, time and head.

    Returns
    -------
    duckdb.DuckDBPyConnection
        In memory; it reads the files and changes none.

    Raises
    ------
    TraceError
        When DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise TraceError("no SQL here", [Problem("duckdb", "is not installed: pip install 'poolkit[sql]'")]) from None
    # Time zones are an extension that DuckDB would fetch from the net: nothing here needs it, and nothing is fetched.
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    connection.register("commits", commits)
    named: dict[str, list[tuple[int, str]]] = {name: [] for name in TABLES}
    for commit, table, path in segments:
        if table in named:
            named[table].append((commit, path))
    for name, files in named.items():
        _view(connection, name, files)
    for name, query in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {query}")
    return connection


def ask(connection: "duckdb.DuckDBPyConnection", query: str) -> pa.Table:
    """Return what a query gives.

    Raises
    ------
    TraceError
        When DuckDB does not understand it, or cannot read a file.
    """
    import duckdb  # noqa: PLC0415 - an extra

    try:
        asked = connection.sql(query)
        return pa.table({}) if asked is None else asked.to_arrow_table()
    except duckdb.Error as reason:
        raise TraceError("the question cannot be answered", [Problem("sql", str(reason))]) from None


def _view(connection: "duckdb.DuckDBPyConnection", name: str, files: Sequence[tuple[int, str]]) -> None:
    """Make one table of the schemas a view over its files."""
    if not files:
        schema = TABLES[name].schema.append(pa.field("commit_id", pa.int64()))
        connection.register(name, schema.empty_table())
        return
    numbers = pa.table({"path": [path for _, path in files], "commit_id": [commit for commit, _ in files]})
    connection.register(f"{name}_files", numbers)
    listed = ", ".join(_quoted(path) for _, path in files)
    columns = ", ".join(TABLES[name].names)
    connection.execute(
        f"CREATE VIEW {name} AS SELECT {columns}, f.commit_id "  # noqa: S608 - names are the schemas'
        f"FROM read_parquet([{listed}], filename = 'file_of_row') t JOIN {name}_files f ON t.file_of_row = f.path"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
