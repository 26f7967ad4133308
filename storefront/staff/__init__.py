"""The staff's side of the shop: accounts, their phones, and the pages and API they work with.

Invariant: nothing here is reachable without a staff session and the permission that it names.
"""
