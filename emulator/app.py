"""The application: every face of the emulated WeChat on one desk."""

from flask import Flask, Response, request

from emulator import billing, cashier, console, control, dividing, pay, trade, weixin
from emulator.desk import Desk

MOST_BYTES = 1 << 20


def create_app(desk: Desk) -> Flask:
    """Return the WSGI application of a desk."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    # An ordered hang-up must reach the server, and a bug must not be dressed as an answer of WeChat's.
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.extensions["desk"] = desk
    for blueprint in (
        pay.v3,
        billing.billing,
        dividing.dividing,
        weixin.api,
        trade.trade,
        cashier.pages,
        control.control,
        console.console,
    ):
        app.register_blueprint(blueprint)

    @app.after_request
    def note(response: Response) -> Response:
        if not request.path.startswith("/_control"):
            desk.log.note("in", request.method, request.path, response.status_code)
        return response

    return app
