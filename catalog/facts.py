"""The facts that the catalog publishes, in the transaction that made them true."""

from config import facts

ACCREDITATION_LOST = facts.declare(
    "accreditation.lost",
    "A product's accreditation was suspended, revoked or ran out, and the product left the shelf.",
)
BATCH_RECALLED = facts.declare("batch.recalled", "A production batch was recalled, and no more of it may leave.")
PRODUCT_EDITED = facts.declare("product.edited", "Accredited facts of a product were changed, with the county's word.")
