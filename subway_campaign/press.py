"""Makes a pack in a process of its own: draws every piece, takes it through preflight, and writes one ZIP.

Invariant: the ZIP appears under its name when it is complete, and equal pieces make equal bytes; a piece that fails is
in the manifest with the step that it failed at, and its files are not in the ZIP. Neither the web nor the worker
carries the font and the renderer: they start this module, and it ends when nobody reads it any more.
"""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from subway_campaign import media

# A drawing or a step of preflight that changes makes other packs: count up.
EDITION = 1
LABEL_STEP, LINK_STEP = "label", "link"
COLUMNS = ("code", "placement", "name", "url", "medium", "viewing_distance_m", "version", "error_correction",
           "error_correction_wanted", "module_mm", "symbol_mm", "width_mm", "height_mm", "contrast", "preflight",
           "failed_step", "svg", "svg_sha256", "pdf", "pdf_sha256")  # fmt: skip
_ROOT = Path(__file__).parent.parent
# The oldest date that a ZIP knows: a pack does not depend on when it was made.
_DATE = (1980, 1, 1, 0, 0, 0)

# Called with how many pieces are done, and how many of them were refused.
Progress = Callable[[int, int], None]


def run(pieces: Sequence[media.Piece], *, to: Path, progress: Progress | None = None) -> None:
    """Write the pack of `pieces` to `to` and tell of every piece. Raises `ChildProcessError` when the process died."""
    with subprocess.Popen(  # noqa: S603 - this very module, by the interpreter that runs us
        [sys.executable, "-m", "subway_campaign.press", str(to)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # It needs none of the shop's secrets.
        env={"PATH": os.environ.get("PATH", ""), "PYTHONIOENCODING": "utf-8"},
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise ChildProcessError
        try:
            json.dump([asdict(piece) for piece in pieces], child.stdin)
            child.stdin.close()
            for line in child.stdout:
                done, refused = line.split()
                if progress:
                    progress(int(done), int(refused))
        except BaseException:
            child.kill()
            raise
    if child.returncode != 0:
        raise ChildProcessError(f"the press ended with {child.returncode}")


def make(pieces: Sequence[media.Piece], *, to: Path, progress: Progress) -> None:
    """Do what `run` does, in this process: draw, judge and pack."""
    partial = to.with_suffix(".partial")
    rows, refused = [], 0
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as pack:
        for done, piece in enumerate(pieces, start=1):
            row, files = _piece(piece)
            for name, body in files.items():
                _add(pack, name, body)
            rows.append(row)
            refused += row["preflight"] != "passed"
            progress(done, refused)
        _add(pack, "manifest.csv", _table(rows))
        manifest = {"edition": EDITION, "pieces": len(rows), "refused": refused, "items": rows}
        _add(pack, "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1).encode())
    partial.replace(to)


def manifest(archive: bytes) -> dict[str, Any]:
    """Return what a pack says of itself."""
    with zipfile.ZipFile(io.BytesIO(archive)) as pack:
        said: dict[str, Any] = json.loads(pack.read("manifest.json"))
    return said


def _piece(piece: media.Piece) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a row of the manifest and the files by name; none when the piece is refused."""
    # The child alone pays for the font and the renderer.
    from subway_campaign import artwork, preflight

    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    wanted = media.of(piece.placement)
    row |= {"code": piece.code, "placement": piece.placement, "name": piece.name, "url": piece.link,
            "medium": wanted.name, "viewing_distance_m": wanted.distance_m,
            "error_correction_wanted": wanted.correction, "preflight": "refused"}  # fmt: skip
    try:
        drawing = artwork.draw(piece)
    except ValueError:
        return row | {"failed_step": LINK_STEP}, {}
    except LookupError:
        return row | {"failed_step": LABEL_STEP}, {}
    svg, pdf = artwork.svg(drawing), artwork.pdf(drawing)
    verdict = preflight.check(pdf, link=piece.link, format_=drawing.format)
    width, height = drawing.size_mm
    row |= {"version": media.VERSION, "error_correction": drawing.format.correction,
            "module_mm": drawing.format.module_mm, "symbol_mm": drawing.format.side_mm, "width_mm": width,
            "height_mm": height, "contrast": round(verdict.contrast, 3), "failed_step": verdict.failed}  # fmt: skip
    if verdict.failed:
        return row, {}
    files = {}
    for kind, body in (("svg", svg), ("pdf", pdf)):
        name = f"{kind}/{piece.placement or 'UNBOUND'}-{piece.code}.{kind}"
        files[name] = body
        row |= {kind: name, f"{kind}_sha256": hashlib.sha256(body).hexdigest()}
    return row | {"preflight": "passed"}, files


def _table(rows: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([[_cell(row[column]) for column in COLUMNS] for row in rows])
    # Excel reads Chinese in a CSV only behind this mark.
    return out.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> Any:
    """Return a value that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def _add(pack: zipfile.ZipFile, name: str, body: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    pack.writestr(entry, body)


def _main(to: str) -> None:
    # Orders and money are not to wait for drawings.
    os.nice(10)
    pieces = [media.Piece(**piece) for piece in json.load(sys.stdin)]

    def tell(done: int, refused: int) -> None:
        sys.stdout.write(f"{done} {refused}\n")
        sys.stdout.flush()

    make(pieces, to=Path(to), progress=tell)


if __name__ == "__main__":
    _main(sys.argv[1])
