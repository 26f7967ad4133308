"""Money: takes it, recognises it, gives it back.

This package has never heard of an order: callers name what is paid for by an opaque `reference`, and learn what
happened to the money from facts.
"""
