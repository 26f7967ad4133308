"""The commands of `flask --app wsgi benefit`: verify, rebuild, rekey."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup

from config import clock, database
from storefront import audit, benefit, households

# Whoever looks for a fault needs the first differences, not a screenful for every order.
_SHOWN = 50

group = AppGroup("benefit", help="What sales bring the groups that products are linked to.")


@group.command("verify")
def verify() -> None:
    """Recompute every entry from orders and links; fails with what differs, and changes nothing."""
    with database.transaction() as session:
        drift = benefit.verify(session)
    _tell(drift, "`flask benefit rebuild` posts what is missing.")


@group.command("rebuild")
def rebuild() -> None:
    """Post the entries that are missing; fails with what differs even then. Again, it changes nothing."""
    with _bar("Posting") as progress:
        posted = benefit.rebuild(progress)
    click.echo(f"{posted:,} entries posted.")
    with database.transaction() as session:
        drift = benefit.verify(session)
    _tell(drift, "Entries are never changed: find out who wrote these.")


@group.command("rekey")
def rekey() -> None:
    """Seal the names of households under HOUSEHOLD_KEY; fails when some cannot be opened, and may run again."""
    done, lost = households.rekey()
    with database.transaction() as session:
        audit.record(session, None, "households.rekeyed", "households", {"done": done, "lost": lost}, now=clock.now())
    click.echo(f"{done:,} households sealed anew.")
    if lost:
        raise click.ClickException(
            f"{lost:,} cannot be opened: set HOUSEHOLD_KEY_PREVIOUS to the key that sealed them."
        )


def _tell(drift: list[benefit.Drift], advice: str) -> None:
    for row in drift[:_SHOWN]:
        told = f"holds {row.posted_fen} fen, its order says {row.expected_fen}"
        click.echo(f"{row.order}, line {row.line_no}, link {row.link}: {told}", err=True)
    if drift:
        raise click.ClickException(f"{len(drift):,} lines differ from their orders. {advice}")
    click.echo("No drift.")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    # Web processes load this module for its commands, and none of them draws a bar.
    from tqdm import tqdm

    with tqdm(desc=what) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
