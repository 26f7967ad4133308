"""A shop whose clock can be moved, for a month in minutes."""
