"""The composition root: settings in, a WSGI application out.

Invariant: nothing is configured anywhere else, and an application that starts is wholly guarded.
"""

from flask import Flask

from config import database, http, logs, schemas
from config import settings as process_settings
from config.settings import Settings
from payments.wechatpay import client as wechatpay
from storefront import api as consumer_api
from storefront import benefit_cli, cli, documents, guard, health, partner_api
from storefront.h5 import views as h5
from storefront.staff import faces


def create_app(settings: Settings) -> Flask:
    """Return the shop, with this process made ready for it. Raises as `assemble` and the settings' key files do."""
    process_settings.use(settings)
    logs.configure(settings.log_level)
    database.configure(settings.database_url)
    # A wrong key file stops the start, not the first payment.
    wechatpay.current()
    return assemble(trusted_proxies=settings.trusted_proxies)


def assemble(*, trusted_proxies: int) -> Flask:
    """Return the application. What it serves it reads from the present settings, at each request.

    Raises `RuntimeError` when a view does not say who may call it.
    """
    app = http.App("storefront", static_folder=None)
    # No SECRET_KEY for Flask: its own session cookie is not used, and signing machinery would cost every request.
    app.config.update(
        API_TITLE="Local Hall",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
    )
    http.install(app, trusted_proxies=trusted_proxies)
    guard.install(app)
    api = schemas.HouseApi(app)
    consumer_api.register(api, app)
    app.register_blueprint(health.blueprint)
    h5.install(app)
    faces.register(api, app)
    partner_api.register(api)
    documents.register(app)
    for command in (cli.migrate, cli.seed, cli.worker, cli.purge, cli.reconcile, cli.staff, cli.audit, cli.welcome):
        app.cli.add_command(command)
    app.cli.add_command(cli.rollups)
    app.cli.add_command(benefit_cli.group)
    naked = guard.unguarded(app)
    if naked:
        raise RuntimeError(f"these views do not say who may call them: {', '.join(naked)}")
    return app
