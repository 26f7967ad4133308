"""The staff's pages under `/staff`: server-rendered, in Chinese, usable by keyboard and on a phone."""

from flask import Flask

from storefront.staff.pages import (
    accreditations,
    aftersales,
    alerts,
    batches,
    benefit,
    codes,
    comparison,
    costs,
    creatives,
    entrance,
    explanation,
    field,
    finance,
    frame,
    goods,
    imports,
    metro,
    models,
    orders,
    packs,
    partners,
    paths,
    phone,
    prices,
    report,
    settlement,
    suppliers,
    today,
    trail,
    train,
    trials,
    views,
    wall,
)

_NOUNS = (
    entrance,
    today,
    report,
    metro,
    train,
    wall,
    costs,
    trials,
    orders,
    explanation,
    aftersales,
    goods,
    suppliers,
    accreditations,
    batches,
    prices,
    benefit,
    finance,
    imports,
    settlement,
    codes,
    packs,
    alerts,
    creatives,
    field,
    phone,
    partners,
    trail,
    views,
    comparison,
    models,
    paths,
)


def install(app: Flask) -> None:
    """Give `app` these pages; after the shop's own, whose error page stands everywhere else."""
    frame.install(app)
    for noun in _NOUNS:
        app.register_blueprint(noun.blueprint)
