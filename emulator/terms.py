"""What the merchant and WeChat agreed on and how WeChat behaves where its documents leave room: fees, gaps, bills.

One frozen record, journalled when the control plane changes it; whatever was booked before keeps the old terms.
"""

import threading
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from emulator.journal import Journal


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The present terms."""

    # Hundredths of a percent, and the decimals of a yuan that a fee is rounded to: WeChat books whole fen.
    fee_bp: int = 60
    fee_places: int = 2
    # Two refunds of one payment must lie this far apart (at speed 1).
    refund_gap_seconds: float = 60
    # The form of bills differs between real ones: each of these was seen both ways.
    bill_bom: bool = True
    bill_newline: str = "\r\n"
    bill_hash_over: str = "plain"
    bill_wide_brackets: bool = False
    empty_bill_status: int = 400

    def __post_init__(self) -> None:
        if not 0 <= self.fee_bp < 10_000 or self.fee_places not in (2, 3, 4, 5):
            raise ValueError("fee_bp is 0 to 9999, fee_places 2 to 5")
        if self.bill_hash_over not in ("plain", "gzip") or self.bill_newline not in ("\n", "\r\n"):
            raise ValueError("bill_hash_over is plain or gzip, bill_newline is \\n or \\r\\n")
        if self.empty_bill_status not in (400, 404):
            raise ValueError("empty_bill_status is 400 or 404")


class Contract:
    """The terms in force."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self.terms = Terms(**journal.rows.get(("terms", "present"), {}))

    def change(self, told: dict[str, Any]) -> Terms:
        """Change some of the terms; refuses (ValueError) what there is not, or of another type than before."""
        known = {each.name: type(each.default) for each in fields(Terms)}
        for name, value in told.items():
            if name not in known or not isinstance(value, (int, float) if known[name] is float else known[name]):
                raise ValueError(f"no such term, or not of its type: {name}")
        with self._lock:
            self.terms = replace(self.terms, **told)
            self._journal.write("terms", "present", asdict(self.terms))
            return self.terms
