"""The first catalog.

Revision 0001, after nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_media()
    _create_files()
    _create_labels()
    _create_encoders()
    _create_segments()
    _create_runs()
    _create_library_state()


def downgrade() -> None:
    for table in ("library_state", "run", "embedding", "segment", "encoder", "label", "file", "root", "media"):
        op.drop_table(table)


def _create_media() -> None:
    op.create_table(
        "media",
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("container", sa.String(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("start_time_us", sa.BigInteger(), nullable=False),
        sa.Column("video_index", sa.Integer()),
        sa.Column("video_codec", sa.String()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("rotation", sa.Integer()),
        sa.Column("frames_per_second", sa.Float()),
        sa.Column("audio_index", sa.Integer()),
        sa.Column("audio_ordinal", sa.Integer()),
        sa.Column("audio_codec", sa.String()),
        sa.Column("sample_rate_hz", sa.Integer()),
        sa.Column("num_channels", sa.Integer()),
        sa.Column("is_default_audio", sa.Boolean()),
        sa.Column("added_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_media"),
        sa.UniqueConstraint("content_hash", name="uq_media_content_hash"),
    )


def _create_files() -> None:
    op.create_table(
        "root",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("added_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_root"),
        sa.UniqueConstraint("path", name="uq_root_path"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "file",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("root_id", BIG_ID, nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("media_id", BIG_ID),
        sa.CheckConstraint("state <> 'indexed' OR media_id IS NOT NULL", name=op.f("ck_file_indexed_has_media")),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name="fk_file_media_id_media"),
        sa.ForeignKeyConstraint(["root_id"], ["root.id"], name="fk_file_root_id_root"),
        sa.PrimaryKeyConstraint("id", name="pk_file"),
        sa.UniqueConstraint("root_id", "path", name="uq_file_root_id_path"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_file_state_media_id", "file", ["state", "media_id"])
    op.create_index("ix_file_media_id", "file", ["media_id"])


def _create_labels() -> None:
    op.create_table(
        "label",
        sa.Column("media_id", BIG_ID, nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name="fk_label_media_id_media"),
        sa.PrimaryKeyConstraint("media_id", "label", name="pk_label"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_label_label", "label", ["label"])


def _create_encoders() -> None:
    op.create_table(
        "encoder",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("architecture", sa.String(), nullable=False),
        sa.Column("size", sa.String(), nullable=False),
        sa.Column("recipe", sa.String(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("added_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_encoder"),
        sa.UniqueConstraint("fingerprint", name="uq_encoder_fingerprint"),
        sqlite_autoincrement=True,
    )


def _create_segments() -> None:
    op.create_table(
        "segment",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("modality", sa.String(), nullable=False),
        sa.Column("encoder_id", BIG_ID, nullable=False),
        sa.Column("num_rows", sa.BigInteger(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("num_bytes", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoder.id"], name="fk_segment_encoder_id_encoder"),
        sa.PrimaryKeyConstraint("id", name="pk_segment"),
        sa.UniqueConstraint("name", name="uq_segment_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_segment_encoder_id", "segment", ["encoder_id"])
    op.create_table(
        "embedding",
        sa.Column("segment_id", BIG_ID, nullable=False),
        sa.Column("media_id", BIG_ID, nullable=False),
        sa.Column("num_rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], name="fk_embedding_media_id_media"),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name="fk_embedding_segment_id_segment"),
        sa.PrimaryKeyConstraint("segment_id", "media_id", name="pk_embedding"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_embedding_media_id", "embedding", ["media_id"])


def _create_runs() -> None:
    op.create_table(
        "run",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column("started_at_us", sa.BigInteger(), nullable=False),
        sa.Column("finished_at_us", sa.BigInteger()),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_autoincrement=True,
    )


def _create_library_state() -> None:
    op.create_table(
        "library_state",
        sa.Column("id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("library_id", sa.String(), nullable=False),
        sa.Column("next_media_id", sa.BigInteger(), nullable=False),
        sa.Column("active_encoder_id", BIG_ID),
        sa.CheckConstraint("id = 1", name=op.f("ck_library_state_one_row")),
        sa.ForeignKeyConstraint(
            ["active_encoder_id"], ["encoder.id"], name="fk_library_state_active_encoder_id_encoder"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_library_state"),
    )
