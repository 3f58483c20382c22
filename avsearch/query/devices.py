"""What `--device` means for a question: where its network runs, and on which GPUs vectors are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from avsearch.library import Library, View
from avsearch.moments import Modality
from avsearch.query.ranking import Mapped, Searchable
from avsearch.vectors.ann.approximate import Approximate
from avsearch.vectors.gpu.cards import DOCTOR_HINT, Card, NoGpu, cards, find_cards, say_once, warn_once
from avsearch.vectors.gpu.exact import OnGpu, on_gpu_if_possible
from avsearch.vectors.gpu.structure import approximate_on_gpu
from avsearch.vectors.resident import Resident

Hold: TypeAlias = Callable[[Library, View, Modality, Searchable | None], Searchable]
"""Takes up the rows of a modality to be asked many times; what held an earlier state of them may go on serving."""


@dataclass(frozen=True)
class Devices:
    """Where a question is answered.

    Attributes:
        network: the device that encodes, as `--device`.
        cards: the GPUs that search; none for the processor.
    """

    network: str
    cards: Sequence[Card] = ()


def settled(device: str) -> Devices:
    """What there is of a device; where `cuda` is asked for and is not there, one line says what runs on the CPU.

    Args:
        device: as `--device`.
    """
    if not device.startswith("cuda"):
        return Devices(device, cards(device))
    from avsearch.device import is_there  # noqa: PLC0415  (torch: a second)

    try:
        found, fault = find_cards(device), None
    except NoGpu as error:
        found, fault = (), error
    network = device if is_there(device) else "cpu"
    if fault is not None and network == "cpu":
        say_once(f"torch and faiss have no {device} here. Network and search are on the CPU. {DOCTOR_HINT}")
    elif fault is not None:
        warn_once(fault)
    elif network == "cpu":
        say_once(f"torch has no {device} here. The network is on the CPU, search on the GPU. {DOCTOR_HINT}")
    return Devices(network, found)


def settled_for_one(device: str) -> Devices:
    """The same for a single question: copying all vectors to a GPU takes longer than looking at them, unless asked.

    Args:
        device: as `--device`.
    """
    return settled(device) if device.startswith("cuda") else Devices(device)


def held_on(some: Sequence[Card]) -> Hold:
    """All rows of a modality on GPUs or in memory, as much of them as possible where they were.

    Args:
        some: the GPUs; without any, or where they have no room, the rows are in memory.
    """

    def hold(_library: Library, view: View, modality: Modality, before: Searchable | None) -> Searchable:
        segments = view.segments[modality]
        names = [record.name for record in view.snapshot.segments if record.modality is modality]
        held = on_gpu_if_possible(segments, some, names=names, before=before if isinstance(before, OnGpu) else None)
        if held is not None:
            return held
        return Resident(segments, names=names, before=before if isinstance(before, Resident) else None)

    return hold


def mapped_rows(view: View, find: Modality, some: Sequence[Card]) -> Mapping[Modality, Searchable]:
    """Rows as they lie on the disk; of the modality that is asked for, on GPUs where there are any."""
    mapped: dict[Modality, Searchable] = {modality: Mapped(rows) for modality, rows in view.segments.items()}
    held = on_gpu_if_possible(view.segments[find], some)
    return mapped if held is None else {**mapped, find: held}


def on_cards(
    nearby: Mapping[Modality, Searchable], some: Sequence[Card], before: Mapping[Modality, Searchable]
) -> Mapping[Modality, Searchable]:
    """The structures of a library on GPUs, those that are there already taken over; others as they are."""
    held = {modality: it for modality, it in before.items() if isinstance(it, Approximate)}
    return {
        modality: approximate_on_gpu(it, some, held.get(modality)) if isinstance(it, Approximate) else it
        for modality, it in nearby.items()
    }
