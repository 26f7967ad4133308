"""What was decided about each paid order, why, and the same said to a person.

Invariant: a decision is stored with the evidence and the parameters that made it, so that anybody can repeat it;
`explain` does (I9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from config import database, settings
from subway_campaign import attribution, errors
from subway_campaign.lifecycle import Exclusion, Model, Outcome, Repeat


@dataclass(frozen=True)
class Share:
    """The part of an order that one touch earned; without a touch, the part that nobody earned."""

    touch: UUID | None
    placement_id: int | None
    weight: Fraction


NOBODY = Share(None, None, Fraction(1))


@dataclass(frozen=True)
class Basis:
    """What an order is decided by: the rules' parameters, and until when what was learnt counts (R21)."""

    parameters: attribution.Parameters
    known_until: datetime
    because: str | None = None

    @classmethod
    def of(cls, placed_at: datetime) -> "Basis":
        """Return the basis of an order placed at `placed_at` under today's settings."""
        now = settings.current()
        parameters = attribution.Parameters(
            half_life=timedelta(hours=now.attribution_half_life_hours), repeat=Repeat(now.attribution_repeat)
        )
        return cls(parameters, placed_at + attribution.FREEZE)

    def until(self, known_until: datetime, *, because: str | None = None) -> "Basis":
        """Return the same parameters with what was learnt until another instant, or this one when that is later."""
        return replace(self, known_until=max(self.known_until, known_until), because=because)


@dataclass(frozen=True)
class Live:
    """The version of an order's decision that counts now, decided again from its stored evidence."""

    id: int
    version: int
    basis: Basis
    decision: attribution.Decision


# The decision and its weights are one statement: money waits for every round trip of this path.
_DECIDE = text("""
    WITH decision AS (
        INSERT INTO attribution_decisions (id, conversion_id, version, rules_version, params, cutoff_at, outcome,
                                           reason, evidence, flags, earned_placement_id, decided_at)
        VALUES (coalesce(cast(:id AS bigint), nextval(pg_get_serial_sequence('attribution_decisions', 'id'))),
                :conversion, :version, :rules_version, cast(:params AS jsonb), :cutoff_at, :outcome, :reason,
                cast(:evidence AS jsonb),
                -- R22: something was bought that the artwork of the last touch does not show; credited all the same.
                cast(:flags AS jsonb) || CASE WHEN EXISTS (
                    SELECT FROM code_bindings b JOIN conversion_lines l ON l.conversion_id = :conversion
                    WHERE b.id = cast(:binding AS bigint)
                      AND EXISTS (SELECT FROM creative_products p WHERE p.creative_id = b.creative_id)
                      AND NOT EXISTS (SELECT FROM creative_products p
                                      WHERE p.creative_id = b.creative_id AND p.product = l.product)
                ) THEN '["halo"]'::jsonb ELSE '[]'::jsonb END,
                :earned, :now)
        RETURNING id
    ), weights AS (
        INSERT INTO attribution_weights (decision_id, model, touch_id, position, binding_id, placement_id, w_num, w_den)
        SELECT decision.id, w.* FROM decision, unnest(
            cast(:models AS text[]), cast(:touches AS uuid[]), cast(:positions AS smallint[]),
            cast(:bindings AS bigint[]), cast(:placements AS bigint[]), cast(:nums AS bigint[]),
            cast(:dens AS bigint[])) AS w
    )
    SELECT id FROM decision
""")
# One version of an order is live at any moment, so the one before gives way first; the reference is checked at commit.
_GIVE_WAY = text("""
    UPDATE attribution_decisions SET superseded_by = nextval(pg_get_serial_sequence('attribution_decisions', 'id'))
    WHERE id = :id AND superseded_by IS NULL RETURNING superseded_by
""")


def store(
    session: Session,
    *,
    conversion: int,
    basis: Basis,
    decision: attribution.Decision,
    touches: Sequence[attribution.Candidate],
    placed_at: datetime,
    now: datetime,
    after: Live | None = None,
) -> int:
    """Write a decision with its evidence and its exact weights, and return its id (R13, R17).

    It supersedes the version `after`, which is never edited otherwise (R21).
    """
    excluded = decision.reason if decision.outcome is Outcome.EXCLUDED else None
    params = basis.parameters.as_json() | {"known_until": basis.known_until.isoformat(), "excluded": excluded}
    if basis.because is not None:
        params["because"] = basis.because
    made = None if after is None else session.execute(_GIVE_WAY, {"id": after.id}).scalar_one()
    weights = [
        (model, candidate.touch, position, candidate.binding_id, candidate.placement_id, *weight.as_integer_ratio())
        for model, row in decision.weights.items()
        for position, (candidate, weight) in enumerate(zip(decision.journey, row, strict=True))
        if weight
    ]
    names = ("models", "touches", "positions", "bindings", "placements", "nums", "dens")
    columns = zip(*weights, strict=True) if weights else ((),) * len(names)
    decision_id: int = session.execute(
        _DECIDE,
        {
            "id": made,
            "conversion": conversion,
            "version": 1 if after is None else after.version + 1,
            "rules_version": attribution.RULES_VERSION,
            "params": database.dump_json(params),
            "cutoff_at": placed_at,
            "outcome": decision.outcome,
            "reason": decision.reason,
            "evidence": database.dump_json([candidate.as_evidence() for candidate in touches]),
            "flags": database.dump_json(decision.flags),
            "binding": decision.last and decision.last.binding_id,
            "earned": decision.earned_via and decision.earned_via.placement_id,
            "now": now,
            **{name: list(column) for name, column in zip(names, columns, strict=True)},
        },
    ).scalar_one()
    return decision_id


def shares_of(decision: attribution.Decision) -> Mapping[Model, Sequence[Share]]:
    """Return who shares an order just decided, as `weights_of` returns it for one that was stored."""
    return {
        model: [
            Share(candidate.touch, candidate.placement_id, weight)
            for candidate, weight in zip(decision.journey, decision.weights.get(model, ()), strict=True)
            if weight
        ]
        or [NOBODY]
        for model in Model
    }


def weights_of(session: Session, decision_id: int) -> Mapping[Model, Sequence[Share]]:
    """Return who shares an order under each model, earliest touch first; an unearned order is one share of nobody's."""
    rows = session.execute(
        text("""
            SELECT model, touch_id, placement_id, w_num, w_den FROM attribution_weights
            WHERE decision_id = :decision ORDER BY model, position
        """),
        {"decision": decision_id},
    )
    found: dict[Model, list[Share]] = {model: [] for model in Model}
    for model, touch, placement, w_num, w_den in rows:
        found[Model(model)].append(Share(touch, placement, Fraction(w_num, w_den)))
    return {model: row or [NOBODY] for model, row in found.items()}


_STORED = """
    SELECT d.id, d.version, d.rules_version, d.params, d.cutoff_at, d.outcome, d.reason, d.evidence, d.flags,
           d.decided_at, e.number AS earned_via
    FROM attribution_decisions d LEFT JOIN placements e ON e.id = d.earned_placement_id
    WHERE d.conversion_id = :conversion
"""
_LIVE = text(_STORED + " AND d.superseded_by IS NULL")
_VERSIONS = text(_STORED + " ORDER BY d.version")
_CONVERSION = text("""
    SELECT id, order_number, placed_at, paid_at, freight_fen FROM conversions WHERE order_number = :order
""")
_CREDITS = text("""
    SELECT d.version, k.model, k.line_no, k.touch_id, p.number, k.entry, k.source, k.fen, k.occurred_at
    FROM attribution_decisions d JOIN credits k ON k.decision_id = d.id LEFT JOIN placements p ON p.id = k.placement_id
    WHERE d.conversion_id = :conversion ORDER BY k.id
""")
_LINES = text("""
    SELECT line_no, product, amount_fen, paid_fen FROM conversion_lines WHERE conversion_id = :conversion
    ORDER BY line_no
""")


def live(session: Session, *, conversion: int) -> Live:
    """Return the version of a paid order's decision that counts, as its stored evidence makes it."""
    row = session.execute(_LIVE, {"conversion": conversion}).one()
    return Live(row.id, row.version, _basis(row), _again(row))


def explain(session: Session, *, order: str) -> dict[str, Any]:
    """Return the decision on an order for a person to read.

    Every touch with the rule that kept or dropped it, the weights and ledger rows of each model, the versions before
    (R21), and whether deciding again from the stored evidence gives the same (I9).

    An order that is not paid yet has `outcome` None. Raises `UnknownConversion`.
    """
    conversion = session.execute(_CONVERSION, {"order": order}).first()
    if conversion is None:
        raise errors.UnknownConversion(order=order)
    versions = session.execute(_VERSIONS, {"conversion": conversion.id}).all()
    answer: dict[str, Any] = {
        "order": conversion.order_number,
        "placed_at": conversion.placed_at.isoformat(),
        "paid_at": conversion.paid_at and conversion.paid_at.isoformat(),
        "freight_fen": conversion.freight_fen,
        "lines": [row._asdict() for row in session.execute(_LINES, {"conversion": conversion.id})],
        "outcome": versions[-1].outcome if versions else None,
    }
    if not versions:
        return answer | {"words": "订单尚未支付，未作归因。"}
    now = versions[-1]
    touches = [attribution.Candidate.from_evidence(values) for values in now.evidence]
    again = _again(now)
    stored = weights_of(session, now.id)
    return answer | {
        "reason": now.reason,
        "words": WORDS[now.reason],
        "flags": now.flags,
        "earned_via": now.earned_via,
        "version": now.version,
        "versions": [_version(row) for row in versions],
        "rules_version": now.rules_version,
        "params": now.params,
        "decided_at": now.decided_at.isoformat(),
        "frozen_at": _basis(now).known_until.isoformat(),
        "touches": [_touch(candidate, again.verdicts[candidate.touch]) for candidate in touches],
        "journey": [str(candidate.touch) for candidate in again.journey],
        "weights": {model.value: [_share(share) for share in row if share.touch] for model, row in stored.items()},
        "ledger": [_credit(row) for row in session.execute(_CREDITS, {"conversion": conversion.id})],
        "recomputed_equal": (again.outcome, again.reason, again.shares) == (now.outcome, now.reason, _kept(stored)),
    }


def _basis(row: Any) -> Basis:
    # The first rules did not look back once they had decided.
    known = row.params.get("known_until")
    until = row.cutoff_at + attribution.FREEZE if known is None else datetime.fromisoformat(known)
    return Basis(attribution.Parameters.from_json(row.params), until, row.params.get("because"))


def _again(row: Any) -> attribution.Decision:
    """Decide again from what was stored (I9)."""
    return attribution.decide(
        [attribution.Candidate.from_evidence(values) for values in row.evidence],
        placed_at=row.cutoff_at,
        parameters=attribution.Parameters.from_json(row.params),
        excluded=Exclusion(row.params["excluded"]) if row.params["excluded"] else None,
    )


def _kept(stored: Mapping[Model, Sequence[Share]]) -> dict[tuple[Model, UUID], Fraction]:
    return {(model, share.touch): share.weight for model, row in stored.items() for share in row if share.touch}


def _version(row: Any) -> dict[str, Any]:
    return {
        "version": row.version,
        "outcome": row.outcome,
        "reason": row.reason,
        "words": WORDS[row.reason],
        "decided_at": row.decided_at.isoformat(),
        "because": row.params.get("because"),
    }


def _touch(candidate: attribution.Candidate, verdict: str | None) -> dict[str, Any]:
    rule, words = RULES[verdict or "eligible"]
    return {
        "touch": str(candidate.touch),
        "occurred_at": candidate.occurred_at.isoformat(),
        "kind": candidate.kind.value,
        "code": candidate.code,
        "placement": candidate.placement,
        "eligible": verdict is None,
        "verdict": verdict or "eligible",
        "rule": rule,
        "words": words,
    }


def _share(share: Share) -> dict[str, Any]:
    return {"touch": str(share.touch), "numerator": share.weight.numerator, "denominator": share.weight.denominator}


def _credit(row: Any) -> dict[str, Any]:
    version, model, line_no, touch, placement, entry, source, fen, occurred_at = row
    return {
        "version": version,
        "model": model,
        "line": line_no,
        "touch": touch and str(touch),
        "placement": placement,
        "entry": entry,
        "source": source,
        "fen": fen,
        "occurred_at": occurred_at.isoformat(),
    }


# Each verdict on a touch: the rule of docs/attribution.md that it comes from, and what staff read.
RULES = {
    "eligible": ("R7", "有效触点：在下单前的归因窗口内扫码"),
    "wechat_crawler": ("R5", "微信爬虫或机器人访问，不计"),
    "head": ("R5", "仅探测链接（HEAD），不计"),
    "prefetch": ("R5", "浏览器预加载，不计"),
    "trial": ("R5", "体验版小程序，不计"),
    "automation": ("R5", "自动化测试，不计"),
    "excluded_staff": ("R16", "工作人员的手机，不计"),
    "excluded_crew": ("R16", "乘务人员的手机，不计"),
    "excluded_test": ("R16", "测试手机，不计"),
    "after_order": ("R8", "下单之后的扫码，不影响归因"),
    "share_open": ("R3", "打开他人转发的链接，不是扫码"),
    "scan_longpress": ("R3", "长按屏幕图片识别，不是海报扫码"),
    "revisit": ("R2", "重新打开页面，不是新的扫码"),
    "unconfirmed": ("R6", "页面未真正打开，暂不计"),
    "orphan_code": ("R12", "扫码时该码未挂在任何点位"),
    "expired_window": ("R7", "扫码早于归因窗口"),
    "continued_elsewhere": ("R3", "落地页在另一个浏览器打开，分不清是本人还是转发，不计"),
    "fraud_hold": ("R18", "扫码有异常，核查期间或确认后不计"),
    "already_credited": ("R17", "这次扫码已计入之前的订单，不重复计"),
}
WORDS = {
    "eligible_touch": "归因成功：销售额记入有效触点所在的点位。",
    "no_touch": "未归因：没有找到买家的扫码记录。",
    "expired_window": "未归因：买家的扫码已超出归因窗口。",
    "shared_only": "未归因：买家只打开过他人转发的链接。",
    "late_touch_only": "未归因：买家下单之后才扫码。",
    "orphan_code": "未归因：买家扫的码当时未挂在任何点位。",
    "continued_elsewhere": "未归因：落地页在另一个浏览器打开，分不清是本人还是转发。",
    "fraud_hold": "未归因：买家的扫码有异常，核查期间或确认后不计。",
    "already_credited": "未归因：买家的扫码已计入之前的订单。",
    "excluded_staff": "不计：工作人员的订单。",
    "excluded_crew": "不计：乘务人员的订单。",
    "excluded_test": "不计：测试订单。",
}
