"""What changes a library; files first, then one commit that makes them count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from avsearch.catalog import (
    Basis,
    CatalogWriter,
    Coverage,
    EncoderRecord,
    Lost,
    NewEncoder,
    NewSegment,
    Place,
    Publication,
    SegmentRecord,
)
from avsearch.errors import LibraryError, WeightsError
from avsearch.library.batch import Batch, settle
from avsearch.library.layout import Layout
from avsearch.models.header import WeightsHeader
from avsearch.models.maps import read_localizer_header
from avsearch.models.weights import read_usable_header, verify_weights
from avsearch.moments import Modality
from avsearch.vectors import Rows, copy_durably, count_by_media, write_segment
from avsearch.vectors.ann.files import drop

_INDEX_HINT = "Index without --model to go on with the library's own, or name another --library."
_ABANDON_HINT = "Go on with its weights, or give them up with `avsearch library reembed --abandon`."


class Writer:
    """The one writer of a library, or one of several indexers, while it holds the lock (see `Library`).

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
            if self._holds_weights(header.fingerprint):
                return snapshot.encoder
        elif snapshot.encoder and snapshot.segments:
            raise _second_encoder(snapshot.encoder, weights, header)
        self._take_in(weights)
        active = self.catalog.activate_encoder(_new_encoder(header))
        if active.fingerprint != header.fingerprint:
            raise _second_encoder(active, weights, header)
        return active

    def begin_reembed(self, weights: Path) -> EncoderRecord:
        """Take in the weights of an encoder that is to replace the active one; the library answers with that still.

        Doing it again with the same weights is no mistake: what was made under them counts.

        Raises:
            WeightsError: the file cannot be used.
            LibraryError: they are in use already, or vectors of yet another encoder are being made.
        """
        header = read_usable_header(weights)
        new = _new_encoder(header)
        active, pending = self.catalog.active_encoder(), self.catalog.pending_encoder()
        if active is None:
            raise LibraryError(
                f"{self._layout.directory}: nothing has been indexed.", hint="Run `avsearch index FOLDER`."
            )
        if active.fingerprint == new.fingerprint:
            raise LibraryError(f"{weights}: is the encoder that the library uses.", hint="Name the new one.")
        if pending is not None and pending.fingerprint != new.fingerprint:
            raise LibraryError(f"Vectors of another encoder are being made: {pending}.", hint=_ABANDON_HINT)
        self._take_in(weights)
        registered = self.catalog.register_encoder(new)
        self.catalog.set_pending_encoder(registered)
        return registered

    def abandon_reembed(self) -> None:
        """No encoder is to replace the active one any more; `compact` removes what was made for it."""
        self.catalog.set_pending_encoder(None)

    def switch_encoder(self, encoder: EncoderRecord) -> None:
        """Make the pending encoder the active one, in one commit.

        Raises:
            LibraryError: it is not the pending one, or its weights are missing or damaged.
        """
        if self.catalog.pending_encoder() != encoder:
            raise LibraryError(f"No vectors of {encoder} are being made.", hint="Run `avsearch library reembed`.")
        if not self._holds_weights(encoder.fingerprint):
            raise LibraryError(
                f"The weights of {encoder} are missing or damaged.",
                hint="Run the same `avsearch library reembed` again.",
            )
        self.catalog.switch_encoder(encoder)
        for modality in Modality:
            drop(self._layout.ann, modality)

    def set_localizer(self, weights: Path | None) -> EncoderRecord | None:
        """Take a weights file into the library, and let its network say where in a picture a sound comes from.

        What is searched does not change. The weights of one that was there before go with the next `compact`.

        Args:
            weights: of a network that has a map; None leaves the library without one.

        Raises:
            WeightsError: the file cannot be used, or its network has no map.
            LibraryError: the disk or the database refuses.
        """
        if weights is None:
            return self.catalog.set_localizer(None)
        header = read_localizer_header(weights)
        self._take_in(weights)
        return self.catalog.set_localizer(_new_encoder(header))

    def reserve_media_ids(self, count: int) -> range:
        """Ids for new media, never given out again."""
        return self.catalog.reserve_media_ids(count)

    def publish(self, batch: Batch) -> frozenset[Place]:
        """Make a batch part of the library, all of it in one commit.

        A content that the library knows gains its files and labels, and keeps its id and vectors; also one that
        another indexer has published a moment ago.

        Returns:
            The files, by root and path, that others have taken over because the leases had run out. Nothing is
            changed about them.

        Raises:
            LibraryError: the vectors are unusable, or the disk or the database refuses.
        """
        hashes = [media.content_hash for media in batch.media]
        while True:
            basis = self.catalog.basis(hashes, batch.files)
            publication = self._prepared(batch.without(basis.lost), basis)
            if self.catalog.publish(publication, basis):
                return basis.lost
            for segment in publication.segments:  # of contents that are known by now
                self._layout.shelf.delete(segment.record.name)

    def publish_rows(
        self, encoder: EncoderRecord, rows: Mapping[Modality, Rows], *, media_ids: Sequence[int]
    ) -> None:
        """Give media that the library knows vectors of an encoder, all of them in one commit.

        Args:
            encoder: that made them.
            rows: by modality; exactly the modalities that were dealt with.
            media_ids: the media that were dealt with, those without any rows too.

        Raises:
            LibraryError: the vectors are unusable, or the disk or the database refuses.
        """
        self._refuse_second_vectors(encoder, rows, media_ids)
        coverage = _coverage(encoder, rows, media_ids)
        self.catalog.publish(Publication(segments=self._write_segments(rows, encoder), coverage=coverage))

    def drop_segments(self, records: Sequence[SegmentRecord]) -> None:
        """Remove segments; what was in them counts as lost from then on, until it is made again.

        Raises:
            LibraryError: the database refuses.
        """
        self.catalog.drop_segments([record.name for record in records])
        for record in records:
            self._layout.shelf.delete(record.name)

    def _prepared(self, batch: Batch, basis: Basis) -> Publication:
        """What is new of a batch; its segments are on the disk."""
        if batch.encoder is not None and batch.encoder != basis.encoder:
            raise LibraryError(
                f"The library's encoder is {basis.encoder} by now, and no longer {batch.encoder}.",
                hint="Run the same command again.",
            )
        settled = settle(batch, known=basis.known, covered=basis.covered)
        rows = {modality: settled.rows.get(modality) for modality in Modality}
        return Publication(
            media=settled.media,
            segments=self._write_segments(settled.rows, basis.encoder),
            files=settled.files,
            labels=settled.labels,
            coverage=_coverage(basis.encoder, rows, settled.covered),
        )

    def _take_in(self, weights: Path) -> None:
        fingerprint = verify_weights(weights)
        path = self._layout.encoder_path(fingerprint)
        if weights.resolve() != path.resolve():
            copy_durably(weights, path)

    def _holds_weights(self, fingerprint: str) -> bool:
        """Whether the library has the weights, whole."""
        try:
            return verify_weights(self._layout.encoder_path(fingerprint)) == fingerprint
        except WeightsError:
            return False

    def _refuse_second_vectors(
        self, encoder: EncoderRecord, rows: Mapping[Modality, Rows], media_ids: Sequence[int]
    ) -> None:
        """A moment stands in a library once for each encoder: only what is lost is made again."""
        known = self.catalog.covered_media(encoder.id).intersection(media_ids)
        lost = set(self.catalog.lost(encoder.id)) if known else set()
        for modality, some in rows.items():
            if strangers := set(np.unique(some.media_id).tolist()).difference(media_ids):
                raise ValueError(f"{modality} rows of media {sorted(strangers)} that were not dealt with")
            if held := [media_id for media_id in sorted(known) if Lost(media_id, modality) not in lost]:
                raise ValueError(f"media {held} have {modality} vectors of {encoder}")

    def _write_segments(
        self, rows: Mapping[Modality, Rows], encoder: EncoderRecord | None
    ) -> tuple[NewSegment, ...]:
        filled = {modality: some for modality, some in rows.items() if len(some)}
        for modality, some in filled.items():
            if encoder is None or some.dim != encoder.dim:
                raise ValueError(f"{some.dim}-dimensional {modality} vectors are not of the encoder {encoder}")
        return tuple(
            write_new_segment(self._layout, some, modality=modality, fingerprint=encoder.fingerprint)
            for modality, some in filled.items()
            if encoder is not None
        )


def write_new_segment(layout: Layout, rows: Rows, *, modality: Modality, fingerprint: str) -> NewSegment:
    """Put rows where the segments lie, as one that no row of the catalog names yet.

    Raises:
        LibraryError: the vectors are unusable, or the disk refuses.
    """
    written = write_segment(layout.shelf, rows, modality=modality, fingerprint=fingerprint)
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


def _coverage(
    encoder: EncoderRecord | None, rows: Mapping[Modality, Rows | None], media_ids: Iterable[int]
) -> tuple[Coverage, ...]:
    """What the encoder has made of each media in each of the modalities, nothing included."""
    if encoder is None:
        return ()
    counts = {modality: count_by_media(some) if some else {} for modality, some in rows.items()}
    return tuple(
        Coverage(encoder.fingerprint, media_id, modality, counts[modality].get(media_id, 0))
        for media_id in media_ids
        for modality in rows
    )


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
        hint=_INDEX_HINT,
    )
