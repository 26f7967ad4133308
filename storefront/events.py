"""The facts of the shop: what happened to orders, and to the after-sales claims of shoppers.

Keys are order numbers, for `order.refunded` refund numbers, for claims their numbers with the turn.
"""

from config import facts, jobs

# Nobody waits for what follows, and whoever pays has it follow from the payment.
ORDER_PLACED = facts.declare("order.placed", "A shopper placed an order, and its stock is held.", is_hurried=False)
# What follows from it, credit, benefit and deals, is nothing that money waits for.
ORDER_PAID = facts.declare("order.paid", "An order's money arrived and its stock is committed.", queue=jobs.DEFAULT)
ORDER_CANCELLED = facts.declare("order.cancelled", "An unpaid order ended: by its shopper, by staff or by expiry.")
ORDER_SHIPPED = facts.declare("order.shipped", "A consignment of an order left its warehouse.")
REFUND_REJECTED = facts.declare("order.refund_rejected", "A second person said no to a refund.")
CLAIM_FILED = facts.declare("claim.filed", "A shopper filed an after-sales claim, or staff must decide it anew.")
CLAIM_APPROVED = facts.declare("claim.approved", "Staff agreed to an after-sales claim.")
CLAIM_REFUSED = facts.declare("claim.refused", "Staff refused an after-sales claim, with a reason.")
CLAIM_GOODS_SENT = facts.declare("claim.goods_sent", "A shopper sent goods back.")
CLAIM_GOODS_RECEIVED = facts.declare("claim.goods_received", "Goods of a claim came back.")
CLAIM_ENDED = facts.declare("claim.ended", "A claim ended without a decision: withdrawn, or the goods never came.")
ORDER_REFUNDED = facts.declare("order.refunded", "Money of an order went back, by line and freight.")
