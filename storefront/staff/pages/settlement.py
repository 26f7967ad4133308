"""Settlement on pages: statements of suppliers, their invoices and payouts, terms; and a supplier's own."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from flask import Blueprint, Response, request

from config import clock, database
from config.errors import Conflict, Invalid, NotFound
from storefront import guard
from storefront.roles import Permission
from storefront.settlement_lifecycle import Period, StatementState, Terms
from storefront.staff import settlement_desk, settlement_words, tables, words
from storefront.staff.pages import exports, frame
from storefront.staff.tables import Column, Kind

blueprint = Blueprint("staff_pages_settlement", __name__, url_prefix=frame.ROOT, template_folder="../templates")

_INVOICE = re.compile(r"[0-9A-Za-z]{8,20}")
_BANK_REFERENCE = re.compile(r"[0-9A-Za-z_-]{4,64}")
_SUMS = (("gross_fen", "销售额"), ("owed_fen", "应付"), ("fees_fen", "手续费"), ("carried_fen", "上期结转"))
STATEMENTS = tables.Table(
    "settlement",
    "结算单",
    (
        Column("number", "结算单", Kind.CODE, href=lambda row: f"{frame.ROOT}/settlement/{row['number']}", width=18),
        Column("period", "账期"),
        Column("supplier", "供应商编号", Kind.CODE, only="file"),
        Column("supplier_name", "供应商", width=24),
        Column(
            "state",
            "状态",
            words=settlement_words.STATEMENTS,
            tag=lambda row: settlement_words.STATEMENT_TAGS[row["state"]],
        ),
        *(Column(name, title, Kind.MONEY, sums=True) for name, title in (*_SUMS, ("net_fen", "应结"))),
        Column("invoice_number", "发票号", Kind.CODE, only="file", width=24),
        Column("drafted_by", "起草人", only="file"),
        Column("approved_by", "批准人", only="file"),
        Column("paid_out_at", "付清时间", Kind.INSTANT, only="file", width=20),
    ),
)
OWN = tables.Table(
    "my-statements",
    "我的结算单",
    (
        Column("number", "结算单", Kind.CODE, href=lambda row: f"{frame.ROOT}/my/statements/{row['number']}"),
        *(column for column in STATEMENTS.columns[1:] if column.name not in {"drafted_by", "approved_by"}),
    ),
)
LINES = tables.Table(
    "statement",
    "结算明细",
    (
        Column("title", "商品", width=30),
        Column("kind", "类别", words=settlement_words.STATEMENT_LINES),
        Column("order", "订单", Kind.CODE, width=18),
        Column("quantity", "件数", Kind.COUNT),
        Column("gross_fen", "销售额", Kind.MONEY, sums=True),
        Column("owed_fen", "应付", Kind.MONEY, sums=True),
        Column("fee_fen", "手续费", Kind.MONEY, sums=True),
        Column("net_fen", "净额", Kind.MONEY, sums=True),
        Column("occurred_at", "时间", Kind.MINUTE, width=20),
        Column("reference", "退款单号", Kind.CODE, only="file", width=32),
    ),
)
TERMS = tables.Table(
    "purchase-terms",
    "采购条款",
    (
        Column("supplier", "供应商编号", Kind.CODE, only="file"),
        Column("supplier_name", "供应商", width=24),
        Column("sku", "SKU", value=lambda row: row["sku"] or "全部商品"),
        Column("price_fen", "进货价（每件）", Kind.MONEY),
        Column("share", "分成", Kind.RATE, value=lambda row: _rate(row["share_bp"])),
        Column("fee", "供应商负担手续费", Kind.RATE, value=lambda row: _rate(row["fee_bp"])),
        Column("freight", "运费", value=lambda row: "归供应商" if row["freight_is_theirs"] else "归本店"),
        Column("effective_at", "生效", Kind.MINUTE),
        Column("entered_by", "登记人"),
    ),
)


def _returned(row: tables.Row) -> int | None:
    return row["returned_fen"] or None


def _unreturned(row: tables.Row) -> str | None:
    """Say what of a commission is still to come back, or did not."""
    said = []
    if row["returning_fen"]:
        said.append(f"退回中 ¥{words.money(row['returning_fen'])}")
    if row["unreturned_fen"]:
        why = words.in_words(row["unreturned_for"], settlement_words.SHARE_FAULTS)
        said.append(f"未能退回 ¥{words.money(row['unreturned_fen'])}（{why}）")
    return "，".join(said) or None


def _why_nothing(row: tables.Row) -> str | None:
    if row["barred_for"]:
        return words.in_words(row["barred_for"], settlement_words.BARRED)
    return words.in_words(row["closed_for"], settlement_words.SHARE_FAULTS) if row["state"] == "closed" else None


COMMISSIONS = tables.Table(
    "commissions",
    "推广佣金",
    (
        Column("order", "订单", Kind.CODE, width=18, href=lambda row: f"{frame.ROOT}/orders/{row['order']}"),
        Column("seller", "销售方编号", Kind.CODE, only="file"),
        Column("seller_name", "销售方", width=24),
        Column("rate", "比例", Kind.RATE, value=lambda row: _rate(row["basis_points"])),
        Column("amount_fen", "佣金", Kind.MONEY, sums=True),
        Column("returned_fen", "已退回", Kind.MONEY, sums=True, value=_returned, note=_unreturned),
        Column(
            "state",
            "状态",
            words=settlement_words.COMMISSIONS,
            tag=lambda row: settlement_words.COMMISSION_TAGS[row["state"]],
        ),
        Column("barred_for", "原因", value=_why_nothing),
        Column("earned_at", "记录时间", Kind.MINUTE, width=20),
        Column("decided_at", "办理时间", Kind.MINUTE, width=20),
    ),
)
TRANSFERS = tables.Table(
    "transfers",
    "付款清单",
    (
        Column("number", "付款编号", Kind.CODE, width=30),
        Column("payee", "收款供应商编号", Kind.CODE),
        Column("payee_name", "收款供应商", width=24),
        Column("holder", "户名", width=30),
        Column("bank", "开户行", width=30),
        Column("account", "账号", Kind.CODE, width=30),
        Column("trouble", "问题", width=30),
        Column("amount_fen", "金额", Kind.MONEY, sums=True),
        Column("reference", "用途（结算单）", Kind.CODE, width=18),
        Column("released_by", "复核人"),
        Column("released_at", "复核时间", Kind.INSTANT, width=20),
    ),
)


@blueprint.get("/settlement")
@guard.staff(Permission.READ_MONEY)
def overview() -> Response:
    """Show the statements, what waits to be paid, and what was agreed."""
    state, now = _state(), clock.now()
    with database.transaction() as session:
        found = settlement_desk.listing(session, guard.actor(), state=state)
        waiting = settlement_desk.waiting(session, guard.actor(), now=now)
        settlement_desk.name_parties(session, found, *(waiting[part] for part in ("terms", "payouts", "commissions")))
    return frame.render(
        "staff/settlement.html",
        here="settlement",
        sheet=tables.Sheet.of(STATEMENTS, found, sum_title="合计"),
        terms=tables.Sheet.of(TERMS, waiting["terms"]),
        payouts=waiting["payouts"],
        commissions=tables.Sheet.of(COMMISSIONS, waiting["commissions"]),
        has_commissions=bool(waiting["commissions"]),
        without_terms=waiting["without_terms"],
        has_statements=bool(found),
        has_terms=bool(waiting["terms"]),
        state=state.value if state else "",
        states=settlement_words.STATEMENTS,
        payout_states=settlement_words.PAYOUTS,
        month=Period.of(now).before.key,
        today=now.astimezone(clock.SHANGHAI).date().isoformat(),
    )


@exports.files(blueprint, "/settlement")
@guard.staff(Permission.READ_MONEY)
def download(kind: str) -> Response:
    """Send the statements, in Excel with all terms and commission beside them."""
    state = _state()
    with database.transaction() as session:
        found = settlement_desk.listing(session, guard.actor(), state=state)
        waiting = settlement_desk.waiting(session, guard.actor(), now=clock.now())
        settlement_desk.name_parties(session, found, waiting["terms"], waiting["commissions"])
    notes = (("状态", settlement_words.STATEMENTS[state] if state else "全部"),)
    statements = tables.Sheet.of(STATEMENTS, found, sum_title="合计", notes=notes)
    terms, earned = (
        tables.Sheet.of(TERMS, waiting["terms"]),
        tables.Sheet.of(COMMISSIONS, waiting["commissions"], sum_title="合计"),
    )
    return exports.send(kind, statements, terms, earned, now=clock.now())


@exports.files(blueprint, "/settlement/transfers")
@guard.staff(Permission.SETTLE)
def download_transfers(kind: str) -> Response:
    """Send what the bank is to be told."""
    with database.transaction() as session:
        found = settlement_desk.transfers(session, guard.actor(), now=clock.now())
        settlement_desk.name_parties(session, found)
    return exports.send(kind, tables.Sheet.of(TRANSFERS, found, sum_title="合计"), now=clock.now())


@blueprint.post("/settlement/drafts")
@guard.staff(Permission.SETTLE)
def draft() -> Response:
    """Draft the statements of a month."""
    try:
        drafted = settlement_desk.draft_all(guard.actor(), month=request.form.get("period", ""), now=clock.now())
    except (Conflict, Invalid) as error:
        return frame.refused("/settlement", error)
    is_any = any(each.number and each.is_new for each in drafted)
    return frame.back("/settlement", done="statements_drafted" if is_any else "statements_complete")


@blueprint.post("/settlement/terms")
@guard.staff(Permission.SETTLE)
def agree() -> Response:
    """Enter what was agreed with a supplier."""
    asked = _terms(request.form)
    if asked is None:
        return frame.back("/settlement", fault="form.terms")
    try:
        with database.transaction() as session:
            settlement_desk.agree(session, guard.actor(), **asked, now=clock.now())
    except Conflict as error:
        return frame.refused("/settlement", error)
    return frame.back("/settlement", done="terms_agreed")


@blueprint.get("/settlement/<number:number>")
@guard.staff(Permission.READ_MONEY)
def statement(number: str) -> Response:
    """Show one statement with its lines, its payouts and the next step."""
    with database.transaction() as session:
        found = settlement_desk.find(session, guard.actor(), number=number)
        settlement_desk.name_parties(session, [found])
    return _show(found, is_own=False)


@blueprint.post("/settlement/<number:number>/steps")
@guard.staff(Permission.SETTLE)
def step(number: str) -> Response:
    """Approve a draft, fill it anew, or ask for the payout of an invoiced statement once more."""
    path, do, now = f"/settlement/{number}", request.form.get("do", ""), clock.now()
    try:
        with database.transaction() as session:
            if do == "approve":
                seen = words.fen(request.form.get("net", "").replace("-", ""))
                is_negative = request.form.get("net", "").startswith("-")
                net_fen = -(seen or 0) if is_negative else seen or 0
                settlement_desk.approve(session, guard.actor(), number=number, net_fen=net_fen, now=now)
                return frame.back(path, done="statement_approved")
            if do == "pay_again":
                settlement_desk.pay_again(session, guard.actor(), number=number, now=now)
                return frame.back(path, done="payout_requested")
            settlement_desk.redraft(session, guard.actor(), number=number, now=now)
    except (Conflict, NotFound) as error:
        return frame.refused(path, error)
    return frame.back(path, done="statement_redrafted")


@blueprint.post("/settlement/<number:number>/invoice")
@guard.staff(Permission.SETTLE)
def invoice(number: str) -> Response:
    """Enter the supplier's invoice."""
    path, given = f"/settlement/{number}", request.form.get("invoice_number", "").strip()
    amount_fen = words.fen(request.form.get("amount", ""))
    if not _INVOICE.fullmatch(given) or not amount_fen:
        return frame.back(path, fault="form.invoice")
    try:
        with database.transaction() as session:
            settlement_desk.invoice(
                session, guard.actor(), number=number, invoice_number=given, amount_fen=amount_fen, now=clock.now()
            )
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused(path, error)
    return frame.back(path, done="invoiced")


@blueprint.post("/settlement/payouts/<number:number>/steps")
@guard.staff(Permission.SETTLE)
def move_payout(number: str) -> Response:
    """Release a payout, call it back, or note what the bank did with it."""
    do, reason = request.form.get("do", ""), " ".join(request.form.get("reason", "").split())[:200]
    reference, amount_fen = request.form.get("bank_reference", "").strip(), words.fen(request.form.get("amount", ""))
    is_whole = {
        "release": True,
        "call_back": len(reason) >= 2,
        "bounced": len(reason) >= 2,
        "sent": bool(_BANK_REFERENCE.fullmatch(reference) and amount_fen),
    }
    if not is_whole.get(do):
        return frame.back("/settlement", fault="form.payout")
    actor, now = guard.actor(), clock.now()
    try:
        with database.transaction() as session:
            if do == "release":
                settlement_desk.release(session, actor, payout=number, now=now)
            elif do == "call_back":
                settlement_desk.call_back(session, actor, payout=number, reason=reason, now=now)
            elif do == "bounced":
                settlement_desk.mark_bounced(session, actor, payout=number, reason=reason, now=now)
            else:
                settlement_desk.mark_sent(
                    session, actor, payout=number, amount_fen=amount_fen or 0, bank_reference=reference, now=now
                )
    except (Conflict, Invalid, NotFound) as error:
        return frame.refused("/settlement", error)
    return frame.back("/settlement", done=f"payout_{do}")


@exports.files(blueprint, "/settlement/<number:number>/lines")
@guard.staff(Permission.READ_MONEY)
def download_lines(kind: str, number: str) -> Response:
    """Send the lines of a statement."""
    with database.transaction() as session:
        found = settlement_desk.find(session, guard.actor(), number=number)
        settlement_desk.name_parties(session, [found])
    return _send(kind, found)


@blueprint.get("/my/statements")
@guard.staff(Permission.READ_STATEMENTS)
def mine() -> Response:
    """Show a supplier its own statements."""
    with database.transaction() as session:
        found = settlement_desk.mine(session, guard.actor())
        settlement_desk.name_parties(session, found)
    sheet = tables.Sheet.of(OWN, found)
    return frame.render("staff/my_statements.html", here="statements", sheet=sheet, has_statements=bool(found))


@exports.files(blueprint, "/my/statements")
@guard.staff(Permission.READ_STATEMENTS)
def download_mine(kind: str) -> Response:
    """Send a supplier its own statements as a file."""
    with database.transaction() as session:
        found = settlement_desk.mine(session, guard.actor())
        settlement_desk.name_parties(session, found)
    return exports.send(kind, tables.Sheet.of(OWN, found), now=clock.now())


@blueprint.get("/my/statements/<number:number>")
@guard.staff(Permission.READ_STATEMENTS)
def own(number: str) -> Response:
    """Show a supplier one of its own statements."""
    with database.transaction() as session:
        found = settlement_desk.find_mine(session, guard.actor(), number=number)
        settlement_desk.name_parties(session, [found])
    return _show(found, is_own=True)


@exports.files(blueprint, "/my/statements/<number:number>/lines")
@guard.staff(Permission.READ_STATEMENTS)
def download_own(kind: str, number: str) -> Response:
    """Send a supplier the lines of one of its own statements."""
    with database.transaction() as session:
        found = settlement_desk.find_mine(session, guard.actor(), number=number)
        settlement_desk.name_parties(session, [found])
    return _send(kind, found)


def _show(found: dict[str, Any], *, is_own: bool) -> Response:
    return frame.render(
        "staff/supplier_statement.html",
        here="statements" if is_own else "settlement",
        statement=found,
        sheet=tables.Sheet.of(LINES, found["lines"], sum_title="合计"),
        sums=_SUMS,
        states=settlement_words.STATEMENTS,
        payout_states=settlement_words.PAYOUTS,
        is_own=is_own,
        path=f"{frame.ROOT}/{'my/statements' if is_own else 'settlement'}/{found['number']}",
    )


def _send(kind: str, found: dict[str, Any]) -> Response:
    notes = (
        ("结算单", found["number"]),
        ("供应商", f"{found['supplier_name']} {found['supplier']}"),
        ("账期", found["period"]),
    )
    sheet = tables.Sheet.of(LINES, found["lines"], sum_title="合计", notes=notes)
    return exports.send(kind, sheet, now=clock.now(), period=found["number"])


def _state() -> StatementState | None:
    state = request.args.get("state", "")
    return StatementState(state) if state in set(StatementState) else None


def _terms(form: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the terms of a form, None for what is none."""
    supplier, price = form.get("supplier", "").strip(), form.get("price", "").strip()
    fee_bp = _basis_points(form.get("fee", "").strip() or "0")
    try:
        terms = Terms(
            price_fen=words.fen(price) if price else None,
            share_bp=_basis_points(form.get("share", "").strip()),
            fee_bp=-1 if fee_bp is None else fee_bp,
            freight_is_theirs=form.get("freight") == "theirs",
        )
        day = datetime.combine(date.fromisoformat(form.get("from", "")), time(), tzinfo=clock.SHANGHAI)
    except ValueError:
        return None
    sku = form.get("sku", "").strip()[:64] or None
    return {"supplier": supplier[:64], "sku": sku, "terms": terms, "effective_at": day} if supplier else None


def _basis_points(percent: str) -> int | None:
    """Return what was typed in percent, with two decimals at most, as hundredths of a percent; None for nothing."""
    return words.fen(percent) if percent else None


def _rate(basis_points: int | None) -> float | None:
    return None if basis_points is None else basis_points / 10_000
