"""The processor time of process trees, read from /proc.

Invariant: time never goes backwards, because what a dead child used is counted where its parent waited for it.
"""

import os
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def seconds(*roots: int) -> float:
    """Return the processor seconds that the trees below `roots` have used, dead children included."""
    stats = _stats()
    return sum(sum(map(int, stats[pid][11:15])) for pid in _below(stats, roots)) / _TICKS


def children(root: int) -> list[int]:
    """Return the processes below `root`."""
    return sorted(_below(_stats(), [root]) - {root})


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 1e6


def _stats() -> dict[int, list[str]]:
    """Return the fields after the name in /proc/<pid>/stat: [0] state, [1] parent, [11:15] own and waited-for time."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
    return found


def _below(stats: dict[int, list[str]], roots: object) -> set[int]:
    offspring: dict[int, list[int]] = defaultdict(list)
    for pid, fields in stats.items():
        offspring[int(fields[1])].append(pid)
    found: set[int] = set()
    waiting = [pid for pid in roots if pid in stats]
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += offspring[pid]
    return found
