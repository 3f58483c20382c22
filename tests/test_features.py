from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch import features
from avsearch.front_end import PAPER_FRONT_END, SMALL_FRONT_END, centre_square, padded_second

BOTH = pytest.mark.parametrize("front_end", [PAPER_FRONT_END, SMALL_FRONT_END], ids=["paper", "small"])


def noise(count=1, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (count, 48_000)).astype(np.float32)


def tone(hz, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(48_000) / 48_000)).astype(np.float32)


def scipy_magnitude(waveform, front_end):
    """SciPy's transform, told only where the columns lie: column k is centred at (k + 1/2) hops."""
    hop, n_fft = front_end.hop, front_end.n_fft
    margin = 3 * hop - hop // 2  # so that column 0 is SciPy's slice 3
    mirrored = np.pad(waveform.astype(np.float64), margin, mode="reflect")
    hann = scipy.signal.get_window("hann", front_end.window, fftbins=True)
    zeros = (n_fft - front_end.window) // 2
    transform = scipy.signal.ShortTimeFFT(np.pad(hann, zeros), hop, fs=48_000)
    return np.abs(transform.stft(mirrored, p0=3, p1=3 + 48_000 // hop))


def loop_filterbank(front_end):
    """The triangles by the definition, one number at a time."""

    def hz(mel):
        return 700 * (10 ** (mel / 2595) - 1)

    step_hz = 48_000 / front_end.n_fft
    step_mel = 2595 * np.log10(1 + 24_000 / 700) / (front_end.num_bands + 1)
    bank = np.zeros((front_end.num_bands, front_end.n_fft // 2 + 1))
    for band in range(front_end.num_bands):
        below, centre, above = (hz(step_mel * (band + edge)) for edge in range(3))
        rise, fall = max(centre - below, step_hz), max(above - centre, step_hz)
        for index in range(bank.shape[1]):
            away = index * step_hz - centre
            bank[band, index] = max(0.0, 1 - (away / fall if away > 0 else -away / rise))
    return bank / bank.sum(axis=1, keepdims=True)


@BOTH
def test_the_spectrogram_is_that_of_scipy(front_end):
    waveform = noise()
    ours = features.stft_power(torch.from_numpy(waveform), front_end)[0].sqrt().numpy()
    truth = scipy_magnitude(waveform[0], front_end)
    assert ours.shape == truth.shape == (front_end.n_fft // 2 + 1, 48_000 // front_end.hop)
    np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-5 * truth.max())


@BOTH
def test_the_tensor_is_the_standardised_logarithm_of_scipy_magnitudes_or_band_energies(front_end):
    front_end = replace(front_end, log_mean=-1.5, log_std=2.0)
    waveform = noise()
    truth = scipy_magnitude(waveform[0], front_end)
    if front_end.num_bands:
        truth = np.sqrt(loop_filterbank(front_end) @ truth**2)
    truth = (np.log(truth + 1e-3) + 1.5) / 2
    ours = features.log_spectrogram(torch.from_numpy(waveform), front_end)
    np.testing.assert_allclose(ours[0, 0].numpy(), truth, atol=1e-3)


def test_the_paper_tensor_is_257_by_200_and_the_small_one_128_by_100():
    waveforms = torch.from_numpy(noise(3))
    assert features.log_spectrogram(waveforms, PAPER_FRONT_END).shape == (3, 1, 257, 200)
    assert features.log_spectrogram(waveforms, SMALL_FRONT_END).shape == (3, 1, 128, 100)


def test_without_padding_there_would_be_199_columns():
    _, _, columns = scipy.signal.stft(noise()[0], nperseg=480, noverlap=240, nfft=512, boundary=None, padded=False)
    assert columns.shape == (257, 199)


@BOTH
@settings(max_examples=10, deadline=None)
@given(fraction=st.floats(0.02, 0.98))
def test_a_pure_tone_peaks_in_the_bin_of_its_frequency(front_end, fraction):
    index = round(fraction * (front_end.num_bins - 1))
    waveform = torch.from_numpy(tone(index * 48_000 / front_end.n_fft))[None]
    peaks = features.stft_power(waveform, front_end)[0, :, 2:-2].argmax(dim=0)
    assert set(peaks.tolist()) == {index}


def test_a_tone_peaks_in_the_mel_band_centred_nearest_to_it():
    mels = np.linspace(0, 2595 * np.log10(1 + 24_000 / 700), 130)[1:-1]
    for hz in (700.0, 2_000.0, 9_000.0):
        nearest = np.abs(mels - 2595 * np.log10(1 + hz / 700)).argmin()
        spectrogram = features.log_spectrogram(torch.from_numpy(tone(hz))[None], SMALL_FRONT_END)
        assert abs(int(spectrogram[0, 0, :, 50].argmax()) - nearest) <= 1


@pytest.mark.parametrize(("n_fft", "num_bands"), [(1024, 128), (512, 64), (512, 128), (2048, 40)])
def test_the_mel_filterbank_is_that_of_a_plain_loop(n_fft, num_bands):
    front_end = replace(SMALL_FRONT_END, window=480, n_fft=n_fft, num_bands=num_bands)
    np.testing.assert_allclose(features.mel_filterbank(front_end), loop_filterbank(front_end), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(n_fft=st.sampled_from([512, 1024, 2048]), num_bands=st.integers(1, 200))
def test_no_mel_band_is_empty_and_each_sums_to_one(n_fft, num_bands):
    front_end = replace(SMALL_FRONT_END, window=480, n_fft=n_fft, num_bands=num_bands)
    bank = features.mel_filterbank(front_end)
    assert bank.shape == (num_bands, n_fft // 2 + 1)
    assert (bank >= 0).all()
    np.testing.assert_allclose(bank.sum(axis=1), 1, rtol=1e-5)


def test_mel_triangles_peak_at_their_mel_spaced_centres():
    bank = features.mel_filterbank(SMALL_FRONT_END)
    mels = np.linspace(0, 2595 * np.log10(1 + 24_000 / 700), 130)[1:-1]
    centres_hz = 700 * (10 ** (mels / 2595) - 1)
    np.testing.assert_allclose(bank.argmax(axis=1) * 48_000 / 1024, centres_hz, atol=48_000 / 1024)


@BOTH
def test_silence_is_finite_and_lies_at_the_floor(front_end):
    spectrogram = features.log_spectrogram(torch.zeros(1, 48_000), front_end)
    np.testing.assert_allclose(spectrogram.numpy(), np.log(1e-3), rtol=1e-6)


@BOTH
@settings(max_examples=15, deadline=None)
@given(gain=st.floats(0.5, 4.0), seed=st.integers(0, 2**31))
def test_an_amplitude_shifts_the_logarithm_by_its_own_well_above_the_floor(front_end, gain, seed):
    waveform = torch.from_numpy(3 * noise(seed=seed))
    plain = features.log_spectrogram(waveform, front_end)
    louder = features.log_spectrogram(waveform * gain, front_end)
    well_above = (plain > 0) & (louder > 0)  # a thousand times the floor
    assert well_above.float().mean() > 0.3
    shift = (louder - plain)[well_above]
    np.testing.assert_allclose(shift.numpy(), np.log(gain), atol=2e-3)


@pytest.mark.parametrize("shape", [(48_000,), (1, 47_999), (2, 1, 48_000)])
def test_anything_but_whole_seconds_is_refused(shape):
    with pytest.raises(ValueError, match="48000"):
        features.log_spectrogram(torch.zeros(shape), PAPER_FRONT_END)


def test_the_small_spectrogram_is_the_same_inside_autocast_as_in_training():
    waveforms = torch.from_numpy(noise(2))
    plain = features.log_spectrogram(waveforms, SMALL_FRONT_END)
    with torch.autocast("cpu", torch.bfloat16):
        inside = features.log_spectrogram(waveforms, SMALL_FRONT_END)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, plain)


def test_pixels_are_standardised_as_by_hand():
    frames = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    tensor = features.image_tensor(torch.from_numpy(frames), SMALL_FRONT_END)
    truth = (frames.astype(np.float64).transpose(0, 3, 1, 2) / 255 - 0.45) / 0.25
    np.testing.assert_allclose(tensor.numpy(), truth, atol=1e-5)
    assert tensor.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(1, 112, 111, 3), (112, 112, 3), (1, 3, 112, 112)])
def test_frames_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match="112"):
        features.image_tensor(torch.zeros(shape, dtype=torch.uint8), SMALL_FRONT_END)


@pytest.mark.parametrize(("height", "width"), [(128, 228), (128, 128), (171, 128), (113, 112), (112, 112)])
def test_the_centre_square_leaves_equal_margins(height, width):
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    frame = np.stack([rows, columns, np.zeros_like(rows)], axis=2)
    square = centre_square(frame, SMALL_FRONT_END)
    assert square.shape == (112, 112, 3)
    for axis, length in enumerate((height, width)):
        first, last = int(square[0, 0, axis]), int(square[-1, -1, axis])
        assert 0 <= (length - 1 - last) - first <= 1  # an odd pixel is left over at the end


@given(size=st.integers(0, 48_000))
@settings(max_examples=20, deadline=None)
def test_what_is_missing_of_a_second_is_silence_at_its_end(size):
    second = padded_second(np.ones(size, np.float32))
    assert second.shape == (48_000,)
    assert second.dtype == np.float32
    assert second[:size].all()
    assert not second[size:].any()


def test_more_than_a_second_is_refused():
    with pytest.raises(ValueError, match="48001"):
        padded_second(np.zeros(48_001, np.float32))


def test_frames_around_a_moment_become_a_dimension_of_time():
    front_end = replace(SMALL_FRONT_END, num_frames=5)
    frames = np.random.default_rng(0).integers(0, 256, (2, 5, 112, 112, 3), dtype=np.uint8)
    tensor = features.image_tensor(torch.from_numpy(frames), front_end)
    assert (tuple(tensor.shape[1:]), tensor.dtype) == (front_end.image_shape, torch.float32)
    for batch, time, channel, row, column in [(0, 0, 0, 0, 0), (1, 4, 2, 111, 3), (0, 2, 1, 50, 60)]:
        expected = (frames[batch, time, row, column, channel] / 255 - 0.45) / 0.25
        assert float(tensor[batch, channel, time, row, column]) == pytest.approx(expected, abs=1e-5)
    assert tensor.is_contiguous(memory_format=torch.channels_last_3d)


def test_flow_stays_in_steps_around_128():
    front_end = replace(SMALL_FRONT_END, num_frames=3, flow=True)
    images = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 7), dtype=np.uint8)
    tensor = features.image_tensor(torch.from_numpy(images), front_end).numpy()
    assert (tensor.shape, tensor.dtype) == ((2, 7, 112, 112), np.float32)
    first_last = images.transpose(0, 3, 1, 2).astype(np.float64)
    np.testing.assert_allclose(tensor[:, :3], (first_last[:, :3] / 255 - 0.45) / 0.25, atol=1e-5)
    np.testing.assert_allclose(tensor[:, 3:], (first_last[:, 3:] - 128) / 32, atol=1e-6)


def test_each_colour_may_have_a_mean_and_a_deviation_of_its_own():
    means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    front_end = replace(SMALL_FRONT_END, pixel_mean=means, pixel_std=deviations)
    frames = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3), dtype=np.uint8)
    tensor = features.image_tensor(torch.from_numpy(frames), front_end).numpy()
    for channel in range(3):
        expected = (frames[0, ..., channel] / 255 - means[channel]) / deviations[channel]
        np.testing.assert_allclose(tensor[0, channel], expected, atol=1e-5)


@pytest.mark.parametrize("around", [{"num_frames": 5}, {"num_frames": 5, "flow": True}])
def test_bursts_of_another_length_are_refused(around):
    with pytest.raises(ValueError, match="112"):
        features.image_tensor(torch.zeros(1, 3, 112, 112, 3, dtype=torch.uint8), replace(SMALL_FRONT_END, **around))
