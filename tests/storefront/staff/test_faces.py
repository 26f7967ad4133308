"""Each role at each route: what its permissions open is open, everything else is refused."""

import re
from typing import Any

import pytest
from flask import Flask

from storefront.roles import PERMISSIONS, Grant, Permission, Role, Scope
from tests.storefront.api.conftest import Caller, shopper  # noqa: F401 - fixture
from tests.storefront.staff.conftest import Clerk, hire

API, PAGES = "/api/staff/v1", "/staff"

# Every guarded route of the staff's side and the permission it asks for; a new route must be written down here.
ROUTES: dict[tuple[str, str], Permission | None] = {
    ("DELETE", f"{API}/sessions/current"): None,
    ("DELETE", f"{API}/sessions"): None,
    ("DELETE", f"{API}/accounts/X1/sessions"): Permission.MANAGE_STAFF,
    ("GET", f"{API}/placements"): Permission.READ_PLACEMENTS,
    ("POST", f"{API}/placements"): Permission.WRITE_PLACEMENTS,
    ("PATCH", f"{API}/placements/X1"): Permission.WRITE_PLACEMENTS,
    ("GET", f"{API}/codes"): Permission.READ_PLACEMENTS,
    ("POST", f"{API}/codes"): Permission.WRITE_CODES,
    ("GET", f"{API}/codes/X1"): Permission.READ_PLACEMENTS,
    ("GET", f"{API}/codes/X1/print"): Permission.READ_PLACEMENTS,
    ("POST", f"{API}/codes/X1/bindings"): Permission.WRITE_CODES,
    ("GET", f"{API}/packs"): Permission.READ_PLACEMENTS,
    ("POST", f"{API}/packs"): Permission.WRITE_CODES,
    ("GET", f"{API}/packs/X1"): Permission.READ_PLACEMENTS,
    ("GET", f"{API}/packs/X1/archive"): Permission.READ_PLACEMENTS,
    ("GET", f"{API}/reports/placements"): Permission.READ_REPORTS,
    ("GET", f"{API}/partners"): Permission.MANAGE_PARTNERS,
    ("POST", f"{API}/partners"): Permission.MANAGE_PARTNERS,
    ("GET", f"{API}/partners/X1"): Permission.MANAGE_PARTNERS,
    ("POST", f"{API}/partners/X1/closure"): Permission.MANAGE_PARTNERS,
    ("POST", f"{API}/partners/X1/keys"): Permission.MANAGE_PARTNERS,
    ("POST", f"{API}/partners/X1/keys/X1/revocation"): Permission.MANAGE_PARTNERS,
    ("GET", f"{PAGES}/partners"): Permission.MANAGE_PARTNERS,
    ("POST", f"{PAGES}/partners"): Permission.MANAGE_PARTNERS,
    ("GET", f"{PAGES}/partners/X1"): Permission.MANAGE_PARTNERS,
    ("POST", f"{PAGES}/partners/X1/closure"): Permission.MANAGE_PARTNERS,
    ("POST", f"{PAGES}/partners/X1/keys"): Permission.MANAGE_PARTNERS,
    ("POST", f"{PAGES}/partners/X1/keys/X1/revocation"): Permission.MANAGE_PARTNERS,
    ("POST", f"{PAGES}/partners/X1/deliveries/X1/replay"): Permission.MANAGE_PARTNERS,
    ("POST", f"{PAGES}/partners/X1/endpoints/X1/enabling"): Permission.MANAGE_PARTNERS,
    ("GET", f"{API}/trials"): Permission.READ_REPORTS,
    ("POST", f"{API}/trials"): Permission.WRITE_COSTS,
    ("GET", f"{API}/trials/X1"): Permission.READ_REPORTS,
    ("POST", f"{API}/trials/X1/start"): Permission.WRITE_COSTS,
    ("POST", f"{API}/trials/X1/withdrawal"): Permission.WRITE_COSTS,
    ("GET", f"{API}/costs"): Permission.READ_REPORTS,
    ("POST", f"{API}/costs"): Permission.WRITE_COSTS,
    ("POST", f"{API}/costs/X1/reversal"): Permission.WRITE_COSTS,
    ("GET", f"{API}/placements/X1/exposures"): Permission.READ_REPORTS,
    ("POST", f"{API}/placements/X1/exposures"): Permission.WRITE_COSTS,
    ("GET", f"{API}/placements/X1/return"): Permission.READ_REPORTS,
    ("GET", f"{API}/orders"): Permission.READ_ORDERS,
    ("GET", f"{API}/orders/X1"): Permission.READ_ORDERS,
    ("GET", f"{API}/orders/X1/attribution"): Permission.READ_ATTRIBUTION,
    ("POST", f"{API}/orders/X1/attribution"): Permission.WRITE_PLACEMENTS,
    ("POST", f"{API}/orders/X1/merges/X1/undoing"): Permission.WRITE_PLACEMENTS,
    ("POST", f"{API}/orders/X1/refunds"): Permission.REFUND_ORDERS,
    ("POST", f"{API}/orders/X1/shipments"): Permission.SHIP_ORDERS,
    ("PUT", f"{API}/orders/X1/shipments"): Permission.SHIP_ORDERS,
    ("GET", f"{API}/aftersales"): Permission.READ_ORDERS,
    ("GET", f"{API}/aftersales/X1"): Permission.READ_ORDERS,
    ("POST", f"{API}/aftersales/X1/approval"): Permission.REFUND_ORDERS,
    ("POST", f"{API}/aftersales/X1/receipt"): Permission.SHIP_ORDERS,
    ("POST", f"{API}/aftersales/X1/refusal"): Permission.REFUND_ORDERS,
    ("GET", f"{API}/refund-proposals"): Permission.REFUND_ORDERS,
    ("POST", f"{API}/refund-proposals/X1/approval"): Permission.REFUND_ORDERS,
    ("POST", f"{API}/refund-proposals/X1/rejection"): Permission.REFUND_ORDERS,
    ("GET", f"{API}/stranded-refunds"): Permission.READ_MONEY,
    ("POST", f"{API}/stranded-refunds/X1/card"): Permission.REFUND_ORDERS,
    ("POST", f"{API}/stranded-refunds/X1/transfer"): Permission.REFUND_ORDERS,
    ("GET", f"{API}/finance/days"): Permission.READ_MONEY,
    ("GET", f"{API}/finance/cases"): Permission.READ_MONEY,
    ("GET", f"{API}/finance/cases/X1"): Permission.READ_MONEY,
    ("POST", f"{API}/finance/cases/X1/end"): Permission.CLOSE_CASES,
    ("PUT", f"{API}/finance/cases/X1/owner"): Permission.CLOSE_CASES,
    ("GET", f"{API}/finance/frozen"): Permission.READ_MONEY,
    ("GET", f"{API}/finance/ledger"): Permission.READ_MONEY,
    ("GET", f"{API}/finance/ledger/statement"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/alerts.csv"): Permission.READ_ALERTS,
    ("GET", f"{PAGES}/alerts.xlsx"): Permission.READ_ALERTS,
    ("GET", f"{PAGES}/alerts/codes.csv"): Permission.READ_ALERTS,
    ("GET", f"{PAGES}/alerts/codes.xlsx"): Permission.READ_ALERTS,
    ("GET", f"{PAGES}/creatives.csv"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/creatives.xlsx"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/trials.csv"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/trials.xlsx"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/trials/X1/schedule.csv"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/trials/X1/schedule.xlsx"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/packs.csv"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/packs.xlsx"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes/X1/bindings.csv"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes/X1/bindings.xlsx"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/field/round.csv"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/field/round.xlsx"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/my/goods"): Permission.KEEP_GOODS,
    ("GET", f"{PAGES}/my/goods/X1"): Permission.KEEP_GOODS,
    ("POST", f"{PAGES}/my/goods/X1/changes"): Permission.KEEP_GOODS,
    ("POST", f"{PAGES}/my/goods/X1/withdrawal"): Permission.KEEP_GOODS,
    ("POST", f"{PAGES}/my/goods/X1/prices"): Permission.KEEP_GOODS,
    ("POST", f"{PAGES}/my/goods/X1/stock"): Permission.KEEP_GOODS,
    ("POST", f"{PAGES}/my/goods/X1/shelf"): Permission.KEEP_GOODS,
    ("GET", f"{PAGES}/changes"): Permission.DECIDE_ACCREDITATION,
    ("POST", f"{PAGES}/changes/X1"): Permission.DECIDE_ACCREDITATION,
    ("GET", f"{PAGES}/suppliers"): Permission.READ_SUPPLIERS,
    ("POST", f"{PAGES}/suppliers"): Permission.MANAGE_SUPPLIERS,
    ("GET", f"{PAGES}/suppliers/X1"): Permission.READ_SUPPLIERS,
    ("POST", f"{PAGES}/suppliers/X1/profile"): Permission.READ_SUPPLIERS,
    ("POST", f"{PAGES}/suppliers/X1/agreement"): Permission.KEEP_GOODS,
    ("POST", f"{PAGES}/suppliers/X1/permits"): Permission.MANAGE_SUPPLIERS,
    ("POST", f"{PAGES}/suppliers/X1/payee"): Permission.READ_SUPPLIERS,
    ("POST", f"{PAGES}/suppliers/X1/steps"): Permission.READ_SUPPLIERS,
    ("POST", f"{PAGES}/suppliers/X1/papers"): Permission.READ_SUPPLIERS,
    ("GET", f"{PAGES}/suppliers/X1/papers/X1"): Permission.READ_SUPPLIERS,
    ("GET", f"{API}/targets"): Permission.READ_HALLS,
    ("PUT", f"{API}/targets"): Permission.WRITE_TARGETS,
    ("GET", f"{API}/league"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/targets"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/targets.csv"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/targets.xlsx"): Permission.READ_HALLS,
    ("POST", f"{PAGES}/targets"): Permission.WRITE_TARGETS,
    ("GET", f"{API}/halls"): Permission.READ_HALLS,
    ("POST", f"{API}/halls"): Permission.WRITE_HALLS,
    ("GET", f"{API}/halls/X1"): Permission.READ_HALLS,
    ("PUT", f"{API}/halls/X1"): Permission.WRITE_HALLS,
    ("POST", f"{API}/halls/X1/steps"): Permission.WRITE_HALLS,
    ("PUT", f"{API}/halls/X1/shelves"): Permission.WRITE_HALLS,
    ("POST", f"{API}/halls/X1/code"): Permission.WRITE_HALLS,
    ("GET", f"{PAGES}/halls"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/halls.csv"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/halls.xlsx"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/halls/new"): Permission.WRITE_HALLS,
    ("POST", f"{PAGES}/halls"): Permission.WRITE_HALLS,
    ("GET", f"{PAGES}/halls/X1"): Permission.READ_HALLS,
    ("POST", f"{PAGES}/halls/X1"): Permission.WRITE_HALLS,
    ("POST", f"{PAGES}/halls/X1/steps"): Permission.WRITE_HALLS,
    ("POST", f"{PAGES}/halls/X1/picture"): Permission.WRITE_HALLS,
    ("POST", f"{PAGES}/halls/X1/picture/removal"): Permission.WRITE_HALLS,
    ("POST", f"{PAGES}/halls/X1/shelves"): Permission.WRITE_HALLS,
    ("POST", f"{PAGES}/halls/X1/code"): Permission.WRITE_HALLS,
    ("GET", f"{PAGES}/halls/X1/print"): Permission.READ_HALLS,
    ("GET", f"{PAGES}/accreditations"): Permission.READ_ACCREDITATIONS,
    ("GET", f"{PAGES}/accreditations/new"): Permission.APPLY,
    ("POST", f"{PAGES}/accreditations"): Permission.APPLY,
    ("POST", f"{PAGES}/accreditations/batches"): Permission.DECIDE_ACCREDITATION,
    ("GET", f"{PAGES}/accreditations/X1"): Permission.READ_ACCREDITATIONS,
    ("POST", f"{PAGES}/accreditations/X1/statement"): Permission.APPLY,
    ("POST", f"{PAGES}/accreditations/X1/evidence"): Permission.APPLY,
    ("GET", f"{PAGES}/accreditations/X1/evidence/X1"): Permission.READ_ACCREDITATIONS,
    ("POST", f"{PAGES}/accreditations/X1/evidence/X1/removal"): Permission.APPLY,
    ("POST", f"{PAGES}/accreditations/X1/steps"): Permission.READ_ACCREDITATIONS,
    ("POST", f"{PAGES}/accreditations/X1/objections/X1"): Permission.DECIDE_ACCREDITATION,
    ("POST", f"{PAGES}/accreditations/X1/indication"): Permission.DECIDE_ACCREDITATION,
    ("GET", f"{PAGES}/prices"): Permission.READ_PRICES,
    ("POST", f"{PAGES}/prices/X1/decision"): Permission.REVIEW_PRICES,
    ("GET", f"{PAGES}/batches"): Permission.READ_BATCHES,
    ("POST", f"{PAGES}/batches"): Permission.WRITE_BATCHES,
    ("GET", f"{PAGES}/batches/X1"): Permission.READ_BATCHES,
    ("POST", f"{PAGES}/batches/X1/pages"): Permission.WRITE_BATCHES,
    ("POST", f"{PAGES}/batches/X1/recall"): Permission.RECALL_BATCHES,
    ("POST", f"{PAGES}/accreditations/X1/inspections"): Permission.SUPERVISE,
    ("POST", f"{PAGES}/accreditations/X1/rectification"): Permission.SUPERVISE,
    ("GET", f"{PAGES}/benefit"): Permission.READ_BENEFIT,
    ("GET", f"{PAGES}/benefit.csv"): Permission.READ_BENEFIT,
    ("GET", f"{PAGES}/benefit.xlsx"): Permission.READ_BENEFIT,
    ("POST", f"{PAGES}/benefit/groups"): Permission.WRITE_BENEFIT,
    ("GET", f"{PAGES}/benefit/groups/X1"): Permission.READ_BENEFIT,
    ("POST", f"{PAGES}/benefit/groups/X1/links"): Permission.WRITE_BENEFIT,
    ("POST", f"{PAGES}/benefit/links/X1/end"): Permission.WRITE_BENEFIT,
    ("GET", f"{PAGES}/benefit/groups/X1/households"): Permission.READ_HOUSEHOLDS,
    ("POST", f"{PAGES}/benefit/groups/X1/households"): Permission.READ_HOUSEHOLDS,
    ("POST", f"{PAGES}/benefit/households/X1/departure"): Permission.READ_HOUSEHOLDS,
    ("POST", f"{PAGES}/benefit/households/X1/erasure"): Permission.READ_HOUSEHOLDS,
    ("GET", f"{API}/benefit/totals"): Permission.READ_BENEFIT,
    ("GET", f"{API}/benefit/groups"): Permission.READ_BENEFIT,
    ("POST", f"{API}/benefit/groups"): Permission.WRITE_BENEFIT,
    ("GET", f"{API}/benefit/groups/X1"): Permission.READ_BENEFIT,
    ("POST", f"{API}/benefit/groups/X1/links"): Permission.WRITE_BENEFIT,
    ("POST", f"{API}/benefit/links/X1/end"): Permission.WRITE_BENEFIT,
    ("GET", f"{API}/benefit/groups/X1/households"): Permission.READ_HOUSEHOLDS,
    ("POST", f"{API}/benefit/groups/X1/households"): Permission.READ_HOUSEHOLDS,
    ("POST", f"{API}/benefit/households/X1/departure"): Permission.READ_HOUSEHOLDS,
    ("POST", f"{API}/benefit/households/X1/erasure"): Permission.READ_HOUSEHOLDS,
    ("GET", PAGES): None,
    ("GET", f"{PAGES}/"): None,
    ("POST", f"{PAGES}/logout"): None,
    ("GET", f"{PAGES}/today.json"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/metro"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/metro.csv"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/metro.json"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/metro.xlsx"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/train"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/train.csv"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/train.json"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/train.xlsx"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/wall"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/wall/figures"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/report"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/report.csv"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/report.xlsx"): Permission.READ_REPORTS,
    **{
        ("GET", f"{PAGES}/report/{page}{kind}"): Permission.READ_REPORTS
        for page in ("compare", "models", "ways")
        for kind in ("", ".csv", ".xlsx")
    },
    ("POST", f"{PAGES}/report/views"): Permission.READ_REPORTS,
    ("POST", f"{PAGES}/report/views/X1/removal"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/trials"): Permission.READ_REPORTS,
    ("POST", f"{PAGES}/trials"): Permission.WRITE_COSTS,
    ("GET", f"{PAGES}/trials/X1"): Permission.READ_REPORTS,
    ("POST", f"{PAGES}/trials/X1/start"): Permission.WRITE_COSTS,
    ("POST", f"{PAGES}/trials/X1/withdrawal"): Permission.WRITE_COSTS,
    ("GET", f"{PAGES}/costs"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/costs.csv"): Permission.READ_REPORTS,
    ("GET", f"{PAGES}/costs.xlsx"): Permission.READ_REPORTS,
    ("POST", f"{PAGES}/costs"): Permission.WRITE_COSTS,
    ("GET", f"{PAGES}/costs/X1"): Permission.READ_REPORTS,
    ("POST", f"{PAGES}/costs/X1/reversal"): Permission.WRITE_COSTS,
    ("GET", f"{PAGES}/returns/X1"): Permission.READ_REPORTS,
    ("POST", f"{PAGES}/returns/X1/exposures"): Permission.WRITE_COSTS,
    ("GET", f"{PAGES}/orders"): Permission.READ_ORDERS,
    ("GET", f"{PAGES}/orders.csv"): Permission.READ_ORDERS,
    ("GET", f"{PAGES}/orders.xlsx"): Permission.READ_ORDERS,
    ("GET", f"{PAGES}/orders/X1"): Permission.READ_ORDERS,
    ("POST", f"{PAGES}/orders/X1/shipments"): Permission.SHIP_ORDERS,
    ("POST", f"{PAGES}/orders/X1/corrections"): Permission.SHIP_ORDERS,
    ("GET", f"{PAGES}/orders/X1/refund"): Permission.REFUND_ORDERS,
    ("POST", f"{PAGES}/orders/X1/refunds"): Permission.REFUND_ORDERS,
    ("GET", f"{PAGES}/orders/X1/attribution"): Permission.READ_ATTRIBUTION,
    ("POST", f"{PAGES}/orders/X1/attribution"): Permission.WRITE_PLACEMENTS,
    ("POST", f"{PAGES}/orders/X1/merges/X1"): Permission.WRITE_PLACEMENTS,
    ("GET", f"{PAGES}/orders/X1/attribution.csv"): Permission.READ_ATTRIBUTION,
    ("GET", f"{PAGES}/orders/X1/attribution.xlsx"): Permission.READ_ATTRIBUTION,
    ("GET", f"{PAGES}/aftersales"): Permission.READ_ORDERS,
    ("GET", f"{PAGES}/aftersales/X1"): Permission.READ_ORDERS,
    ("POST", f"{PAGES}/aftersales/X1/approval"): Permission.REFUND_ORDERS,
    ("POST", f"{PAGES}/aftersales/X1/receipt"): Permission.SHIP_ORDERS,
    ("POST", f"{PAGES}/aftersales/X1/refusal"): Permission.REFUND_ORDERS,
    ("GET", f"{PAGES}/approvals"): Permission.REFUND_ORDERS,
    ("POST", f"{PAGES}/approvals/X1/card"): Permission.REFUND_ORDERS,
    ("POST", f"{PAGES}/approvals/X1/decision"): Permission.REFUND_ORDERS,
    ("POST", f"{PAGES}/approvals/X1/transfer"): Permission.REFUND_ORDERS,
    **{
        ("GET", f"{PAGES}/readiness{kind}"): Permission.READ_ACCREDITATIONS
        for kind in ("", "/listing.csv", "/listing.xlsx")
    },
    ("GET", f"{API}/imports"): Permission.IMPORT_GOODS,
    ("POST", f"{API}/imports"): Permission.IMPORT_GOODS,
    ("GET", f"{API}/imports/X1"): Permission.IMPORT_GOODS,
    ("GET", f"{API}/imports/X1/rows"): Permission.IMPORT_GOODS,
    ("POST", f"{API}/imports/X1/confirmation"): Permission.IMPORT_GOODS,
    ("POST", f"{API}/imports/X1/withdrawal"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/imports"): Permission.IMPORT_GOODS,
    ("POST", f"{PAGES}/imports"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/imports/export.xlsx"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/imports/template.xlsx"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/imports/X1"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/imports/X1/progress"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/imports/X1/refused.xlsx"): Permission.IMPORT_GOODS,
    ("POST", f"{PAGES}/imports/X1/confirmation"): Permission.IMPORT_GOODS,
    ("POST", f"{PAGES}/imports/X1/withdrawal"): Permission.IMPORT_GOODS,
    ("GET", f"{PAGES}/finance"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance.csv"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance.xlsx"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/cases"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/cases.csv"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/cases.xlsx"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/cases/X1"): Permission.READ_MONEY,
    ("POST", f"{PAGES}/finance/cases/X1/end"): Permission.CLOSE_CASES,
    ("POST", f"{PAGES}/finance/cases/X1/owner"): Permission.CLOSE_CASES,
    ("GET", f"{PAGES}/finance/frozen"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/ledger"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/ledger.csv"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/finance/ledger.xlsx"): Permission.READ_MONEY,
    ("GET", f"{API}/settlement/statements"): Permission.READ_MONEY,
    ("POST", f"{API}/settlement/statements"): Permission.SETTLE,
    ("GET", f"{API}/settlement/statements/X1"): Permission.READ_MONEY,
    ("POST", f"{API}/settlement/statements/X1/redraft"): Permission.SETTLE,
    ("POST", f"{API}/settlement/statements/X1/approval"): Permission.SETTLE,
    ("POST", f"{API}/settlement/statements/X1/invoice"): Permission.SETTLE,
    ("POST", f"{API}/settlement/statements/X1/payout"): Permission.SETTLE,
    ("POST", f"{API}/settlement/payouts/X1/release"): Permission.SETTLE,
    ("POST", f"{API}/settlement/payouts/X1/withdrawal"): Permission.SETTLE,
    ("POST", f"{API}/settlement/payouts/X1/sent"): Permission.SETTLE,
    ("POST", f"{API}/settlement/payouts/X1/bounced"): Permission.SETTLE,
    ("GET", f"{API}/my/statements"): Permission.READ_STATEMENTS,
    ("GET", f"{API}/my/statements/X1"): Permission.READ_STATEMENTS,
    ("GET", f"{PAGES}/settlement"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/settlement.csv"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/settlement.xlsx"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/settlement/transfers.csv"): Permission.SETTLE,
    ("GET", f"{PAGES}/settlement/transfers.xlsx"): Permission.SETTLE,
    ("POST", f"{PAGES}/settlement/drafts"): Permission.SETTLE,
    ("POST", f"{PAGES}/settlement/terms"): Permission.SETTLE,
    ("GET", f"{PAGES}/settlement/X1"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/settlement/X1/lines.csv"): Permission.READ_MONEY,
    ("GET", f"{PAGES}/settlement/X1/lines.xlsx"): Permission.READ_MONEY,
    ("POST", f"{PAGES}/settlement/X1/steps"): Permission.SETTLE,
    ("POST", f"{PAGES}/settlement/X1/invoice"): Permission.SETTLE,
    ("POST", f"{PAGES}/settlement/payouts/X1/steps"): Permission.SETTLE,
    ("GET", f"{PAGES}/my/statements"): Permission.READ_STATEMENTS,
    ("GET", f"{PAGES}/my/statements/X1"): Permission.READ_STATEMENTS,
    ("GET", f"{PAGES}/my/statements/X1/lines.csv"): Permission.READ_STATEMENTS,
    ("GET", f"{PAGES}/my/statements/X1/lines.xlsx"): Permission.READ_STATEMENTS,
    ("GET", f"{PAGES}/codes"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes.csv"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes.xlsx"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes/sheet"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes/X1"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes/X1/print"): Permission.READ_PLACEMENTS,
    ("POST", f"{PAGES}/codes/X1/bindings"): Permission.WRITE_CODES,
    ("GET", f"{PAGES}/packs"): Permission.READ_PLACEMENTS,
    ("POST", f"{PAGES}/packs"): Permission.WRITE_CODES,
    ("GET", f"{PAGES}/packs/X1"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/packs/X1/archive"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/alerts"): Permission.READ_ALERTS,
    ("GET", f"{PAGES}/alerts/codes"): Permission.READ_ALERTS,
    ("GET", f"{PAGES}/alerts/X1"): Permission.READ_ALERTS,
    ("POST", f"{PAGES}/alerts/X1/owner"): Permission.CLOSE_ALERTS,
    ("POST", f"{PAGES}/alerts/X1/end"): Permission.CLOSE_ALERTS,
    ("GET", f"{PAGES}/creatives"): Permission.READ_PLACEMENTS,
    ("POST", f"{PAGES}/creatives"): Permission.WRITE_CODES,
    ("GET", f"{PAGES}/creatives/X1"): Permission.READ_PLACEMENTS,
    ("POST", f"{PAGES}/creatives/X1"): Permission.WRITE_CODES,
    ("GET", f"{PAGES}/creatives/X1/picture.webp"): Permission.READ_PLACEMENTS,
    ("GET", f"{PAGES}/codes/X1/plan"): Permission.WRITE_CODES,
    ("POST", f"{PAGES}/codes/X1/plan"): Permission.WRITE_CODES,
    ("GET", f"{PAGES}/field"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/field/round"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/field/scan"): Permission.WORK_FIELD,
    ("POST", f"{PAGES}/field/scans"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/field/scans/X1"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/field/scans/X1/photo.webp"): Permission.WORK_FIELD,
    ("GET", f"{PAGES}/phone"): Permission.MARK_PHONES,
    ("POST", f"{PAGES}/phone/mark"): Permission.MARK_PHONES,
    ("POST", f"{PAGES}/phone/release"): Permission.MARK_PHONES,
    ("GET", f"{PAGES}/accounts"): Permission.MANAGE_STAFF,
    ("POST", f"{PAGES}/accounts"): Permission.MANAGE_STAFF,
    ("POST", f"{PAGES}/accounts/X1/end"): Permission.MANAGE_STAFF,
    ("GET", f"{PAGES}/audit"): Permission.MANAGE_STAFF,
    ("GET", f"{PAGES}/audit.csv"): Permission.MANAGE_STAFF,
    ("GET", f"{PAGES}/audit.xlsx"): Permission.MANAGE_STAFF,
    ("POST", f"{PAGES}/audit/log-out"): Permission.MANAGE_STAFF,
}
PUBLIC = {("POST", f"{API}/sessions"), ("GET", f"{PAGES}/login"), ("POST", f"{PAGES}/login"), ("GET", f"{PAGES}/X1")}
# Ends the session that the rest of the walk needs.
LEAVING = {("DELETE", f"{API}/sessions/current"), ("DELETE", f"{API}/sessions"), ("POST", f"{PAGES}/logout")}
BODIES: dict[str, Any] = {
    f"{API}/placements": {"level": "medium", "label": "X9", "name": "试"},
    f"{API}/placements/X1": {"name": "试"},
    f"{API}/codes": {"count": 1},
}


def send(clerk: Clerk, method: str, path: str) -> tuple[int, str]:
    if path.startswith(API):
        answer = clerk.client.open(
            path, method=method, json=BODIES.get(path, {}), headers={"Authorization": f"Bearer {clerk.token}"}
        )
        body = answer.get_json(silent=True) or {}
        return answer.status_code, body.get("error", {}).get("code", "")
    tail = path.removeprefix(PAGES)
    answer = clerk.open(tail) if method == "GET" else clerk.send(tail)
    return answer.status_code, "staff.not_permitted" if answer.status_code == 403 else ""


def test_every_route_is_written_down(app: Flask) -> None:
    known = {
        (method, re.sub(r"<[^>]+>", "X1", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule == PAGES or rule.rule.startswith((f"{API}/", f"{PAGES}/"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert known == ROUTES.keys() | PUBLIC


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_what_it_may_and_nothing_else(app: Flask, db: None, role: Role) -> None:
    clerk = hire(app, Grant(role=role))
    for (method, path), permission in ROUTES.items():
        if (method, path) in LEAVING:
            continue
        status, code = send(clerk, method, path)
        if permission is None or permission in PERMISSIONS[role]:
            assert status not in {401, 403}, f"{role} may {method} {path}, but got {status}"
        else:
            assert (status, code) == (403, "staff.not_permitted"), f"{role} may not {method} {path}"


def test_a_shopper_opens_nothing_of_it(app: Flask, shopper: Caller) -> None:  # noqa: F811
    for method, path in ROUTES:
        if path.startswith(API):
            answer = shopper.client.open(path, method=method, json={}, headers=shopper.headers)
            assert answer.status_code == 403, f"{method} {path}"


# What is shop-wide has no part that a scope could cover.
SHOP_WIDE = [
    ("GET", f"{API}/placements"),
    ("GET", f"{API}/codes"),
    ("POST", f"{API}/codes"),
    ("GET", f"{PAGES}/report"),
    ("GET", f"{PAGES}/metro"),
    ("GET", f"{PAGES}/train"),
    ("GET", f"{PAGES}/today.json"),
    ("GET", f"{PAGES}/wall"),
    ("GET", f"{PAGES}/wall/figures"),
    ("GET", f"{PAGES}/codes"),
    ("GET", f"{PAGES}/settlement"),
    ("POST", f"{PAGES}/settlement/drafts"),
    ("GET", f"{PAGES}/audit"),
    ("GET", f"{PAGES}/accounts"),
]


@pytest.mark.parametrize("scope", [Scope(area="3413"), Scope(supplier="S1")])
def test_a_scope_narrows_even_an_administrator(app: Flask, db: None, scope: Scope) -> None:
    clerk = hire(app, Grant(role=Role.ADMIN, scope=scope))
    for method, path in SHOP_WIDE:
        assert send(clerk, method, path) == (403, "staff.not_permitted"), f"{method} {path}"
    report = clerk.get("/reports/placements?from=2026-11-01&to=2026-11-02")
    assert report.status_code == 403
    assert clerk.get("/orders").get_json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("role", list(Role))
def test_the_menu_shows_only_what_opens(app: Flask, db: None, role: Role) -> None:
    clerk = hire(app, Grant(role=role))
    page = clerk.open("/").get_data(as_text=True)
    for path in re.findall(r'<a href="(/staff/[a-z]*)"', page.split("</nav>")[0]):
        assert clerk.client.get(path, headers={"Accept": "text/html"}).status_code == 200, path
