"""The shop as a WSGI application: `gunicorn -c config/gunicorn.py wsgi:app`, `flask --app wsgi …`."""

import os

from config import embedded
from config.settings import Settings
from storefront.app import create_app

embedded.provide(os.environ)
app = create_app(Settings.from_env())
