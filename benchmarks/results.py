"""How results are told: a table for people, JSON for later, each with machine and commit.

Invariant: a result is written as it came out; a missed budget stands beside the met ones.
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import orjson

from benchmarks.measure import Result, Sample
from benchmarks.stand import ROOT

FOLDER = Path(__file__).parent / "results"
_HEAD = (
    "job", "clients", "product /s", "reference /s", "ceiling /s", "ratio", "product CPU", "reference CPU",
    "ceiling CPU", "CPU ratio", "p50 / p99 ms", "verdict",
)  # fmt: skip


def table(results: list[Result]) -> str:
    """Return the results as a Markdown table; CPU is seconds per 1,000 requests of the whole server side."""
    rows = [_HEAD, tuple("---" for _ in _HEAD), *map(_row, results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(result: Result) -> tuple[str, ...]:
    variants = [result.figures.get(name) for name in ("product", "reference", "ceiling")]
    product = result.figures["product"]
    return (
        result.job,
        str(result.clients),
        *(_number(each and each.rate) for each in variants),
        _number(result.ratio),
        *(_number(each and each.cpu) for each in variants),
        _number(result.cpu_ratio),
        f"{_number(product.p50_ms)} / {_number(product.p99_ms)}",
        result.verdict,
    )


def _number(value: float | Sample | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def machine() -> dict[str, object]:
    """Return what the figures were taken on; `load` says how busy it was with other work."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": [round(each, 1) for each in os.getloadavg()],
    }


def commit() -> str:
    """Return the commit that was measured, with `-dirty` when files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def write(results: list[Result], settings: dict[str, object], *, what: str) -> Path:
    """Write results/<date>-<commit>.json and .md for the commit `what` and return the path of the table."""
    FOLDER.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    path = FOLDER / f"{at:%Y-%m-%d}-{what}.md"
    about = {"at": at.isoformat(timespec="seconds"), "commit": what, "machine": machine(), "settings": settings}
    body = about | {"results": [result.as_json() for result in results]}
    path.with_suffix(".json").write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    facts = [f"- {name}: {value}" for group in (about["machine"], settings) for name, value in group.items()]
    path.write_text("\n".join([f"# {at:%Y-%m-%d}, commit {what}", "", *facts, "", table(results), ""]))
    return path
