"""What changes a library; files first, then one commit that makes them count."""

from __future__ import annotations

from pathlib import Path

from avsearch.catalog import (
    CatalogWriter,
    EncoderRecord,
    NewEncoder,
    NewSegment,
    Publication,
    SegmentRecord,
)
from avsearch.errors import LibraryError
from avsearch.library.batch import Batch, SettledBatch, settle
from avsearch.library.layout import Layout
from avsearch.models.weights import WeightsHeader, read_usable_header, verify_weights
from avsearch.moments import Modality
from avsearch.vectors import Rows, copy_durably, count_by_media, write_segment


class Writer:
    """The one writer of a library, while it holds the lock (`Library.writer`).

    Attributes:
        catalog: roots, files, labels and runs are changed through it.
    """

    def __init__(self, layout: Layout, catalog: CatalogWriter) -> None:
        self._layout = layout
        self.catalog = catalog

    def use_encoder(self, weights: Path) -> EncoderRecord:
        """Take a weights file into the library and make its encoder the active one.

        Raises:
            WeightsError: the file cannot be used.
            LibraryError: the library holds vectors of another encoder.
        """
        header = read_usable_header(weights)
        snapshot = self.catalog.snapshot()
        if snapshot.encoder and snapshot.encoder.fingerprint == header.fingerprint:
            if self._layout.encoder_path(header.fingerprint).is_file():
                return snapshot.encoder
        elif snapshot.encoder and snapshot.segments:
            raise _second_encoder(snapshot.encoder, weights, header)
        fingerprint = verify_weights(weights)
        copy_durably(weights, self._layout.encoder_path(fingerprint))
        return self.catalog.activate_encoder(_new_encoder(header))

    def reserve_media_ids(self, count: int) -> range:
        """Ids for new media, never given out again."""
        return self.catalog.reserve_media_ids(count)

    def publish(self, batch: Batch) -> None:
        """Make a batch part of the library, all of it in one commit.

        A content that the library knows gains its files and labels, and keeps its id and vectors.

        Raises:
            LibraryError: the vectors are unusable, or the disk or the database refuses.
        """
        active = self.catalog.active_encoder()
        known = self.catalog.media_by_hash(media.content_hash for media in batch.media)
        embedded = self.catalog.embedded_media(active.id) if active and known else set()
        settled = settle(batch, known=known, embedded=embedded)
        self.catalog.publish(
            Publication(
                media=settled.media,
                segments=self._write_segments(settled, active),
                files=settled.files,
                labels=settled.labels,
            )
        )

    def _write_segments(self, settled: SettledBatch, encoder: EncoderRecord | None) -> tuple[NewSegment, ...]:
        filled = {modality: rows for modality, rows in settled.rows.items() if len(rows)}
        for modality, rows in filled.items():
            if encoder is None or rows.dim != encoder.dim:
                raise ValueError(f"{rows.dim}-dimensional {modality} vectors are not of the encoder {encoder}")
        return tuple(
            self._write_segment(rows, modality, encoder.fingerprint)
            for modality, rows in filled.items()
            if encoder is not None
        )

    def _write_segment(self, rows: Rows, modality: Modality, fingerprint: str) -> NewSegment:
        written = write_segment(self._layout.segments, rows, modality=modality, fingerprint=fingerprint)
        record = SegmentRecord(
            name=written.name,
            modality=written.modality,
            fingerprint=written.fingerprint,
            num_rows=written.num_rows,
            dim=written.dim,
            num_bytes=written.num_bytes,
            checksum=written.checksum,
        )
        return NewSegment(record=record, rows_of_media=count_by_media(rows))


def _new_encoder(header: WeightsHeader) -> NewEncoder:
    return NewEncoder(
        fingerprint=header.fingerprint,
        architecture=header.architecture,
        size=header.size,
        recipe=header.recipe_name,
        dim=header.dim,
    )


def _second_encoder(active: EncoderRecord, weights: Path, header: WeightsHeader) -> LibraryError:
    return LibraryError(
        f"{weights}: is not the encoder that made this library's vectors: that is {active}, this is "
        f"{_new_encoder(header)}, and vectors of two encoders are never compared.",
        hint="Index without --model to go on with the library's own, or name another --library.",
    )
