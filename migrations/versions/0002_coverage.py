"""What each encoder has dealt with, what made no moment, timecodes, and an encoder to come.

Revision 0002, after 0001.
"""

from contextlib import AbstractContextManager

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PENDING_KEY = "fk_library_state_pending_encoder_id_encoder"

# An encoder has dealt with all media that it has vectors of, and the active one with all others too: it made none.
FILL_COVERAGE = """
    INSERT INTO coverage (encoder_id, media_id, modality, num_moments)
    SELECT dealt.encoder_id, dealt.media_id, asked.modality, COALESCE(made.num_rows, 0)
    FROM (
        SELECT segment.encoder_id, embedding.media_id
        FROM embedding JOIN segment ON segment.id = embedding.segment_id
        UNION
        SELECT library_state.active_encoder_id, media.id
        FROM media CROSS JOIN library_state
        WHERE library_state.active_encoder_id IS NOT NULL
    ) AS dealt
    CROSS JOIN (SELECT 'image' AS modality UNION ALL SELECT 'audio') AS asked
    LEFT JOIN (
        SELECT segment.encoder_id, embedding.media_id, segment.modality, SUM(embedding.num_rows) AS num_rows
        FROM embedding JOIN segment ON segment.id = embedding.segment_id
        GROUP BY segment.encoder_id, embedding.media_id, segment.modality
    ) AS made
        ON made.encoder_id = dealt.encoder_id
        AND made.media_id = dealt.media_id
        AND made.modality = asked.modality
"""


def upgrade() -> None:
    with op.batch_alter_table("media") as media:
        media.add_column(sa.Column("timecode", sa.String(), server_default="", nullable=False))
        media.add_column(sa.Column("num_silent", sa.BigInteger(), server_default="0", nullable=False))
        media.add_column(sa.Column("num_still", sa.BigInteger(), server_default="0", nullable=False))
        media.add_column(sa.Column("gap_us", sa.BigInteger(), server_default="2000000", nullable=False))
    _create_coverage()
    op.execute(FILL_COVERAGE)
    with _library_state() as state:
        state.add_column(sa.Column("pending_encoder_id", BIG_ID))
        state.create_foreign_key(PENDING_KEY, "encoder", ["pending_encoder_id"], ["id"])


def downgrade() -> None:
    key = sa.ForeignKeyConstraint(["pending_encoder_id"], ["encoder.id"], name=PENDING_KEY)
    with _library_state(sa.Column("pending_encoder_id", BIG_ID), key) as state:
        state.drop_constraint(PENDING_KEY, type_="foreignkey")
        state.drop_column("pending_encoder_id")
    op.drop_table("coverage")
    with op.batch_alter_table("media") as media:
        for column in ("timecode", "num_silent", "num_still", "gap_us"):
            media.drop_column(column)


def _create_coverage() -> None:
    op.create_table(
        "coverage",
        sa.Column("encoder_id", BIG_ID, nullable=False),
        sa.Column("media_id", BIG_ID, nullable=False),
        sa.Column("modality", sa.String(), nullable=False),
        sa.Column("num_moments", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoder.id"], name="fk_coverage_encoder_id_encoder"),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name="fk_coverage_media_id_media"),
        sa.PrimaryKeyConstraint("encoder_id", "media_id", "modality", name="pk_coverage"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_coverage_media_id", "coverage", ["media_id"])


def _library_state(*later: sa.schema.SchemaItem) -> AbstractContextManager[BatchOperations]:
    """SQLite alters this table by copying it; said in full, because not all of it can be read from the database."""
    table = sa.Table(
        "library_state",
        sa.MetaData(),
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("library_id", sa.String(), nullable=False),
        sa.Column("next_media_id", sa.BigInteger(), nullable=False),
        sa.Column("active_encoder_id", BIG_ID),
        *later,
        sa.CheckConstraint("id = 1", name=op.f("ck_library_state_one_row")),
        sa.ForeignKeyConstraint(
            ["active_encoder_id"], ["encoder.id"], name="fk_library_state_active_encoder_id_encoder"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_library_state"),
    )
    return op.batch_alter_table("library_state", copy_from=table)
