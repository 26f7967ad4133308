"""Own the texts that shoppers consent to; every version that was ever shown stays readable under its date."""

from datetime import date

from storefront import consents
from storefront.h5 import page_models

TITLES = {"privacy": "隐私政策", "terms": "购买须知"}
# Newest first. The first of each is what `consents.VERSIONS` asks for; a new text is a new file under a new date.
ARCHIVE = {"privacy": ("2026-11-23", "2026-11-22", "2026-11-21"), "terms": ("2026-11-21",)}


def find(kind: str, version: str | None) -> page_models.Document | None:
    """Return a version of a document, the present one for None; None when there never was such a text."""
    versions = ARCHIVE.get(kind, ())
    version = version or consents.VERSIONS.get(kind, "")
    if version not in versions:
        return None
    return page_models.Document(
        kind=kind,
        title=TITLES[kind],
        version=version,
        effective_on=date.fromisoformat(version),
        is_current=version == consents.VERSIONS[kind],
        versions=versions,
    )
