"""The product without its ledger, so that what the ledger costs can be measured: `benchmarks.unposted:app`.

Invariant: nothing but the posting of a settled payment's two movements is left out.
"""

from payments import books, notifications, receipts
from storefront import books as order_books


def _unposted(statement: str) -> str:
    """Return a statement without the part that posts. Raises `AssertionError` for one that does not post."""
    without = statement.replace(f"{books.RECEIVED}, ", "")
    assert without != statement, "the statement that takes money does not post it"
    return without


notifications._TAKE_AND_KEEP = _unposted(notifications._TAKE_AND_KEEP)  # noqa: SLF001 - measured without a part of it
receipts._TAKE_ALONE = _unposted(receipts._TAKE_ALONE)  # noqa: SLF001
order_books.honoured = lambda *_, **__: None

from wsgi import app  # noqa: E402, F401 - built after the ledger was left out
