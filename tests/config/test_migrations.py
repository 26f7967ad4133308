"""Migrations: up, down and up again leave the same schema, and the schema equals the models."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from procrastinate.schema import SchemaManager
from sqlalchemy import CheckConstraint, Engine, create_engine, make_url, text

import payments.bill_models
import payments.ledger_models
import payments.models
import payments.payout_models
import payments.sharing_models  # noqa: F401 - the tables of payments
from catalog import (  # noqa: F401 - the catalog's tables
    accreditation_models,
    batch_models,
    change_models,
    feed_models,
    hall_models,
    models,
    price_models,
    supplier_models,
    target_models,
)
from config import database, embedded, migrations
from storefront import app, claim_models, order_models, shopper_models, staff_models  # noqa: F401 - imports every model
from subway_campaign import (  # noqa: F401 - all of the campaign
    conversion_models,
    cost_models,
    field_models,
    influence_models,
    signal_models,
    trial_models,
)
from tests.contracts.schema import describe


@pytest.fixture
def empty(engines: embedded.Engines) -> Iterator[Engine]:
    """An engine on an empty database of this test process's own."""
    url = make_url(engines.database_url)
    admin = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    name = f"hall_migrations_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        engine = create_engine(url.set(database=name))
        yield engine
        engine.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_upgrade_downgrade_upgrade_leaves_the_same_schema(empty: Engine) -> None:
    migrations.upgrade(empty)
    first = describe(empty)
    migrations.downgrade(empty, "base")
    assert describe(empty) == {"alembic_version": describe(empty)["alembic_version"]}
    migrations.upgrade(empty)
    assert describe(empty) == first


def test_the_schema_equals_the_models(empty: Engine) -> None:
    migrations.upgrade(empty)
    with empty.begin() as connection:
        command.check(migrations.config(connection, database.Base.metadata))


def test_every_check_of_the_models_holds_in_the_schema(empty: Engine) -> None:
    """Alembic compares no CHECK constraints: those of the database would be missed only when they are needed."""
    migrations.upgrade(empty)
    with empty.begin() as connection:
        rows = connection.execute(
            text("SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND convalidated")
        )
        found = {(table, name) for table, name in rows}
    declared = {
        (table.name, check.name)
        for table in database.Base.metadata.tables.values()
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    assert len(declared) > 30
    assert declared - found == set()


def test_the_frozen_queue_schema_is_the_installed_one(empty: Engine) -> None:
    frozen = (migrations.Path(migrations.__file__).parent / "procrastinate_3_10.sql").read_text()
    assert frozen == SchemaManager.get_schema()


def test_a_migration_that_fails_leaves_nothing_behind(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE reactions_done ()"))
    with pytest.raises(Exception, match="reactions_done"):
        migrations.upgrade(empty)
    assert set(describe(empty)) == {"reactions_done"}


def test_a_fact_that_waits_for_its_dispatch_has_a_job_after_the_downgrade(empty: Engine) -> None:
    migrations.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(
            text("INSERT INTO facts (id, name, key, values) VALUES (1, 'x', 'A', '{}'), (2, 'x', 'B', '{}')")
        )
        connection.execute(text("INSERT INTO open_facts (fact_id, queue) VALUES (1, 'money'), (2, NULL)"))
    migrations.downgrade(empty, "0067_days_of_goods")
    with empty.begin() as connection:
        jobs = connection.execute(text("SELECT queue_name, task_name, args FROM procrastinate_jobs")).all()
        assert jobs == [("money", "facts.dispatch", {"fact_id": 1})]
        assert connection.execute(text("SELECT count(*) FROM open_facts")).scalar_one() == 2
