"""One measurement: a load on one variant of a job, and the processor time that the whole server side took for it.

Invariant: rates and latencies are medians over the rounds and processor time is their minimum, because other work on
the machine can only ever add to it.
"""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass

from benchmarks import load

Variant = Callable[[int], "Sample"]


@dataclass(frozen=True)
class Sample:
    """One round of one variant: requests a second, ms, and processor seconds per 1,000 requests."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu: float


@dataclass(frozen=True)
class Budget:
    """What a job is to reach: a share of the reference's rate, of the variant `many`'s rate, processor time, ms.

    `more_cpu` is how much more processor time it may take than the reference, as a share of the reference's.
    """

    ratio: float | None = None
    cpu: float | None = None
    of_many: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    more_cpu: float | None = None


@dataclass(frozen=True)
class Job:
    """One job: how often per round, by how many clients, and its variants, each a function of the count."""

    name: str
    clients: int
    count: int
    variants: dict[str, Variant]
    budget: Budget = Budget()
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Result:
    """A job's figures: each variant's, its share of the reference's rate and processor time, and the verdict."""

    job: str
    clients: int
    rounds: int
    figures: dict[str, Sample]
    budget: Budget
    verdict: str

    @property
    def ratio(self) -> float | None:
        """Return the product's rate over the reference's, None without a reference."""
        figures = self.figures
        return figures["product"].rate / figures["reference"].rate if "reference" in figures else None

    @property
    def cpu_ratio(self) -> float | None:
        """Return the reference's processor time over the product's, None without a reference."""
        figures = self.figures
        return figures["reference"].cpu / figures["product"].cpu if "reference" in figures else None

    def as_json(self) -> dict[str, object]:
        """Return this result as JSON."""
        return asdict(self) | {"ratio": self.ratio, "cpu_ratio": self.cpu_ratio}


def sample(act: Callable[[], load.Outcome], processor: Callable[[], float]) -> Sample:
    """Run `act` and return what it took; `processor` reads the seconds used so far."""
    before = processor()
    outcome = act()
    used = processor() - before
    return Sample(
        rate=outcome.rate,
        p50_ms=outcome.percentile(0.5),
        p99_ms=outcome.percentile(0.99),
        cpu=used * 1000 / len(outcome.latencies_ms),
    )


def run(job: Job, rounds: int) -> Result:
    """Warm every variant up, measure them in turn `rounds` times, and judge the medians and minima."""
    for variant in job.variants.values():
        variant(max(job.clients, job.count // 5))
    taken: dict[str, list[Sample]] = {name: [] for name in job.variants}
    for turn in range(rounds):
        # The order turns around, so that nobody always follows the same neighbour.
        names = list(job.variants) if turn % 2 == 0 else list(job.variants)[::-1]
        for name in names:
            taken[name].append(job.variants[name](job.count))
    job.check()
    figures = {name: together(samples) for name, samples in taken.items()}
    return Result(job.name, job.clients, rounds, figures, job.budget, _verdict(job, figures))


def together(samples: list[Sample]) -> Sample:
    """Return the medians of several rounds and their least processor time."""

    def median(name: str) -> float:
        return statistics.median(getattr(each, name) for each in samples)

    return Sample(median("rate"), median("p50_ms"), median("p99_ms"), min(each.cpu for each in samples))


def _verdict(job: Job, figures: dict[str, Sample]) -> str:
    """Say what of the budget is met, and by how much the rest is missed."""
    budget, product, said = job.budget, figures["product"], []
    if budget.ratio is not None:
        said.append(_judged("ratio", product.rate / figures["reference"].rate, budget.ratio, more_is_better=True))
    if budget.cpu is not None:
        said.append(_judged("CPU", product.cpu, budget.cpu, more_is_better=False))
    if budget.p50_ms is not None:
        said.append(_judged("ms", product.p50_ms, budget.p50_ms, more_is_better=False))
    if budget.p99_ms is not None:
        said.append(_judged("p99 ms", product.p99_ms, budget.p99_ms, more_is_better=False))
    if budget.more_cpu is not None:
        more = product.cpu / figures["reference"].cpu - 1
        said.append(_judged("more CPU", more, budget.more_cpu, more_is_better=False))
    if budget.of_many is not None:
        said.append(_judged("of many", product.rate / figures["many"].rate, budget.of_many, more_is_better=True))
    return "; ".join(said) or "no budget"


def _judged(what: str, found: float, wanted: float, *, more_is_better: bool) -> str:
    met = found >= wanted if more_is_better else found <= wanted
    bound = f"{'≥' if more_is_better else '≤'} {wanted:g}"
    return (
        f"{what} {found:.2f} ({bound}) met"
        if met
        else f"{what} {found:.2f} ({bound}) missed by {abs(found / wanted - 1):.0%}"
    )
