"""Public pictures over HTTP."""

from flask.testing import FlaskClient

from config import pictures, storage
from tests.config.test_pictures import NOW, upload


def test_a_public_picture_is_sent_for_ever_and_a_private_one_never(client: FlaskClient, db: None) -> None:
    shown, hidden = (pictures.take_in(upload(), is_public=public, now=NOW) for public in (True, False))
    answer = client.get(storage.url(shown.files["320.webp"]))
    assert (answer.status_code, answer.mimetype) == (200, "image/webp")
    assert "immutable" in answer.headers["Cache-Control"]
    name = hidden.files["320.webp"]
    for path in (f"/files/{name}", f"/files/{name.replace('private', 'public')}", "/files/public/PIC1/x.webp"):
        assert client.get(path).status_code == 404
    for one in (shown, hidden):
        for name in one.files.values():
            storage.delete(name)
