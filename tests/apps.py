"""The application for tests that need one: assembled once a process, since it reads the settings at each request."""

import functools

from flask import Flask

from config import logs
from config import settings as process_settings
from config.settings import Settings
from storefront.app import assemble

_assembled = functools.cache(assemble)


def application(settings: Settings) -> Flask:
    """The shop under `settings`, over the database that is configured. Routes cannot be added: others share it."""
    process_settings.use(settings)
    logs.configure(settings.log_level)
    return _assembled(trusted_proxies=settings.trusted_proxies)
