"""What the hot paths cost, beside the least that they could cost: `python -m benchmarks`.

Invariant: product, reference and ceiling of a job run interleaved, against one PostgreSQL with full durability, so
that their ratios mean something even on a busy machine; nothing here is part of the product or of its tests' verdict.
"""
