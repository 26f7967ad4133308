"""Verdicts follow from the figures: medians for rates, minima for processor time, and a miss is said to be one."""

import os
import subprocess
import sys

from benchmarks import cpu, measure
from benchmarks.measure import Budget, Job, Sample


def _job(budget: Budget, product: list[Sample], reference: list[Sample]) -> Job:
    warm = product[0]
    answers = {"product": iter([warm, *product]), "reference": iter([warm, *reference])}
    return Job("scan", 8, 10, {name: lambda _, it=it: next(it) for name, it in answers.items()}, budget)


def test_rates_are_medians_and_processor_time_is_the_minimum() -> None:
    product = [Sample(100, 5, 9, 2.0), Sample(300, 6, 9, 0.8), Sample(200, 7, 9, 1.0)]
    reference = [Sample(400, 1, 2, 0.5)] * 3
    result = measure.run(_job(Budget(ratio=0.5, cpu=0.9), product, reference), 3)
    assert (result.figures["product"].rate, result.figures["product"].cpu) == (200, 0.8)
    assert (result.ratio, result.cpu_ratio) == (0.5, 0.625)
    assert result.verdict == "ratio 0.50 (≥ 0.5) met; CPU 0.80 (≤ 0.9) met"


def test_a_miss_says_by_how_much() -> None:
    job = _job(Budget(ratio=0.5, cpu=1.0, of_many=1.0), [Sample(100, 5, 9, 2.0)], [Sample(400, 1, 2, 0.5)])
    job.variants["many"] = lambda _: Sample(200, 5, 9, 1.0)
    assert measure.run(job, 1).verdict == (
        "ratio 0.25 (≥ 0.5) missed by 50%; CPU 2.00 (≤ 1) missed by 100%; of many 0.50 (≥ 1) missed by 50%"
    )


def test_what_may_be_more_than_the_reference_is_a_share_of_it() -> None:
    job = _job(Budget(p99_ms=10, more_cpu=0.25), [Sample(100, 5, 9, 1.2)], [Sample(100, 1, 2, 1.0)])
    assert measure.run(job, 1).verdict == "p99 ms 9.00 (≤ 10) met; more CPU 0.20 (≤ 0.25) met"


def test_the_time_of_a_dead_child_is_not_lost() -> None:
    before = cpu.seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert cpu.seconds(os.getpid()) - before > 0.05
    assert cpu.resident_mb(os.getpid()) > 5
