"""The role of the crew."""

import re

import sqlalchemy as sa
from alembic import op

revision = "0030_crew"
down_revision = "0029_reviews"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let accounts hold the role, whichever others there are."""
    _allow(_roles() | {"crew"})


def downgrade() -> None:
    """Take the role from whoever holds it."""
    op.execute("DELETE FROM staff_roles WHERE role = 'crew'")
    _allow(_roles() - {"crew"})


def _roles() -> set[str]:
    said = op.get_bind().execute(
        sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_staff_roles_role'")
    )
    return set(re.findall(r"'(\w+)'", said.scalar_one()))


def _allow(roles: set[str]) -> None:
    op.execute("ALTER TABLE staff_roles DROP CONSTRAINT ck_staff_roles_role")
    words = ", ".join(f"'{role}'" for role in sorted(roles))
    op.execute(f"ALTER TABLE staff_roles ADD CONSTRAINT ck_staff_roles_role CHECK (role IN ({words}))")
