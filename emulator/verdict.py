"""Whether the report equals what happened: intentions and the emulator's books on one side, the report on the other.

Everything is compared as a difference between two reports, so that a shop that has sold before may be simulated again.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.riders import Purchase, Trip

COUNTS = ("scans", "visitors", "carts", "orders", "paid_orders")
MONEY = ("gross_fen", "refunded_fen", "net_fen")
COMPARED = (*COUNTS, *MONEY)
# An order that nobody paid stays open for half an hour, or is cancelled.
UNPAID_STATES = {"pending", "cancelled"}
PAID_STATES = {"paid", "shipped", "received", "refunded"}

Figures = dict[str, int]


@dataclass
class Expectation:
    """What the report must have gained: by placement, by reason of what nobody earned or nobody did, and freight.

    `perhaps` says how many more scans may have been kept out for a reason: those of which nobody heard an answer.
    """

    rows: dict[str, Figures] = field(default_factory=lambda: defaultdict(lambda: dict.fromkeys(COMPARED, 0)))
    reasons: dict[str, Figures] = field(default_factory=lambda: defaultdict(lambda: dict.fromkeys(COMPARED, 0)))
    kept_out: dict[str, Figures] = field(default_factory=lambda: defaultdict(lambda: dict.fromkeys(COMPARED, 0)))
    freight_fen: int = 0
    perhaps: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)

    @property
    def total(self) -> Figures:
        """The sum over placements and reasons."""
        return {
            name: sum(figures[name] for figures in (*self.rows.values(), *self.reasons.values())) for name in COMPARED
        }


def expect(trips: Iterable[Trip], books: Mapping[str, Any]) -> Expectation:
    """Work out what the report must have gained. A payment that contradicts its order's intention is a trouble."""
    paid = payments_by_number(books)
    expected = Expectation()
    for trip in trips:
        for _, placement, _ in trip.scans:
            expected.rows[placement]["scans"] += 1
            expected.rows[placement]["visitors"] += 1
        expected.perhaps += trip.perhaps
        for reason in trip.kept_out:
            expected.kept_out[reason]["scans"] += 1
        for purchase in trip.purchases:
            _expect_purchase(expected, purchase, payments_of(purchase, paid))
    return expected


def payments_by_number(books: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the payments that the emulator took, by each of their prepay ids and by their transaction's id."""
    return {
        number: payment
        for payment in books["orders"]
        if payment["paid_at"]
        for number in (*payment["prepay_ids"], payment["transaction_id"])
    }


def payments_of(purchase: Purchase, paid: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the payments that the emulator took for an order, each once."""
    found = {paid[each]["out_trade_no"]: paid[each] for each in purchase.payments if each in paid}
    return list(found.values())


def unclaimed(trips: Iterable[Trip], before: Mapping[str, Any], books: Mapping[str, Any]) -> list[str]:
    """Return what money came in meanwhile that belongs to no order, or to more than one."""
    known, paid = payments_by_number(before), payments_by_number(books)
    claims = Counter(
        payment["out_trade_no"]
        for trip in trips
        for purchase in trip.purchases
        for payment in payments_of(purchase, paid)
    )
    came = {each["out_trade_no"]: each["total_fen"] for each in paid.values() if each["transaction_id"] not in known}
    return [
        f"payment {number} of {fen} fen belongs to {claims[number]} orders"
        for number, fen in came.items()
        if claims[number] != 1
    ]


def _expect_purchase(expected: Expectation, purchase: Purchase, payments: list[dict[str, Any]]) -> None:
    side = expected.kept_out if purchase.reason.startswith("excluded_") else expected.reasons
    figures = expected.rows[purchase.placement] if purchase.placement else side[purchase.reason]
    figures["orders"] += 1
    # Whoever orders has had the goods in hand; what nobody earned belongs to no journey.
    figures["carts"] += purchase.placement is not None and not purchase.is_repeat
    if not payments:
        return
    if len(payments) > 1:
        expected.troubles.append(f"order {purchase.number} was paid {len(payments)} times")
    payment = payments[0]
    freight_fen = payment["total_fen"] - purchase.goods_fen
    if freight_fen != purchase.freight_fen or sum(purchase.lines.values()) != purchase.goods_fen:
        expected.troubles.append(
            f"order {purchase.number}: {purchase.goods_fen} fen of goods and {purchase.freight_fen} of freight"
            f" were shown, {payment['total_fen']} were taken"
        )
    back_fen = sum(purchase.refund_lines.values())
    if payment["refunded_fen"] != back_fen + purchase.refund_freight_fen:
        expected.troubles.append(
            f"order {purchase.number}: {back_fen + purchase.refund_freight_fen} fen were to go back,"
            f" {payment['refunded_fen']} did"
        )
    figures["paid_orders"] += 1
    figures["gross_fen"] += purchase.goods_fen
    figures["refunded_fen"] += back_fen
    figures["net_fen"] += purchase.goods_fen - back_fen
    expected.freight_fen += freight_fen - purchase.refund_freight_fen


def gained(before: Mapping[str, Any], after: Mapping[str, Any]) -> Expectation:
    """Return what a report has gained between two readings, in the form of an expectation."""
    gain = Expectation(freight_fen=after["freight_fen"] - before["freight_fen"])
    sides = (("rows", "placement", gain.rows), ("unattributed", "reason", gain.reasons))
    for name, key, side in (*sides, ("excluded", "reason", gain.kept_out)):
        for report, sign in ((before, -1), (after, 1)):
            for row in report[name]:
                for figure in COMPARED:
                    side[row[key]][figure] += sign * row.get(figure, 0)
    for name in ("difference", "undecided"):
        gain.troubles += [f"the report's own {name} is {after[name]}"] if any(after[name].values()) else []
    return gain


def differences(expected: Expectation, found: Expectation) -> list[str]:
    """Return every figure in which the report is not what happened."""
    told = [*expected.troubles, *found.troubles]
    perhaps = {("kept out: ", reason, "scans"): count for reason, count in expected.perhaps.items()}
    for side, mine, theirs in (
        ("", expected.rows, found.rows),
        ("nobody's: ", expected.reasons, found.reasons),
        ("kept out: ", expected.kept_out, found.kept_out),
    ):
        for key in sorted({*mine, *theirs}):
            told += [
                f"{side}{key} {name}: expected {mine[key][name]}, reported {theirs[key][name]}"
                for name in COMPARED
                if not _may_be(mine[key][name], theirs[key][name], perhaps.get((side, key, name), 0))
            ]
    if expected.freight_fen != found.freight_fen:
        told.append(f"freight: expected {expected.freight_fen}, reported {found.freight_fen}")
    return told


def _may_be(expected: int, reported: int, perhaps: int) -> bool:
    return expected <= reported <= expected + perhaps


def order_differences(purchase: Purchase, payments: list[dict[str, Any]], shown: Mapping[str, Any]) -> list[str]:
    """Return in what the shop's own view of an order contradicts the emulator's books."""
    states = PAID_STATES if payments else UNPAID_STATES
    told = []
    if shown["state"] not in states:
        told.append(f"order {purchase.number} is {shown['state']}, but was paid {len(payments)} times")
    refunded_fen = sum(payment["refunded_fen"] for payment in payments)
    if shown["refunded_fen"] != refunded_fen:
        told.append(f"order {purchase.number} shows {shown['refunded_fen']} fen given back, {refunded_fen} were")
    return told


def table(found: Expectation, names: Mapping[str, str], *, most: int) -> str:
    """Return the placement table for people, the best earners first."""
    order = sorted(found.rows, key=lambda key: (-found.rows[key]["net_fen"], -found.rows[key]["scans"], key))
    alive = [key for key in order if any(found.rows[key].values())]
    lines: list[tuple[str, ...]] = [("placement", "", "scans", "orders", "paid", "gross ¥", "refunded ¥", "net ¥")]
    lines += [_line(key, names.get(key, ""), found.rows[key]) for key in alive[:most]]
    if len(alive) > most:
        rest = {name: sum(found.rows[key][name] for key in alive[most:]) for name in COMPARED}
        lines.append(_line(f"{len(alive) - most} more", "", rest))
    lines += [
        _line("nobody's", key, found.reasons[key]) for key in sorted(found.reasons) if any(found.reasons[key].values())
    ]
    lines.append(_line("total", "", found.total))
    return aligned(lines, left=2)


def aligned(lines: Sequence[tuple[str, ...]], *, left: int | None = None) -> str:
    """Return lines of cells in columns, of which the first `left` (all, unless said) begin at the left."""
    widths = [max(_width(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(_pad(cell, widths[at], is_left=left is None or at < left) for at, cell in enumerate(line)).rstrip()
        for line in lines
    )


def _line(key: str, name: str, figures: Figures) -> tuple[str, ...]:
    counts = [str(figures[each]) for each in ("scans", "orders", "paid_orders")]
    return (key, name, *counts, *(f"{figures[each] / 100:,.2f}" for each in MONEY))


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _pad(text: str, width: int, *, is_left: bool) -> str:
    blank = " " * (width - _width(text))
    return text + blank if is_left else blank + text
