"""The commands: `flask --app wsgi migrate | worker | …`."""

import click
import segno
from flask.cli import with_appcontext

from config import clock, database, facts, jobs, migrations, settings


@click.command()
@with_appcontext
def migrate() -> None:
    """Bring the database's schema up to date."""
    migrations.upgrade(database.engine())
    click.echo("The schema is up to date.")


@click.command()
@with_appcontext
def worker() -> None:
    """Run reactions and scheduled work until told to stop."""
    facts.sweep(now=clock.now())
    jobs.work()


@click.command()
@with_appcontext
def welcome() -> None:
    """Say which page to open, with a QR code for a phone."""
    address = settings.current().public_base_url
    click.echo(f"\nThe local hall is open: {address}\n")
    segno.make(address).terminal(compact=True)
