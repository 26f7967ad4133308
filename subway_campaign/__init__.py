"""Where they came from: placements, codes, scans, and the sale that each scan earned, to the fen.

Invariant: this package knows people only as random ids and orders only as numbers; it never imports the shop.
"""
