"""Chains the audit trail: each entry is sealed by a digest over itself and the seal before it."""

from alembic import op

revision = "0008_audit_chain"
down_revision = "0007_declarations"
branch_labels = None
depends_on = None

LINE = """
    convert_to(jsonb_build_array({entry}.id, extract(epoch FROM {entry}.acted_at), {entry}.staff_id, {entry}.act,
        {entry}.subject, {entry}.details)::text, 'UTF8')
"""

TABLES = """
    CREATE TABLE audit_seals (
        position bigint CONSTRAINT pk_audit_seals PRIMARY KEY,
        entry_id bigint NOT NULL CONSTRAINT fk_audit_seals_entry_id_staff_audit REFERENCES staff_audit (id),
        digest bytea NOT NULL,
        CONSTRAINT uq_audit_seals_entry_id UNIQUE (entry_id)
    );

    -- The lock is taken at commit, after every other lock of the transaction: sealing cannot close a circle of waits.
    CREATE FUNCTION seal_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last audit_seals;
    BEGIN
        PERFORM pg_advisory_xact_lock(7302021);
        SELECT * INTO last FROM audit_seals ORDER BY position DESC LIMIT 1;
        INSERT INTO audit_seals (position, entry_id, digest) VALUES (
            coalesce(last.position, 0) + 1, NEW.id, sha256(coalesce(last.digest, ''::bytea) || {new_line}));
        RETURN NULL;
    END $$;

    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit trail is only ever added to';
    END $$;

    DO $$
    DECLARE
        entry staff_audit;
        sealed bytea := ''::bytea;
        place bigint := 0;
    BEGIN
        FOR entry IN SELECT * FROM staff_audit ORDER BY id LOOP
            place := place + 1;
            sealed := sha256(sealed || {entry_line});
            INSERT INTO audit_seals (position, entry_id, digest) VALUES (place, entry.id, sealed);
        END LOOP;
    END $$;

    CREATE CONSTRAINT TRIGGER seal_audit_entry AFTER INSERT ON staff_audit
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION seal_audit_entry();
    CREATE TRIGGER refuse_audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_audit
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
    CREATE TRIGGER refuse_audit_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seals
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
""".replace("{new_line}", LINE.format(entry="NEW")).replace("{entry_line}", LINE.format(entry="entry"))


def upgrade() -> None:
    """Create the chain and seal what stands."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop the chain; the entries stay."""
    op.execute("DROP TRIGGER refuse_audit_change ON staff_audit")
    op.execute("DROP TRIGGER seal_audit_entry ON staff_audit")
    op.execute("DROP TABLE audit_seals")
    op.execute("DROP FUNCTION seal_audit_entry(), refuse_audit_change()")
