"""Several may index at once: who they are, and which files they have in hand.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "indexer",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("backend_pid", sa.Integer(), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_indexer"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "lease",
        sa.Column("path_digest", sa.LargeBinary(), nullable=False),
        sa.Column("indexer_id", BIG_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["indexer_id"], ["indexer.id"], name="fk_lease_indexer_id_indexer", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("path_digest", name="pk_lease"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_lease_indexer_id", "lease", ["indexer_id"])


def downgrade() -> None:
    op.drop_index("ix_lease_indexer_id", table_name="lease")
    op.drop_table("lease")
    op.drop_table("indexer")
