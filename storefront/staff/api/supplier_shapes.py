"""What a supplier's file looks like as JSON, and what its steps need.

Invariant: of a bank account there are four digits at most.
"""

from marshmallow import fields, validate

from catalog.accreditation_lifecycle import EntityKind
from catalog.supplier_lifecycle import Act, Kind, PermitClass, State
from catalog.supplier_models import PaperKind, ReceiverKind
from config.schemas import Pattern, Schema, Text
from storefront.api.shapes import Answer, Instant
from storefront.staff import supplier_desk
from storefront.staff.api.shapes import Day, OffsetArgs

_KINDS = [kind.value for kind in Kind]
_STATES = [state.value for state in State]
_ENTITIES = [kind.value for kind in EntityKind]
_CLASSES = [kind.value for kind in PermitClass]
_ACTS = [act.value for act in Act]
_SEATS = [seat.value for seat in supplier_desk.SEATS]
_PAPERS = [kind.value for kind in PaperKind]


class SupplierSearch(OffsetArgs):
    """Which suppliers; without a state all of them."""

    state = Text(validate=[validate.OneOf(_STATES)], load_default=None)


class SupplierOpened(Schema):
    """Whose file is begun: of one we buy from, or one who sells for us."""

    name = Text(required=True, low=2, high=60)
    kind = Text(required=True, validate=[validate.OneOf(_KINDS)])


class PermitsWanted(Schema):
    """Until when papers are valid, by their last days; null where a paper has no end."""

    licence_until = Day(load_default=None, allow_none=True)
    permit_class = Text(validate=[validate.OneOf(_CLASSES)], load_default=None, allow_none=True)
    permit_number = Text(high=60, load_default="")
    permit_until = Day(load_default=None, allow_none=True)


class SupplierProfile(PermitsWanted):
    """What a firm applies with."""

    name = Text(required=True, low=2, high=60)
    entity_kind = Text(required=True, validate=[validate.OneOf(_ENTITIES)])
    county_code = Text(required=True, validate=[Pattern("[0-9]{6}")])
    credit_code = Text(required=True, low=1, high=40)
    permit_class = Text(required=True, validate=[validate.OneOf(_CLASSES)])
    contact_name = Text(high=30, load_default="")
    contact_phone = Text(high=20, load_default="")
    address = Text(high=200, load_default="")


class AgreementAccepted(Schema):
    """The version of the agreement that was read."""

    version = Text(required=True, low=1, high=20)


class PayeeWanted(Schema):
    """Where money goes: a bank account, and for a seller who receives shares at WeChat."""

    account_name = Text(required=True, low=1, high=200)
    bank = Text(required=True, low=1, high=200)
    account = Text(required=True, low=1, high=60)
    receiver_kind = Text(validate=[validate.OneOf([*ReceiverKind])], load_default=None, allow_none=True)
    receiver = Text(high=80, load_default="")
    receiver_name = Text(high=200, load_default="")


class SupplierStepWanted(Schema):
    """Which step, in which seat; some need a reason, which the supplier reads."""

    act = Text(required=True, validate=[validate.OneOf(_ACTS)])
    seat = Text(required=True, validate=[validate.OneOf(_SEATS)])
    reason = Text(high=500, load_default="")


class SupplierPaperWanted(Schema):
    """What a photographed paper shows."""

    kind = Text(required=True, validate=[validate.OneOf(_PAPERS)])


class SupplierListed(Answer):
    """A supplier and until when its papers are valid; `has_agreed` to the present agreement."""

    number = fields.String()
    name = fields.String()
    kind = fields.String(validate=validate.OneOf(_KINDS))
    state = fields.String(validate=validate.OneOf(_STATES))
    entity_kind = fields.String(allow_none=True)
    county_code = fields.String(allow_none=True)
    county = fields.String(allow_none=True)
    licence_until = fields.Date(allow_none=True)
    permit_class = fields.String(allow_none=True)
    permit_until = fields.Date(allow_none=True)
    has_agreed = fields.Boolean()
    products = fields.Integer()
    on_sale = fields.Integer()


class SupplierStepShown(Answer):
    """A step that was taken: in whose seat, by whom, why."""

    act = fields.String(validate=validate.OneOf(_ACTS))
    after = fields.String(validate=validate.OneOf(_STATES))
    seat = fields.String()
    taken_by = fields.String(allow_none=True)
    reason = fields.String()
    taken_at = Instant()


class SupplierPaperShown(Answer):
    """A photographed paper, by the number of its picture."""

    kind = fields.String(validate=validate.OneOf(_PAPERS))
    picture = fields.String()
    added_by = fields.String()
    added_at = Instant()


class SupplierPayeeShown(Answer):
    """Where money goes; of the account the last four digits."""

    account_name = fields.String()
    bank = fields.String()
    account = fields.String()
    receiver_kind = fields.String(allow_none=True)
    changed_by = fields.String()
    changed_at = Instant()


class SupplierWhole(SupplierListed):
    """A supplier's file; `choices` are the acts that the caller may take now, by seat."""

    credit_code = fields.String(allow_none=True)
    permit_number = fields.String()
    address = fields.String()
    contact_name = fields.String()
    contact_phone = fields.String()
    commission_bp = fields.Integer(allow_none=True)
    agreed_by = fields.String(allow_none=True)
    agreed_at = Instant(allow_none=True)
    payee = fields.Nested(SupplierPayeeShown, allow_none=True)
    papers = fields.List(fields.Nested(SupplierPaperShown))
    steps = fields.List(fields.Nested(SupplierStepShown))
    seats = fields.List(fields.String())
    choices = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))


LISTED_EXAMPLE = {
    "number": "S7K3M9X2P4QWE",
    "name": "砀山县某某果业专业合作社",
    "kind": "supplier",
    "state": "applied",
    "entity_kind": "cooperative",
    "county_code": "341321",
    "county": "安徽省宿州市砀山县",
    "licence_until": None,
    "permit_class": "exempt",
    "permit_until": None,
    "has_agreed": True,
    "products": 0,
    "on_sale": 0,
}
WHOLE_EXAMPLE = {
    **LISTED_EXAMPLE,
    "credit_code": "93341321MA0000000X",
    "permit_number": "",
    "address": "砀山县良梨镇",
    "contact_name": "陈",
    "contact_phone": "",
    "commission_bp": None,
    "agreed_by": "chen",
    "agreed_at": "2026-11-20T02:00:00+00:00",
    "payee": {
        "account_name": "砀山县某某果业专业合作社",
        "bank": "徽商银行砀山支行",
        "account": "****0001",
        "receiver_kind": None,
        "changed_by": "chen",
        "changed_at": "2026-11-20T02:00:00+00:00",
    },
    "papers": [
        {
            "kind": "licence",
            "picture": "PIC0123456789ABCDEF",
            "added_by": "chen",
            "added_at": "2026-11-20T02:00:00+00:00",
        }
    ],
    "steps": [
        {
            "act": "apply",
            "after": "applied",
            "seat": "applicant",
            "taken_by": "chen",
            "reason": "",
            "taken_at": "2026-11-20T02:00:00+00:00",
        }
    ],
    "seats": ["operator"],
    "choices": {"operator": ["admit", "refuse"]},
}
PROFILE_EXAMPLE = {
    "name": "砀山县某某果业专业合作社",
    "entity_kind": "cooperative",
    "county_code": "341321",
    "credit_code": "93341321MA0000000X",
    "permit_class": "exempt",
}
