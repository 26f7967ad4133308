"""Health for machines: is the process alive, is it ready, what are its figures.

Invariant: /healthz touches nothing, /readyz touches the database only; Redis is no condition, for the shop runs
without it.
"""

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from config import database, http, redis
from storefront import guard

blueprint = Blueprint("health", __name__)


class Backlog(Collector):
    """What waits: facts without all their reactions, and jobs by state; read from the database at each scrape."""

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the gauges."""
        open_facts = database.statement(
            "SELECT count(*), coalesce(extract(epoch FROM now() - min(since)), 0)::float FROM open_facts"
        )[0]
        jobs = GaugeMetricFamily("hall_jobs", "Jobs in the queue by state", labels=["status"])
        for status, count in database.statement(
            "SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status"
        ):
            jobs.add_metric([status], count)
        return [
            GaugeMetricFamily("hall_open_facts", "Facts that still lack a reaction", value=open_facts[0]),
            GaugeMetricFamily("hall_oldest_open_fact_seconds", "Age of the oldest of them", value=open_facts[1]),
            GaugeMetricFamily("hall_redis_up", "Whether Redis answers", value=int(redis.shared() is not None)),
            jobs,
        ]


registry = CollectorRegistry()
registry.register(Backlog())


@blueprint.get("/healthz")
@guard.public
def healthz() -> Response:
    """Say that this process answers."""
    return http.json_bytes(b'{"status":"ok"}')


@blueprint.get("/readyz")
@guard.public
def readyz() -> Response:
    """Say that the database answers too; 503 when it does not."""
    database.statement("SELECT 1")
    return http.json_bytes(b'{"status":"ready"}')


@blueprint.get("/metrics")
@guard.public
def metrics() -> Response:
    """Give the figures in Prometheus' text form."""
    return Response(generate_latest(registry), mimetype="text/plain")
