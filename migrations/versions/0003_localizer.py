"""A library may have a localizer: one of its encoders that says where in a picture a sound comes from.

Revision 0003, after 0002.
"""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LOCALIZER_KEY = "fk_library_state_localizer_encoder_id_encoder"


def upgrade() -> None:
    with _library_state() as state:
        state.add_column(sa.Column("localizer_encoder_id", BIG_ID))
        state.create_foreign_key(LOCALIZER_KEY, "encoder", ["localizer_encoder_id"], ["id"])


def downgrade() -> None:
    key = sa.ForeignKeyConstraint(["localizer_encoder_id"], ["encoder.id"], name=LOCALIZER_KEY)
    with _library_state(sa.Column("localizer_encoder_id", BIG_ID), key) as state:
        state.drop_constraint(LOCALIZER_KEY, type_="foreignkey")
        state.drop_column("localizer_encoder_id")


def _library_state(*later: sa.schema.SchemaItem) -> AbstractContextManager[BatchOperations]:
    """SQLite alters this table by copying it; said in full, because not all of it can be read from the database."""
    table = sa.Table(
        "library_state",
        sa.MetaData(),
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("library_id", sa.String(), nullable=False),
        sa.Column("next_media_id", sa.BigInteger(), nullable=False),
        sa.Column("active_encoder_id", BIG_ID),
        sa.Column("pending_encoder_id", BIG_ID),
        *later,
        sa.CheckConstraint("id = 1", name=op.f("ck_library_state_one_row")),
        sa.ForeignKeyConstraint(
            ["active_encoder_id"], ["encoder.id"], name="fk_library_state_active_encoder_id_encoder"
        ),
        sa.ForeignKeyConstraint(
            ["pending_encoder_id"], ["encoder.id"], name="fk_library_state_pending_encoder_id_encoder"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_library_state"),
    )
    return op.batch_alter_table("library_state", copy_from=table)
