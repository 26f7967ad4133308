from pathlib import Path

from storefront import consents
from storefront.h5 import documents

TEXTS = Path(documents.__file__).parent / "templates" / "h5" / "documents"


def test_the_version_that_is_consented_to_is_the_one_that_is_shown() -> None:
    for kind, version in consents.VERSIONS.items():
        shown = documents.find(kind, None)
        assert shown is not None
        assert shown.version == version
        assert shown.is_current


def test_every_version_ever_shown_still_has_its_text() -> None:
    for kind, versions in documents.ARCHIVE.items():
        for version in versions:
            assert (TEXTS / f"{kind}_{version}.html").stat().st_size > 500


def test_there_is_no_other_text() -> None:
    assert documents.find("privacy", "2020-01-01") is None
    assert documents.find("cookies", None) is None
