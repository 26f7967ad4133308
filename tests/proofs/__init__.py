"""Proofs over whole processes: `python -m tests.proofs crash | soak`; both end by comparing our books with WeChat's."""
