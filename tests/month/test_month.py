"""A simulated month with known causes is recovered exactly where the rules say so, and explained where they do not."""

import subprocess
import sys

import pytest

from tests.shop import ROOT


@pytest.mark.slow
def test_a_month_of_known_causes_is_recovered() -> None:
    command = [sys.executable, "-m", "tests.month", "--riders", "1"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-2000:]
    assert "every cause is recovered, or explained by the rule that does not" in run.stdout
