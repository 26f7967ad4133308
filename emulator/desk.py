"""Everything that one emulated WeChat consists of, put together once and reached from a request with `here()`."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from flask import current_app

from emulator.accounts import Accounts
from emulator.agenda import Agenda
from emulator.archive import Archive
from emulator.books import Books
from emulator.clock import Clock
from emulator.faults import Faults
from emulator.holds import Holds
from emulator.journal import Journal
from emulator.keyring import Keyring
from emulator.keys import Keys
from emulator.log import Log
from emulator.notify import Courier
from emulator.pushes import Pushes
from emulator.sharing import Sharing
from emulator.terms import Contract

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line decides."""

    public_url: str
    merchant_name: str = "安徽地方馆"
    refund_seconds: float = 2.0
    allowed_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The parts, none of which is ever replaced."""

    options: Options
    keys: Keys
    keyring: Keyring
    clock: Clock
    journal: Journal
    books: Books
    contract: Contract
    archive: Archive
    sharing: Sharing
    faults: Faults
    holds: Holds
    pushes: Pushes
    agenda: Agenda
    courier: Courier
    accounts: Accounts
    log: Log

    def is_ours(self, url: str) -> bool:
        """Tell whether a browser or plain http may go there: this machine, the host we are reached by, allowed ones."""
        parts = urlsplit(url)
        hosts = LOOPBACK | self.options.allowed_hosts | {urlsplit(self.options.public_url).hostname}
        return parts.scheme in ("http", "https") and parts.hostname in hosts

    def close(self) -> None:
        """Let go of whoever is held, stop the agenda and close the journal."""
        self.holds.clear()
        self.agenda.close()
        self.journal.close()


def furnish(directory: Path, keys: Keys, options: Options, *, speed: float = 1.0, seed: int = 0) -> Desk:
    """Put a desk together on the books of `directory`; refuses (SystemExit) a directory that is in use."""
    journal = Journal(directory / "journal.jsonl")
    clock, faults, agenda, log = Clock(speed=speed), Faults(seed), Agenda(), Log()
    holds, pushes = Holds(), Pushes(journal)
    books, keyring = Books(journal), Keyring(keys, journal)
    return Desk(
        options=options,
        keys=keys,
        keyring=keyring,
        clock=clock,
        journal=journal,
        books=books,
        contract=Contract(journal),
        archive=Archive(directory / "bills", journal),
        sharing=Sharing(journal),
        faults=faults,
        holds=holds,
        pushes=pushes,
        agenda=agenda,
        courier=Courier(
            keys=keys,
            keyring=keyring,
            clock=clock,
            books=books,
            faults=faults,
            holds=holds,
            pushes=pushes,
            agenda=agenda,
            log=log,
        ),
        accounts=Accounts(keys, clock),
        log=log,
    )


def here() -> Desk:
    """Return the desk that the current request arrived at."""
    return cast(Desk, current_app.extensions["desk"])
