"""The bench still runs against the product as it is: data, both servers, load and table, for one job."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_one_job_is_measured_from_an_empty_machine() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "list"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, run.stderr[-2000:]
    [row] = [line for line in run.stdout.splitlines() if line.startswith("| list |")]
    rates = [float(cell.replace(",", "")) for cell in row.split("|")[3:6]]
    assert min(rates) > 0


@pytest.mark.slow
def test_what_the_books_cost_is_measured_from_an_empty_machine() -> None:
    command = [sys.executable, "-m", "benchmarks.money", "--rows", "300", "--payments", "20"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert run.returncode == 0, run.stderr[-2000:]
    figures = [line.split("|")[2].split()[0] for line in run.stdout.splitlines() if line.startswith("| reconcile 300")]
    assert [float(figure) > 0 for figure in figures] == [True]
