"""Reads an uploaded Excel file in a process of its own: proved first, then its first sheet as rows of plain text.

Invariant: nothing in a file is run, followed or fetched: what has macros, links to other files, entities or another
encoding is refused by name. What unpacks and reads runs with no secret, little memory and little time, and dies alone.
"""

import io
import json
import os
import re
import resource
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

LARGEST_BYTES = 8 * 1024 * 1024
# Twice what one import is promised to hold; rows that are empty or only coloured do not count.
MOST_ROWS, MOST_COLUMNS = 20_000, 60
LONGEST_CELL = 4_000
# A million rows that are only coloured unpack to 60 MB: people make them by formatting a column, and mean no harm.
MOST_UNPACKED_BYTES = 200 * 1024 * 1024
# One long text can stand in a million cells of a small file.
MOST_CHARACTERS = 20_000_000
_MOST_PARTS = 500
_MEMORY_BYTES, _CPU_S, _WAIT_S = 1_000 * 1024 * 1024, 20, 40
_PIECE = 1024 * 1024
_ROOT = Path(__file__).parent.parent
# Whoever wants a fifth file read at once waits: each may take a whole core.
_turn = threading.BoundedSemaphore(2)

_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORKBOOK, _SHEETS = "xl/workbook.xml", "xl/worksheets/sheet"
_MACROS = re.compile(r"vbaproject|macrosheets/|activex/|ctrlprops/|embeddings/|\.(?:bin|exe|js|vbs)$", re.IGNORECASE)
_PRINTER = re.compile(r"xl/printersettings/[^/]*\.bin", re.IGNORECASE)
_LINKS = re.compile(r"externallinks/|connections\.xml|querytables/", re.IGNORECASE)
_ENTITIES = (b"<!doctype", b"<!entity")
_ENCODING = re.compile(rb"""^(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")

REASONS = {
    "empty": "没有选择文件",
    "too_large": "文件不能超过 8 MB，请分成几份上传",
    "not_a_spreadsheet": "这不是 Excel 文件（.xlsx）：请用 Excel 或 WPS 另存为“Excel 工作簿（.xlsx）”后再传",
    "old_or_protected": "这是旧版（.xls）或加了密码的文件：请去掉密码并另存为“Excel 工作簿（.xlsx）”后再传",
    "macros": "文件里有宏、控件或嵌入的文件，不接收：请把内容复制到模板里再传",
    "external_links": "文件里有指向别的文件或数据库的链接，不接收：请断开链接，只保留数值后再传",
    "entities": "文件的内部结构可疑（含实体定义），不接收：请用模板重新填写",
    "wrong_encoding": "文件的内部编码不是 UTF-8，不接收：请用 Excel 或 WPS 重新另存一次",
    "too_heavy": "文件解开后太大，不接收：请把内容复制到一份新的模板里再传",
    "too_many_rows": f"最多 {MOST_ROWS:,} 行，请分成几份上传",
    "too_many_columns": f"最多 {MOST_COLUMNS} 列，请用模板填写",
    "broken": "文件不完整或已损坏，打不开",
    "no_rows": "表里没有内容：第一个工作表的第一行是列名，下面每行一条",
}


class Refused(Exception):
    """The file is not a spreadsheet that we take; `reason` is a word of `REASONS`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Line:
    """One row that is not empty: its number as Excel shows it, and its cells as text, "" where there is none."""

    number: int
    cells: tuple[str, ...]


def read(upload: bytes) -> list[Line]:
    """Return what stands in the first sheet of an Excel file, the heading first; of a formula its last result.

    Whole numbers come without a point, dates as 2026-11-22, yes and no as 是 and 否.

    Raises `Refused` with a word of `REASONS`.
    """
    inspect(upload)
    with _turn:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "config.spreadsheets"],
                cwd=_ROOT,
                input=upload,
                capture_output=True,
                timeout=_WAIT_S,
                check=False,
                # It needs none of the shop's secrets.
                env={"PATH": os.environ.get("PATH", "")},
            )
        except subprocess.TimeoutExpired as slow:
            raise Refused("too_heavy") from slow
    if done.returncode != 0 or not done.stdout:
        raise Refused("too_heavy")
    said = json.loads(done.stdout)
    if "refused" in said:
        raise Refused(said["refused"])
    return [Line(number, tuple(cells)) for number, cells in said["lines"]]


def inspect(upload: bytes) -> None:
    """Check what can be told without unpacking anything. Raises `Refused`."""
    if not upload:
        raise Refused("empty")
    if len(upload) > LARGEST_BYTES:
        raise Refused("too_large")
    if upload.startswith(_OLD):
        raise Refused("old_or_protected")
    if not upload.startswith(b"PK\x03\x04"):
        raise Refused("not_a_spreadsheet")
    try:
        with zipfile.ZipFile(io.BytesIO(upload)) as file:
            _inspect_parts(file.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as fault:
        raise Refused("broken") from fault


def _inspect_parts(parts: list[zipfile.ZipInfo]) -> None:
    names = [part.filename for part in parts]
    if _WORKBOOK not in names or "[Content_Types].xml" not in names:
        raise Refused("not_a_spreadsheet")
    if len({name.lower() for name in names}) < len(names):
        raise Refused("broken")
    if any(part.flag_bits & 1 for part in parts):
        raise Refused("old_or_protected")
    if any(_MACROS.search(name) and not _PRINTER.fullmatch(name) for name in names):
        raise Refused("macros")
    if any(_LINKS.search(name) for name in names):
        raise Refused("external_links")
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES:
        raise Refused("too_heavy")


def unfold(upload: bytes) -> Iterator[Line]:
    """Do what `read` does, in this process. Imports what a web process must not carry."""
    from python_calamine import CalamineError, CalamineWorkbook

    inspect(upload)
    _prove(upload)
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(upload)).get_sheet_by_index(0)
    except (CalamineError, ValueError, IndexError, OSError) as fault:
        raise Refused("broken") from fault
    if sheet.start is None:
        raise Refused("no_rows")
    if sheet.width > MOST_COLUMNS:
        raise Refused("too_many_columns")
    left, count, characters = [""] * sheet.start[1], 0, 0
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [*left, *map(_text, row)]
        if not any(cells):
            continue
        count, characters = count + 1, characters + sum(map(len, cells))
        # The heading is no row.
        if count > MOST_ROWS + 1:
            raise Refused("too_many_rows")
        if characters > MOST_CHARACTERS:
            raise Refused("too_heavy")
        yield Line(number, tuple(cells))
    if count < 2:
        raise Refused("no_rows")


def _prove(upload: bytes) -> None:
    """Unpack every part, whatever it says of its size, and look for what no honest file has."""
    unpacked = 0
    with zipfile.ZipFile(io.BytesIO(upload)) as file:
        for part in file.infolist():
            is_text, end = part.filename.lower().endswith((".xml", ".rels")), b""
            try:
                with file.open(part) as stream:
                    while piece := stream.read(_PIECE):
                        unpacked += len(piece)
                        if unpacked > MOST_UNPACKED_BYTES:
                            raise Refused("too_heavy")
                        if is_text:
                            _prove_text(piece, end, part.filename)
                            end = piece[-64:]
            except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as fault:
                raise Refused("broken") from fault
            # The library reads a sheet that breaks off as if it ended there.
            if part.filename.startswith(_SHEETS) and not end.rstrip().endswith(b"worksheet>"):
                raise Refused("broken")


def _prove_text(piece: bytes, before: bytes, name: str) -> None:
    if not before:
        declared = _ENCODING.match(piece[:400])
        if not piece.startswith((b"<", b"\xef\xbb\xbf<")) or b"\0" in piece[:400]:
            raise Refused("wrong_encoding")
        if declared and declared[1].lower() not in {b"utf-8", b"utf8", b"us-ascii"}:
            raise Refused("wrong_encoding")
    plain = (before + piece).lower()
    if any(word in plain for word in _ENTITIES):
        raise Refused("entities")
    if name == "[Content_Types].xml" and b"macroenabled" in plain:
        raise Refused("macros")


def _text(value: Any) -> str:
    said = str(value)
    if isinstance(value, str):
        # A cell that is too long is for whoever checks the row to refuse, and one character more tells enough.
        said = _CONTROL.sub("", value).strip()[: LONGEST_CELL + 1]
    elif isinstance(value, bool):
        said = "是" if value else "否"
    elif isinstance(value, float):
        # Excel itself keeps fifteen digits: 29.900000000000002 is 29.9.
        said = str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    elif isinstance(value, date):
        said = str(value).removesuffix(" 00:00:00")
    return said


def _main() -> None:
    # Orders and money are not to wait for files, and a bomb is not to take the machine with it.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said: dict[str, Any] = {"lines": [(line.number, line.cells) for line in unfold(sys.stdin.buffer.read())]}
    except Refused as refused:
        said = {"refused": refused.reason}
    sys.stdout.buffer.write(json.dumps(said).encode())


if __name__ == "__main__":
    _main()
