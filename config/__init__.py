"""The ground: settings, database, facts, errors and engines, which know nothing of the shop that stands on them."""
