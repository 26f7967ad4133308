"""The reference: the least honest code that does the same jobs, on Flask and psycopg alone.

Invariant: it checks nothing that a job does not force it to check: no sessions, limits, replays, refusals, freight or
logs; one autocommitted prepared statement a request. `benchmarks.reference:app` runs behind gunicorn's own threads.
"""

import base64
import os
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import psycopg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, Response, redirect, request
from psycopg.types.json import Jsonb
from sqlalchemy.engine import make_url

SCAN = """
    WITH hit AS (SELECT id, placement_id, landing_slug FROM codes WHERE slug = %s), event AS (
        INSERT INTO events (at, kind, code_id, placement_id, visitor)
        SELECT now(), 'scan', id, placement_id, %s FROM hit
    )
    SELECT landing_slug FROM hit
"""
LIST = """
    SELECT coalesce(json_agg(item), '[]')::text FROM (
        SELECT p.slug, p.name, p.hall, p.origin, p.image, p.position, (
            SELECT json_agg(json_build_object('number', s.number, 'spec', s.spec, 'price_fen', s.price_fen,
                                              'available', s.stock)) FROM skus s WHERE s.product_id = p.id) AS skus
        FROM products p WHERE p.position > %s ORDER BY p.position LIMIT 20
    ) item
"""
PAGE = """
    SELECT p.name, p.origin, p.description, p.image, (
        SELECT string_agg('<li>' || s.spec || ' ' || s.price_fen / 100.0, '') FROM skus s WHERE s.product_id = p.id)
    FROM products p WHERE p.slug = %s
"""
PLACE = "SELECT place(%s, %s, %s, %s)"
PAY = """
    WITH paid AS (
        UPDATE orders SET state = 1, transaction_id = %s, paid_at = now()
        WHERE number = %s AND state = 0 AND amount_fen = %s
        RETURNING id, amount_fen
    ), event AS (
        INSERT INTO events (at, kind, subject) SELECT now(), 'paid', %s FROM paid
    ), credit AS (
        INSERT INTO credits (order_id, placement_id, fen, at) SELECT id, 1, amount_fen, now() FROM paid
        ON CONFLICT DO NOTHING
    )
    SELECT id FROM paid
"""
_CACHED_FOR_S = 2.0

app = Flask("reference", static_folder=None)
_thread = threading.local()
_kept: dict[str, tuple[float, bytes]] = {}


def connect() -> psycopg.Connection:
    """Return a connection to the reference's tables."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql")
    options = "-c search_path=reference,public"
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, options=options)


def statement(sql: str, params: tuple[object, ...]) -> list[tuple[object, ...]]:
    """Run one prepared statement on this thread's connection."""
    if not hasattr(_thread, "connection"):
        _thread.connection = connect()
    return _thread.connection.execute(sql, params, prepare=True).fetchall()


@app.get("/hello")
def hello() -> Response:
    """Say the least that can be said: the ceiling of whatever needs no database."""
    return Response(b"hello")


@app.get("/s/<code>")
def scan(code: str) -> Response:
    """Look the code up, write the event, lead on."""
    [(slug,)] = statement(SCAN, (code, uuid.uuid4()))
    return redirect(f"/p/{slug}", 302)


@app.get("/products")
def listing() -> Response:
    """Return twenty products as bytes."""
    [(text,)] = statement(LIST, (int(request.args["after"]),))
    return Response(text, mimetype="application/json")


@app.get("/products/cached")
def cached() -> Response:
    """Return the first twenty products as bytes that are two seconds old at most."""
    kept = _kept.get("list")
    if kept is None or time.monotonic() - kept[0] > _CACHED_FOR_S:
        [(text,)] = statement(LIST, (0,))
        kept = _kept["list"] = (time.monotonic(), text.encode())
    return Response(kept[1], mimetype="application/json")


@app.get("/p/<slug>")
def page(slug: str) -> Response:
    """Return a product as a page without style, form or script."""
    [(name, origin, description, image, specs)] = statement(PAGE, (slug,))
    return Response(f"<h1>{name}</h1><img src={image}><p>{origin}<p>{description}<ul>{specs}", mimetype="text/html")


@app.post("/orders")
def order() -> Response:
    """Place an order in one call; 409 when a line is short."""
    body = orjson.loads(request.get_data())
    number = secrets.token_hex(8)
    try:
        statement(PLACE, (1, number, Jsonb(body["lines"]), Jsonb(body["address"])))
    except psycopg.errors.CheckViolation:
        return Response(b"{}", 409, mimetype="application/json")
    return Response(orjson.dumps({"number": number}), 201, mimetype="application/json")


@app.post("/notifications")
def notification() -> Response:
    """Verify, decrypt, and mark the order as paid with its event and its credit in one statement."""
    open_and_pay(statement, _wechat_key, request.headers, request.get_data())
    return Response(status=204)


def open_and_pay(run: Callable[..., object], key: RSAPublicKey, headers: Mapping[str, str], body: bytes) -> None:
    """Do all of a notification but the HTTP. Raises `InvalidSignature`."""
    signed = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode() + body + b"\n"
    key.verify(base64.b64decode(headers["Wechatpay-Signature"]), signed, PKCS1v15(), hashes.SHA256())
    sealed = orjson.loads(body)["resource"]
    told = orjson.loads(
        AESGCM(os.environ["WECHATPAY_APIV3_KEY"].encode()).decrypt(
            sealed["nonce"].encode(), base64.b64decode(sealed["ciphertext"]), sealed["associated_data"].encode()
        )
    )
    number = told["out_trade_no"]
    run(PAY, (told["transaction_id"], number, told["amount"]["total"], number))


def read_key() -> RSAPublicKey:
    """Return the key by which WeChat signs."""
    key = serialization.load_pem_public_key(Path(os.environ["WECHATPAY_PUBLIC_KEY_FILE"]).read_bytes())
    assert isinstance(key, RSAPublicKey)
    return key


_wechat_key = read_key() if "WECHATPAY_PUBLIC_KEY_FILE" in os.environ else None
