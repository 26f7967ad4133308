"""What accreditation looks like as JSON, and what its steps need.

Invariant: exactly what `storefront.staff.accreditation_desk` says.
"""

from marshmallow import fields, validate

from catalog.accreditation_lifecycle import Act, State
from catalog.accreditation_models import EvidenceKind, Finding, InspectionLevel
from catalog.models import IndicationKind
from config.schemas import Bool, Pattern, Schema, Text
from storefront.api.shapes import Answer, Instant
from storefront.staff import accreditation_desk
from storefront.staff.api.shapes import Day, OffsetArgs

_STATES = [state.value for state in State]
_ACTS = [act.value for act in Act]
_SEATS = [seat.value for seat in accreditation_desk.SEATS]
_PAPERS = [kind.value for kind in EvidenceKind]
_FINDINGS = [finding.value for finding in Finding]
_LEVELS = [level.value for level in InspectionLevel]
_INDICATIONS = [kind.value for kind in IndicationKind]


class AccreditationSearch(OffsetArgs):
    """Which accreditations: in one state, waiting for a seat of the caller's (`mine`), or all that stand."""

    state = Text(validate=[validate.OneOf([*_STATES, "mine"])], load_default=None)


class ApplicationWanted(Schema):
    """For which product, in which township, in the applicant's words."""

    product = Text(required=True, low=1, high=80)
    township_code = Text(required=True, validate=[Pattern("[0-9]{9}")])
    statement = Text(high=2_000, load_default="")


class StatementWanted(Schema):
    """The applicant's words."""

    statement = Text(required=True, high=2_000)


class AccreditationStepWanted(Schema):
    """Which step, in which seat; some need a reason, publishing needs the batch of the catalogue."""

    act = Text(required=True, validate=[validate.OneOf(_ACTS)])
    seat = Text(required=True, validate=[validate.OneOf(_SEATS)])
    reason = Text(high=500, load_default="")
    batch = Text(high=60, load_default="")


class EvidenceWanted(Schema):
    """What a photographed paper shows."""

    kind = Text(required=True, validate=[validate.OneOf(_PAPERS)])


class CatalogueBatch(Schema):
    """The name of a batch of the catalogue."""

    name = Text(required=True, low=1, high=60)


class ObjectionAnswer(Schema):
    """The county's answer, which the public reads, and whether the objection is upheld."""

    answer = Text(required=True, low=2, high=500)
    is_upheld = Bool(required=True)


class InspectionWanted(Schema):
    """What a spot check found; `rectify_until` is the last day to put it right, for the finding `rectify`."""

    level = Text(required=True, validate=[validate.OneOf(_LEVELS)])
    finding = Text(required=True, validate=[validate.OneOf(_FINDINGS)])
    reason = Text(required=True, low=2, high=500)
    rectify_until = Day(load_default=None, allow_none=True)


class IndicationWanted(Schema):
    """The geographical indication of the product, as its certificate says."""

    kind = Text(required=True, validate=[validate.OneOf(_INDICATIONS)])
    certificate = Text(required=True, low=1, high=60)
    issuer = Text(required=True, low=1, high=80)
    issued_on = Day(required=True)


class AccreditationListed(Answer):
    """An application or accreditation; `due_at` is until when somebody has to act."""

    number = fields.String()
    state = fields.String(validate=validate.OneOf(_STATES))
    product = fields.String()
    product_name = fields.String()
    supplier = fields.String()
    supplier_name = fields.String()
    township_code = fields.String()
    township = fields.String()
    county_code = fields.String()
    county = fields.String()
    batch = fields.String(allow_none=True)
    drafted_at = Instant()
    due_at = Instant(allow_none=True)
    certificate_number = fields.String(allow_none=True)
    valid_until = fields.Date(allow_none=True)


class AccreditationStepShown(Answer):
    """A step that was taken: in whose seat, by whom, why."""

    act = fields.String(validate=validate.OneOf(_ACTS))
    after = fields.String(validate=validate.OneOf(_STATES))
    seat = fields.String()
    taken_by = fields.String(allow_none=True)
    reason = fields.String()
    taken_at = Instant()


class EvidenceShown(Answer):
    """A photographed paper, by the number of its picture."""

    kind = fields.String(validate=validate.OneOf(_PAPERS))
    title = fields.String()
    picture = fields.String()
    added_by = fields.String()
    added_at = Instant()


class ObjectionShown(Answer):
    """An objection; `contact` is empty for whoever does not answer it."""

    number = fields.String()
    content = fields.String()
    contact = fields.String()
    filed_at = Instant()
    due_at = Instant()
    answer = fields.String(allow_none=True)
    is_upheld = fields.Boolean(allow_none=True)
    answered_by = fields.String(allow_none=True)
    answered_at = Instant(allow_none=True)


class InspectionShown(Answer):
    """A spot check."""

    level = fields.String(validate=validate.OneOf(_LEVELS))
    finding = fields.String(validate=validate.OneOf(_FINDINGS))
    reason = fields.String()
    rectify_until = fields.Date(allow_none=True)
    rectified_at = Instant(allow_none=True)
    inspected_by = fields.String()
    inspected_at = Instant()


class IndicationShown(Answer):
    """A geographical indication."""

    kind = fields.String(validate=validate.OneOf(_INDICATIONS))
    number = fields.String()
    issuer = fields.String()
    issued_on = fields.Date()


class AccreditationWhole(AccreditationListed):
    """One with its history; `choices` are the acts that the caller may take now, by seat."""

    statement = fields.String()
    noticed_at = Instant(allow_none=True)
    noticed_until = Instant(allow_none=True)
    issued_on = fields.Date(allow_none=True)
    recheck_until = fields.Date(allow_none=True)
    rectify_until = fields.Date(allow_none=True)
    indication = fields.Nested(IndicationShown, allow_none=True)
    steps = fields.List(fields.Nested(AccreditationStepShown))
    evidence = fields.List(fields.Nested(EvidenceShown))
    objections = fields.List(fields.Nested(ObjectionShown))
    inspections = fields.List(fields.Nested(InspectionShown))
    seats = fields.List(fields.String())
    choices = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


class CatalogueBatches(Answer):
    """The latest fifty batches of the catalogue."""

    items = fields.List(fields.Nested(CatalogueBatch))


LISTED_EXAMPLE = {
    "number": "C7K3M9X2P4QWE",
    "state": "submitted",
    "product": "dangshansuli",
    "product_name": "砀山酥梨",
    "supplier": "SUP0001",
    "supplier_name": "砀山县某某果业专业合作社",
    "township_code": "341321105",
    "township": "良梨镇",
    "county_code": "341321",
    "county": "安徽省宿州市砀山县",
    "batch": None,
    "drafted_at": "2026-11-20T02:00:00+00:00",
    "due_at": "2026-11-30T02:00:00+00:00",
    "certificate_number": None,
    "valid_until": None,
}
WHOLE_EXAMPLE = {
    **LISTED_EXAMPLE,
    "statement": "全部产自良梨镇，带动 20 户。",
    "noticed_at": None,
    "noticed_until": None,
    "issued_on": None,
    "recheck_until": None,
    "rectify_until": None,
    "indication": None,
    "steps": [
        {
            "act": "submit",
            "after": "submitted",
            "seat": "applicant",
            "taken_by": "chen",
            "reason": "",
            "taken_at": "2026-11-20T02:10:00+00:00",
        }
    ],
    "evidence": [
        {
            "kind": "licence",
            "title": "营业执照",
            "picture": "PIC0123456789ABCDEF",
            "added_by": "chen",
            "added_at": "2026-11-20T02:05:00+00:00",
        }
    ],
    "objections": [],
    "inspections": [],
    "seats": ["township"],
    "choices": {"township": ["endorse", "oppose", "return"]},
}
INSPECTION_EXAMPLE = {"level": "city", "finding": "rectify", "reason": "标签缺生产日期", "rectify_until": "2026-12-15"}
INDICATION_EXAMPLE = {
    "kind": "product",
    "certificate": "AGI00001",
    "issuer": "国家知识产权局",
    "issued_on": "2003-08-01",
}
