"""What is due by the clock. Each entry does whatever is due, so a missed tick loses nothing.

Invariant: an entry may run twice at once and any number of times.
"""

from catalog import accreditations, feed, importing, liquor, market_prices, price_guard, suppliers
from config import clock, facts, jobs
from payments import collect, reconcile, refunds, share_returns, sharing
from storefront import (
    audit,
    books,
    claims,
    commissions,
    deadlines,
    purging,
    shipping_reports,
    webhook_sending,
    webhooks,
)
from subway_campaign import influence, packs, partitions, reviews, rollups, watch

jobs.every("* * * * * */3", name="payments.check_due", queue=jobs.WIRE)(collect.check_due)
jobs.every("* * * * * */10", name="refunds.check_due", queue=jobs.WIRE)(refunds.check_due)
jobs.every("*/10 * * * *", name="commissions.ask_due", queue=jobs.WIRE)(commissions.ask_due)
jobs.every("* * * * * */30", name="sharing.check_due", queue=jobs.WIRE)(sharing.check_due)
jobs.every("* * * * * */30", name="share_returns.check_due", queue=jobs.WIRE)(share_returns.check_due)
jobs.every("* * * * * */10", name="orders.expire_due", queue=jobs.WIRE)(deadlines.expire_due)
jobs.every("*/10 * * * *", name="orders.receive_due")(deadlines.receive_due)
jobs.every("* * * * * */10", name="shipping.report_due", queue=jobs.WIRE)(shipping_reports.report_due)
jobs.every("* * * * *", name="claims.expire_due")(claims.expire_due)
jobs.every("*/10 * * * *", name="accreditations.move_due")(accreditations.move_due)
jobs.every("* * * * *", name="suppliers.move_due")(suppliers.move_due)
# Partners learn of a change within seconds; what no change tells of, within the hour.
jobs.every("* * * * * */3", name="catalog.publish_feed")(feed.publish_due)
jobs.every("29 * * * *", name="catalog.sweep_feed")(feed.sweep)
jobs.every("* * * * *", name="liquor.follow_licence")(liquor.follow_licence)
jobs.every("*/5 * * * *", name="catalog.market_prices")(market_prices.compute_due)
jobs.every("29 * * * *", name="catalog.review_prices")(price_guard.review_due)
jobs.every("* * * * * */5", name="webhooks.queue_due")(webhooks.queue_due)
# Hosts of partners may hang: slots of their own.
jobs.every("* * * * * */5", name="webhooks.send_due", queue=jobs.HOOKS)(webhook_sending.send_due)
jobs.every("* * * * * */3", name="facts.catch_up")(facts.catch_up)
jobs.every("* * * * *", name="facts.sweep")(facts.sweep)
jobs.every("7 * * * *", name="campaign.partitions")(partitions.ensure)
# A report counts by itself what is not rolled up: the more often, the less.
jobs.every("* * * * * */10", name="campaign.roll_up")(rollups.roll_up)
# The first hour of a day studies the day before; later ones find nothing to do, unless that hour was missed.
jobs.every("47 * * * *", name="campaign.study_paths")(influence.study_due)
# Five seconds after it, on what it handed on.
jobs.every("* * * * * 5-55/10", name="campaign.review_due")(reviews.review_due)
jobs.every("41 * * * *", name="campaign.watch")(watch.watch_due)
# Minutes of work at a time, in a slot of its own.
jobs.every("* * * * * */5", name="press.build_due", queue=jobs.PRESS)(packs.build_due)
# A sheet is told of when it comes; this goes on with what a worker left behind that died.
jobs.every("* * * * * */10", name="imports.work_due", queue=jobs.SHEETS)(importing.work_due)
jobs.every("23 * * * *", name="ledger.check")(books.check)
# Bills are complete at ten by Beijing time; each hour makes up for what the hours before could not get.
jobs.every("5 * * * *", name="payments.reconcile", queue=jobs.WIRE)(reconcile.reconcile_due)
# At night in China; a night that is missed is made up for by the next.
jobs.every("17 19 * * *", name="storefront.purge")(purging.purge)
jobs.every("11 * * * *", name="audit.head")(audit.tell_head)
jobs.every("37 19 * * *", name="audit.verify")(audit.verify_daily)


@jobs.task(importing.TASK, queue=jobs.SHEETS)
def work_on_import(number: str) -> None:
    """Compare a sheet that has just come, or do one that has just been confirmed."""
    importing.work(number=number, now=clock.now())
