"""How a catalog gets from one version of avsearch to the next; run by `avsearch.catalog.migrate`.

A new file in `versions/` comes from `avsearch.catalog.migrate.draft_revision("what changes")`, after the change
to `avsearch.schema`; read it, then count `avsearch.schema.REVISION` up.
"""
