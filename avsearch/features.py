"""Pure: frames and waveforms -> the tensors that a FrontEnd asks for."""

from __future__ import annotations

import functools

import numpy as np
import torch

from avsearch.front_end import MOMENT_SAMPLES, SAMPLE_RATE_HZ, FrontEnd


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


def image_tensor(frames: torch.Tensor, front_end: FrontEnd) -> torch.Tensor:
    """(B, side, side, 3) uint8 -> (B, 3, side, side) float32, standardised, channels last in memory."""
    side = front_end.image_side
    if frames.ndim != 4 or frames.shape[1:] != (side, side, 3):
        raise ValueError(f"expected (B, {side}, {side}, 3) frames, got {tuple(frames.shape)}")
    pixels = frames.permute(0, 3, 1, 2).float() / 255
    return (pixels - front_end.pixel_mean) / front_end.pixel_std
