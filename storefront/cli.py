"""The commands of `flask --app wsgi`: migrate, seed, worker, purge, reconcile, staff, audit, rollups, welcome."""

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import click
import orjson
import pyotp
import segno
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import text

from config import clock, database, dispatch, facts, jobs, settings
from config.errors import AppError
from payments import reconcile as reconciling
from storefront import audit as trail
from storefront import books, purging
from storefront.roles import Grant, Role, Scope
from storefront.staff import accounts
from subway_campaign import rollups as campaign_rollups

ONE_DAY = timedelta(days=1)


@click.command()
@with_appcontext
def migrate() -> None:
    """Bring the database's schema up to date, and post to the ledger what happened before it was there."""
    # Alembic is for this command alone; no web worker should carry it.
    from config import migrations

    migrations.upgrade(database.engine())
    click.echo("The schema is up to date.")
    with _bars("Posting") as progress:
        posted = books.backfill(progress=lambda what, done: progress(what, done, done))
    if posted:
        click.echo(f"Posted {posted:,} movements to the ledger.")


@click.command()
@with_appcontext
def seed() -> None:
    """Insert the real data that a fresh shop starts with; again, it changes nothing."""
    # Seeding romanises Chinese, which takes 55 MB that no web worker should carry.
    from storefront import seeding

    with _bars("Seeding") as progress:
        seeding.seed(progress, now=clock.now())


@click.command()
@with_appcontext
def purge() -> None:
    """Delete what docs/privacy.md says is over; again, it changes nothing."""
    with _bars("Purging") as progress:
        purging.purge(now=clock.now(), progress=progress)


@contextmanager
def _bars(verb: str) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function that shows how much of what is done, on one bar; where nobody watches, one line at the end."""
    # Web processes load this module for its commands, and none of them draws a bar.
    from tqdm import tqdm

    all_done: dict[str, None] = {}
    with tqdm(desc=verb, disable=None) as bar:

        def progress(what: str, done: int, total: int) -> None:
            all_done[what] = None
            bar.set_description(f"{verb} {what}", refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        yield progress
    if bar.disable and all_done:
        click.echo(f"{verb} done: {', '.join(all_done)}")


@click.command()
@click.option("--day", "days", type=click.DateTime(["%Y-%m-%d"]), multiple=True, help="This day; may be repeated.")
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="Every day of this month that is over.")
@with_appcontext
def reconcile(days: tuple[datetime, ...], month: datetime | None) -> None:
    """Compare days with WeChat Pay's bills, yesterday unless said otherwise; again, it changes nothing."""
    now = clock.now()
    yesterday = now.astimezone(clock.SHANGHAI).date() - ONE_DAY
    wanted = [*(day.date() for day in days), *(_month(month.date(), yesterday) if month else ())]
    if month and not wanted:
        raise click.BadParameter("none of its days is over yet", param_hint="--month")
    wanted = wanted or [yesterday]
    found: dict[date, int] = {}
    failed: dict[date, str] = {}
    with _bars("Reconciling") as progress:
        for at, day in enumerate(wanted):
            progress("days", at, len(wanted))
            try:
                found[day] = reconciling.one_day(day=day, now=now)
                with database.transaction() as session:
                    values = {"differences": found[day]}
                    trail.record(session, None, "day.reconciled", day.isoformat(), values, now=now)
            except AppError as error:
                failed[day] = f"{error.text} ({error.code})"
        progress("days", len(wanted), len(wanted))
    for day in wanted:
        click.echo(f"{day}  {failed.get(day) or ('equal' if not found[day] else f'{found[day]} differences')}")
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(wanted)} days could not be compared.")


def _month(first: date, yesterday: date) -> list[date]:
    """Return the days of the month that begins with `first`, up to yesterday."""
    last = min((first + timedelta(days=31)).replace(day=1) - ONE_DAY, yesterday)
    return [first + timedelta(days=passed) for passed in range((last - first).days + 1)]


@click.command()
@with_appcontext
def worker() -> None:
    """Run reactions and scheduled work until told to stop."""
    # Registers every reaction and every scheduled task; the web needs neither.
    from storefront import reactions, schedule  # noqa: F401

    jobs.work(first=lambda: facts.sweep(now=clock.now()), beside=dispatch.dispatchers)


staff = AppGroup("staff", help="Accounts of the people who work here.")


@staff.command("add")
@click.argument("username")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]))
@click.option("--area", help="Only this region: the first 2, 4, 6 or 9 digits of its code; for crew a placement.")
@click.option("--supplier", help="Only this supplier's goods.")
def add_staff(username: str, roles: tuple[str, ...], area: str | None, supplier: str | None) -> None:
    """Add an account; its password is read from standard input."""
    password = sys.stdin.readline().rstrip("\n")
    scope = Scope(area=area, supplier=supplier)
    grants = tuple(Grant(role=Role(role), scope=scope) for role in roles)
    with _told(), database.transaction() as session:
        added = accounts.add(session, username=username, password=password, grants=grants, now=clock.now())
    click.echo(f"Added {username}.")
    if added.enrolment_uri:
        click.echo("This role needs a second factor.")
        _show_enrolment(added.enrolment_uri)


@contextmanager
def _told() -> Iterator[None]:
    """Say why an account cannot be dealt with as asked, in the shop's own words."""
    try:
        yield
    except AppError as error:
        raise click.ClickException(f"{error.text} ({error.code}) {error.details or ''}") from error


def _show_enrolment(uri: str) -> None:
    click.echo("Scan this once with an authenticator; it is not shown again:")
    click.echo(uri)
    segno.make(uri).terminal(compact=True)


@staff.command("totp")
@click.argument("username")
def enrol_staff(username: str) -> None:
    """Give an account another second factor, for who lost the phone; its sessions end."""
    with _told(), database.transaction() as session:
        enrolled = accounts.enrol(session, username=username, now=clock.now())
    click.echo(f"The old authenticator of {username} is good for nothing now.")
    _show_enrolment(enrolled.enrolment_uri or "")


@staff.command("password")
@click.argument("username")
def change_staff_password(username: str) -> None:
    """Give an account the password on standard input; its sessions end."""
    password = sys.stdin.readline().rstrip("\n")
    with _told(), database.transaction() as session:
        accounts.change_password(session, username=username, password=password, now=clock.now())
    click.echo(f"Changed. {username} is logged out everywhere.")


@staff.command("disable")
@click.argument("username")
def disable_staff(username: str) -> None:
    """Shut an account for good; its sessions end."""
    with _told(), database.transaction() as session:
        accounts.disable(session, username=username, now=clock.now())
    click.echo(f"Disabled {username}.")


@staff.command("log-out")
@click.argument("username")
def log_out_staff(username: str) -> None:
    """End every session of an account at once."""
    with _told(), database.transaction() as session:
        ended = accounts.log_out_everywhere(session, username=username, now=clock.now())
    click.echo(f"Ended {ended} sessions of {username}.")


@staff.command("code")
def staff_code() -> None:
    """Print the present one-time code of this desk's account."""
    click.echo(pyotp.TOTP(_desk_account()["totp_secret"]).now())


audit = AppGroup("audit", help="The trail of what staff did.")


@audit.command("verify")
@click.option("--head", help="The digest that an earlier run or the log told: the chain must still have it.")
def verify_audit(head: str | None) -> None:
    """Recompute the chain of the audit trail; fails with the first entry that is not what was sealed."""
    with database.transaction() as session:
        chain = trail.verify(session, head=head.strip().lower() if head else None)
    if chain.fault:
        raise click.ClickException(f"{chain.fault}; the {chain.entries} entries before are as they were sealed.")
    click.echo(f"{chain.entries} entries, as they were sealed. Head: {chain.head or 'none'}")


rollups = AppGroup("rollups", help="The daily figures that the placement report reads.")
# Whoever looks for a fault needs the first differences, not a screenful for every day of a year.
_SHOWN = 50


@rollups.command("rebuild")
def rebuild_rollups() -> None:
    """Count every day of the log anew; reports stay right meanwhile."""
    with _bars("Counting") as progress:
        days = campaign_rollups.rebuild(progress=lambda done, total: progress("days", done, total))
    click.echo(f"{days:,} days counted.")


@rollups.command("verify")
def verify_rollups() -> None:
    """Count every day again and compare; fails with the rows that differ, and changes nothing."""
    with _bars("Verifying") as progress:
        drift, waiting = campaign_rollups.verify(progress=lambda done, total: progress("days", done, total))
    for row in drift[:_SHOWN]:
        key = ", ".join(f"{name} {value}" for name, value in row.key.items())
        click.echo(f"{row.table}: {key}: holds {row.stored}, the log says {row.counted}", err=True)
    if drift:
        raise click.ClickException(
            f"{len(drift):,} rows differ from the log; `flask rollups rebuild` counts them anew."
        )
    click.echo(f"No drift. {waiting:,} days wait to be counted by the next run.")


@click.command()
@with_appcontext
def welcome() -> None:
    """Say which pages to open on this desk, with a QR code of the themed train and the staff account's secrets."""
    address = settings.current().public_base_url
    link = f"{address}/s/{_train_code()}"
    account = _desk_account()
    click.echo(f"\nThe local hall is open.\n\n  Scan or open a code of the themed train: {link}\n")
    segno.make(link).terminal(compact=True)
    click.echo(f"\n  Shop   {address}/\n  API    {address}/docs\n  Staff  {address}/staff/")
    click.echo(f"         user {account['username']}, password {account['password']}")
    click.echo(f"         one-time code {pyotp.TOTP(account['totp_secret']).now()} (the next one: make staff-code)")
    click.echo("\n  make simulate N=20 sends commuters. Ctrl-C stops everything.")


def _train_code() -> str:
    with database.transaction() as session:
        return str(
            session.execute(
                text("""
                    SELECT c.slug FROM codes c JOIN code_bindings b ON b.code_id = c.id
                    JOIN placements p ON p.id = b.placement_id
                    WHERE b.landing_kind = 'product' ORDER BY p.number LIKE '%.T01.%' DESC, p.number LIMIT 1
                """)
            ).scalar_one()
        )


def _desk_account() -> dict[str, str]:
    """Return the account of this desk, made once per data directory; only for emulated WeChat."""
    if not settings.current().allow_emulated_wechat:
        raise click.ClickException("This is for a desk; use `flask staff add`.")
    path = settings.current().hall_data_dir / "desk-account.json"
    if not path.exists():
        account = {"username": f"desk-{secrets.token_hex(2)}", "password": secrets.token_urlsafe(12)}
        grants = tuple(Grant(role=role) for role in Role)
        with database.transaction() as session:
            added = accounts.add(
                session, username=account["username"], password=account["password"], grants=grants, now=clock.now()
            )
        account["totp_secret"] = pyotp.parse_uri(added.enrolment_uri or "").secret
        path.touch(mode=0o600)
        path.write_bytes(orjson.dumps(account))
    return dict(orjson.loads(path.read_bytes()))
