"""Media may lie in a store of objects, which has marks of its own that tell whether an object is the same.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("file", sa.Column("etag", sa.String()))


def downgrade() -> None:
    op.drop_column("file", "etag")
