"""The desk's memory on disk: one JSON line per record as it now stands; the last line of a record wins.

A line is handed to the operating system before the caller goes on, so a killed process forgets nothing that it
answered. At opening the file is rewritten with the last lines alone.
"""

import fcntl
from pathlib import Path
from typing import Any

import orjson


class Journal:
    """The journal of one directory, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open the journal and refuse another desk's directory (SystemExit) or a damaged file (ValueError)."""
        self._lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.rows = _last_rows(path)
        except BlockingIOError:
            self._lock.close()
            raise SystemExit(f"another emulator already keeps its books in {path.parent}") from None
        except orjson.JSONDecodeError:
            self._lock.close()
            raise
        draft = path.with_name(path.name + ".new")
        draft.write_bytes(b"".join(_line(kind, key, row) for (kind, key), row in self.rows.items()))
        draft.replace(path)
        self._file = path.open("ab", buffering=0)

    def write(self, kind: str, key: str, row: Any) -> None:
        """Append the present state of a record."""
        self._file.write(_line(kind, key, row))

    def close(self) -> None:
        """Let go of the file and of the directory."""
        self._file.close()
        self._lock.close()


def _line(kind: str, key: str, row: Any) -> bytes:
    return orjson.dumps({"kind": kind, "key": key, "row": row}, option=orjson.OPT_APPEND_NEWLINE)


def _last_rows(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines):
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            if number < len(lines) - 1:
                raise
            break  # A kill in the middle of the last write: that record was never acknowledged.
        rows[entry["kind"], entry["key"]] = entry["row"]
    return rows
