"""What the public names of the catalog look like.

Invariant: text that does not match never reaches SQL or a cache, so neither NUL bytes nor megabytes do.
"""

import re

_SLUG = re.compile(r"[a-z0-9-]{1,80}")
_SKU = re.compile(r"[0-9A-Za-z-]{1,40}")


def is_slug(text: str) -> bool:
    """Tell whether `text` can be the slug of a product or hall, or a region's code."""
    return _SLUG.fullmatch(text) is not None


def is_sku(text: str) -> bool:
    """Tell whether `text` can be the number of a SKU."""
    return _SKU.fullmatch(text) is not None
