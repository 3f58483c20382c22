"""Pure: frames and waveforms -> the tensors that a FrontEnd asks for."""

from __future__ import annotations

import functools

import numpy as np
import torch

from avsearch.front_end import FLOW_ZERO, MOMENT_SAMPLES, SAMPLE_RATE_HZ, FrontEnd

FLOW_SCALE = 32  # steps of a byte of flow, 5 pixels; so that fast motion is about 1


def log_spectrogram(waveforms: torch.Tensor, front_end: FrontEnd) -> torch.Tensor:
    """(B, 48000) float32 in [-1, 1] -> (B, 1, rows, columns) float32, standardised.

    Columns are centred on hops: the second is extended at both ends by its mirror image, so that 1 s at a
    hop of 5 ms gives the paper's 200 columns (unpadded: 199). Rows are the magnitudes of the Fourier bins, or
    the root of the energy in each mel band; then the natural logarithm.
    """
    if waveforms.ndim != 2 or waveforms.shape[1] != MOMENT_SAMPLES:
        raise ValueError(f"expected (B, {MOMENT_SAMPLES}) waveforms, got {tuple(waveforms.shape)}")
    with torch.autocast(waveforms.device.type, enabled=False):  # the same numbers in training and in use
        power = stft_power(waveforms, front_end)
        if front_end.num_bands:
            bands = torch.from_numpy(mel_filterbank(front_end)).to(waveforms.device)
            power = torch.matmul(bands, power)
        log_magnitude = torch.log(power.sqrt() + front_end.log_floor)
    return ((log_magnitude - front_end.log_mean) / front_end.log_std).unsqueeze(1)


def stft_power(waveforms: torch.Tensor, front_end: FrontEnd) -> torch.Tensor:
    """(B, 48000) float32 -> (B, bins, columns) float32: |STFT|^2 under a periodic Hann window."""
    margin = (front_end.n_fft - front_end.hop) // 2
    padded = torch.nn.functional.pad(waveforms.unsqueeze(1), (margin, margin), mode="reflect").squeeze(1)
    window = torch.hann_window(front_end.window, device=waveforms.device)
    spectrum = torch.stft(
        padded,
        front_end.n_fft,
        hop_length=front_end.hop,
        win_length=front_end.window,
        window=window,
        center=False,
        return_complex=True,
    )
    columns = spectrum[..., : front_end.num_columns]
    return columns.real.square() + columns.imag.square()  # a root for each bin would take four times as long


@functools.lru_cache(maxsize=8)
def mel_filterbank(front_end: FrontEnd) -> np.ndarray:
    """(bands, bins) float32 triangles, evenly spaced in mel = 2595 log10(1 + f / 700) from 0 to 24 kHz.

    Each triangle is at least one bin wide to both sides, so that no band is empty, and sums to one.
    """
    nyquist_hz = SAMPLE_RATE_HZ / 2
    mel_top = 2595 * np.log10(1 + nyquist_hz / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, mel_top, front_end.num_bands + 2) / 2595) - 1)
    bins_hz = np.linspace(0, nyquist_hz, front_end.num_bins)
    centre_hz = edges_hz[1:-1, None]
    below_hz = np.maximum(centre_hz - edges_hz[:-2, None], bins_hz[1])
    above_hz = np.maximum(edges_hz[2:, None] - centre_hz, bins_hz[1])
    rising = 1 - (centre_hz - bins_hz) / below_hz
    falling = 1 - (bins_hz - centre_hz) / above_hz
    triangles = np.maximum(np.minimum(rising, falling), 0)
    return np.asarray(triangles / triangles.sum(axis=1, keepdims=True), np.float32)


def image_tensor(images: torch.Tensor, front_end: FrontEnd) -> torch.Tensor:
    """Bytes, channels last, to float32, standardised, channels first in shape and last in memory.

    (B, side, side, 3) uint8 -> (B, 3, side, side); with several frames (B, T, side, side, 3) uint8 ->
    (B, 3, T, side, side); with flow (B, side, side, 3 + 2 (T - 1)) uint8, the middle frame and then x and y of each
    flow in order, as `flow.tvl1_flow` gives them -> the same number of channels.
    """
    channels, *rest = front_end.image_shape
    if tuple(images.shape[1:]) != (*rest, channels):
        wanted = ", ".join(map(str, (*rest, channels)))
        raise ValueError(f"expected (B, {wanted}) frames, got {tuple(images.shape)}")
    numbers = images.movedim(-1, 1).float()
    standard = (numbers[:, :3] / 255 - _of_channels(front_end.pixel_mean, numbers)) / _of_channels(
        front_end.pixel_std, numbers
    )
    if not front_end.flow:
        return standard
    return channels_last(torch.cat([standard, (numbers[:, 3:] - FLOW_ZERO) / FLOW_SCALE], dim=1))


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers in the order of memory that convolutions are fastest in, over pictures or over time too."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return tensor.contiguous(memory_format=formats.get(tensor.ndim, torch.contiguous_format))


def _of_channels(value: float | tuple[float, float, float], like: torch.Tensor) -> torch.Tensor | float:
    """One number for all channels, or a tensor that gives each of the three its own."""
    if isinstance(value, tuple):
        return torch.tensor(value, device=like.device).reshape(3, *[1] * (like.ndim - 2))
    return value
