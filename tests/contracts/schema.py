"""Describes a database's schema as plain data, so that two of them can be compared."""

from sqlalchemy import Engine, text


def describe(engine: Engine) -> dict[str, list[str]]:
    """Return table → sorted lines for its columns, constraints and indexes; functions and types under their kind."""
    facts: dict[str, list[str]] = {}
    queries = {
        "column": "SELECT table_name, column_name || ' ' || data_type || ' ' || is_nullable || ' ' ||"
        " coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public'",
        "constraint": "SELECT conrelid::regclass::text, conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid <> 0",
        "index": "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "table": "SELECT relname, relkind::text FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND relnamespace = 'public'::regnamespace",
        "function": "SELECT 'functions', oid::regprocedure::text FROM pg_proc WHERE proname LIKE 'procrastinate%'",
    }
    with engine.connect() as connection:
        for kind, query in queries.items():
            for table, line in connection.execute(text(query)):
                facts.setdefault(table, []).append(f"{kind} {line}")
    return {table: sorted(lines) for table, lines in facts.items()}
