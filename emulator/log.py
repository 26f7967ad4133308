"""What passed over the wire lately, both directions, for a person at the control plane.

Targets are kept without their query: that is where secrets, codes and tokens travel.
"""

from collections import deque
from datetime import UTC, datetime
from typing import Any

KEPT = 2000


class Log:
    """The last calls and sendings, newest last."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def note(self, direction: str, method: str, target: str, status: int | None, **more: Any) -> None:
        """Keep one exchange; `direction` is in or out as WeChat sees it."""
        self._entries.append(
            {
                "at": datetime.now(UTC),
                "direction": direction,
                "method": method,
                "target": target.partition("?")[0],
                "status": status,
            }
            | {name: value for name, value in more.items() if value is not None}
        )

    def entries(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest entries, oldest of them first."""
        return list(self._entries)[-limit:]
