"""The API's document is served from our own host."""

import re

from flask.testing import FlaskClient


def test_the_document_opens_and_fetches_nothing_from_elsewhere(client: FlaskClient) -> None:
    page = client.get("/docs", follow_redirects=True)
    assert page.status_code == 200
    assert re.findall(rb'(?:src|href)="(https?://[^"]+)"', page.data) == []
    for path in re.findall(rb'(?:src|href)="(/docs/[^"]+)"', page.data):
        with client.get(path.decode()) as asset:
            assert asset.status_code == 200
    assert b"/openapi.json" in page.data
