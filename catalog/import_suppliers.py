"""Suppliers as a sheet: files that are begun or amended before they apply, and the sheet of what stands.

Invariant: what a supplier applies with is written through `suppliers.open` and `suppliers.amend` alone, so a sheet
admits nobody, and whoever has applied is changed on their own page, where papers are looked at.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from catalog import credit_codes, sheets, suppliers
from catalog import supplier_lifecycle as lifecycle
from catalog.accreditation_lifecycle import EntityKind
from catalog.sheets import Change, Fault, ImportKind, Meant, Verdict
from catalog.supplier_lifecycle import Papers, PermitClass, State
from catalog.suppliers import Profile

_FIELDS = ("name", "entity_kind", "county_code", "credit_code", "licence_until", "permit_class", "permit_number",
           "permit_until", "contact_name", "contact_phone", "address")  # fmt: skip
_STANDING = text(f"SELECT number, state, kind, {', '.join(_FIELDS)} FROM suppliers WHERE number = ANY(:numbers)")
_TAKEN = text("""
    SELECT credit_code, number FROM suppliers
    WHERE kind = 'supplier' AND state <> 'closed' AND credit_code = ANY(:codes)
""")
_COUNTIES = text("SELECT code, full_name FROM regions WHERE level = 'county'")
_LISTING = text(f"""
    SELECT number, state, {", ".join(_FIELDS)} FROM suppliers
    WHERE kind = 'supplier' AND NOT is_illustrative AND number > :after
      AND (cast(:supplier AS text) IS NULL OR number = :supplier)
    ORDER BY number LIMIT :limit
""")
_STATES = {
    State.DRAFTED: "草稿",
    State.APPLIED: "待审核",
    State.ADMITTED: "已入驻",
    State.REFUSED: "未通过",
    State.SUSPENDED: "已暂停",
    State.LAPSED: "证照到期",
    State.CLOSED: "已退出",
}
_PAPERS = {"permit_class": "食品许可", "permit_number": "许可或备案编号", "permit_until": "许可有效期至"}


def compare(session: Session, rows: Sequence[Meant], *, supplier: str | None) -> list[Verdict]:
    """Return what each row would change. With a `supplier` every row is refused: it has a page of its own for that."""
    counties = {place: code for code, full_name in session.execute(_COUNTIES) for place in (code, full_name)}
    profiles = [_profile(row.values, counties) for row in rows]
    codes = [profile["credit_code"] for profile in profiles]
    found = session.execute(_STANDING, {"numbers": [row.values["number"] for row in rows]})
    standing = {row.number: row._asdict() for row in found}
    taken = {row.credit_code: row.number for row in session.execute(_TAKEN, {"codes": codes})}
    often = Counter(codes)
    verdicts = []
    for row, profile in zip(rows, profiles, strict=True):
        faults = _faults(row.values["number"], profile, taken, often)
        if supplier is not None:
            faults.append(Fault("供应商编号", "供应商资料由管理员导入；您的资料请在“我的资料”里改"))
        verdicts.append(
            Verdict(faults=tuple(faults)) if faults else _verdict(profile, standing.get(row.values["number"]))
        )
    return verdicts


def _profile(values: Mapping[str, Any], counties: Mapping[str, str]) -> dict[str, Any]:
    """Return what a row says, in the fields of a supplier; a county that there is not is None."""
    return {
        **{field: values.get(field) for field in ("licence_until", "permit_until")},
        **{
            field: values.get(field) or ""
            for field in (
                "name",
                "entity_kind",
                "permit_class",
                "permit_number",
                "contact_name",
                "contact_phone",
                "address",
            )
        },
        "county_code": counties.get(values["county"]),
        "credit_code": credit_codes.normalise(values["credit_code"]),
    }


def _faults(number: str, profile: Mapping[str, Any], taken: Mapping[str, str], often: Counter[str]) -> list[Fault]:
    code, faults = profile["credit_code"], []
    if profile["county_code"] is None:
        faults.append(Fault("所在县", "没有这个县（市、区）：填代码或全名，如 安徽省宿州市砀山县"))
    if not credit_codes.is_valid(code):
        faults.append(Fault("统一社会信用代码", "不对：应为 18 位，且最后一位校验不符的不收"))
    elif often[code] > 1:
        faults.append(Fault("统一社会信用代码", "在表里出现了不止一次"))
    elif taken.get(code, number) != number:
        faults.append(Fault("统一社会信用代码", f"已登记为供应商 {taken[code]}"))
    if len(profile["name"]) < 2:
        faults.append(Fault("名称", "至少 2 个字"))
    papers = Papers(
        licence_until=profile["licence_until"],
        permit_class=PermitClass(profile["permit_class"]),
        permit_number=profile["permit_number"],
        permit_until=profile["permit_until"],
    )
    return [*faults, *(Fault(_PAPERS.get(each, "食品许可"), "这种许可必填") for each in lifecycle.missing(papers))]


def _verdict(profile: Mapping[str, Any], standing: Mapping[str, Any] | None) -> Verdict:
    if standing is None:
        return Verdict(changes=(Change("新供应商", "", profile["name"]),))
    changes = tuple(
        Change(_title(field), _said(field, standing[field]), _said(field, profile[field]))
        for field in _FIELDS
        if (standing[field] or "") != (profile[field] or "")
    )
    if changes and (standing["state"] not in lifecycle.EDITABLE or standing["kind"] != lifecycle.Kind.SUPPLIER):
        now = _STATES[State(standing["state"])]
        return Verdict(faults=(Fault("状态", f"{now}：资料请在供应商页面改（要看证照），表格只改草稿和未通过的"),))
    return Verdict(changes=changes)


def _title(field: str) -> str:
    return sheets.title(ImportKind.SUPPLIERS, "county" if field == "county_code" else field)


def _said(field: str, value: Any) -> str:
    return {"entity_kind": sheets.ENTITIES, "permit_class": sheets.PERMITS}.get(field, {}).get(value, str(value or ""))


def apply(session: Session, rows: Sequence[Meant], *, key: str, now: datetime) -> None:
    """Begin or amend the files of rows that `compare` called changed; their steps are noted by `suppliers`."""
    counties = {place: code for code, full_name in session.execute(_COUNTIES) for place in (code, full_name)}
    numbers = [row.values["number"] for row in rows]
    standing = {row.number for row in session.execute(_STANDING, {"numbers": numbers})}
    for row in rows:
        number, profile = row.values["number"], _profile(row.values, counties)
        if number not in standing:
            suppliers.open(session, number=number, name=profile["name"])
        entity, permit = EntityKind(profile.pop("entity_kind")), PermitClass(profile.pop("permit_class"))
        suppliers.amend(session, number=number, profile=Profile(entity_kind=entity, permit_class=permit, **profile))


def listing(session: Session, *, supplier: str | None, after: str, limit: int) -> list[dict[str, Any]]:
    """Return the rows of the sheet as it stands, by number beyond `after`; those made up for show are left out."""
    found = session.execute(_LISTING, {"supplier": supplier, "after": after, "limit": limit})
    return [
        row._asdict()
        | {field: _said(field, getattr(row, field)) for field in ("entity_kind", "permit_class")}
        | {field: str(getattr(row, field) or "") for field in ("licence_until", "permit_until")}
        | {"county": row.county_code, "state": _STATES[State(row.state)]}
        for row in found
    ]
