"""The facts of the shop: what happened to orders. Keys are order numbers, or refund numbers for `order.refunded`."""

from config import facts

ORDER_PLACED = facts.declare("order.placed", "A shopper placed an order, and its stock is held.")
ORDER_PAID = facts.declare("order.paid", "An order's money arrived and its stock is committed.")
ORDER_CANCELLED = facts.declare("order.cancelled", "An unpaid order ended: by its shopper, by staff or by expiry.")
ORDER_SHIPPED = facts.declare("order.shipped", "A consignment of an order left its warehouse.")
ORDER_REFUNDED = facts.declare("order.refunded", "Money of an order went back, by line and freight.")
