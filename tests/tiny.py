"""A tiny encoder and small clips, for tests that need a library but no training."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch

from avsearch import features
from avsearch.flow import flow_images
from avsearch.front_end import FrontEnd
from avsearch.models.ave import AVENet
from avsearch.models.header import WeightsHeader
from avsearch.models.networks import build_network, save_network
from avsearch.models.vgg16 import VGG16
from avsearch.moments import Modality
from tests.media.clips import ffmpeg

FRONT_END = FrontEnd(image_side=48, short_side=56, window=960, hop=960, n_fft=1024, num_bands=48)


def tiny_weights(path, seed=0, architecture="ave"):
    """Random weights whose vectors spread over the sphere, so that no two different moments look alike."""
    torch.manual_seed(seed)
    network = AVENet((8, 8, 16, 32))
    rng = np.random.default_rng(seed)
    frames = torch.from_numpy(patchwork(32, rng, width=48, height=48))
    tones = torch.sin(torch.linspace(0, 1, 48_000) * torch.linspace(500, 60_000, 32)[:, None]) * 0.5
    images, sounds = features.image_tensor(frames, FRONT_END), features.log_spectrogram(tones, FRONT_END)
    with torch.no_grad():
        for _ in range(40):  # batch norms learn what is usual
            network(images, sounds)
        network.eval()
        network.vision_head[2].bias -= network.vision_head(network.vision(images).amax((2, 3))).mean(0)
        network.audio_head[2].bias -= network.audio_head(network.audio(sounds).amax((2, 3))).mean(0)
    header = WeightsHeader(
        architecture=architecture,
        widths=(8, 8, 16, 32),
        size="small",
        dim=128,
        modalities=tuple(Modality),
        num_frames=1,
        front_end=FRONT_END,
        recipe={"name": "random"},
    )
    save_network(path, network, header)
    return path


def moving_weights(path, seed=0, *, num_frames=5, flow=False):
    """Random weights of a network that sees several frames around a moment, or their flow."""
    front_end = replace(FRONT_END, num_frames=num_frames, flow=flow)
    header = WeightsHeader(
        architecture="ave-of" if flow else "ave-mf",
        widths=(8, 8, 16, 32),
        size="small",
        dim=128,
        modalities=tuple(Modality),
        num_frames=num_frames,
        front_end=front_end,
        recipe={"name": "random"},
    )
    torch.manual_seed(seed)
    network = build_network(header)
    rng = np.random.default_rng(seed)
    bursts = patchwork(8 * num_frames, rng, width=48, height=48).reshape(8, num_frames, 48, 48, 3)
    seen = torch.from_numpy(flow_images(bursts) if flow else bursts)
    tones = torch.sin(torch.linspace(0, 1, 48_000) * torch.linspace(500, 60_000, 8)[:, None]) * 0.5
    images, sounds = features.image_tensor(seen, front_end), features.log_spectrogram(tones, front_end)
    with torch.no_grad():
        for _ in range(40):  # batch norms learn what is usual
            network(images, sounds)
    network.eval().start(images, sounds)
    save_network(path, network, header)
    return path


def picture_weights(path, seed=0):
    """Random weights of a narrow VGG16, which hears nothing."""
    torch.manual_seed(seed)
    network = VGG16((4, 4, 8, 8, 16), 32).eval()
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, torch.nn.Conv2d | torch.nn.Linear):
                part.weight *= 2.5  # so that pictures are not lost among the biases
        images = torch.from_numpy(patchwork(32, np.random.default_rng(seed), width=48, height=48))
        hidden = network.classifier[:4]
        maps = network.avgpool(network.features(features.image_tensor(images, FRONT_END))).flatten(1)
        network.classifier[3].bias -= hidden(maps).mean(0)
    header = WeightsHeader(
        architecture="vgg16",
        widths=(4, 4, 8, 8, 16),
        size="paper",
        dim=32,
        modalities=(Modality.IMAGE,),
        num_frames=1,
        front_end=FRONT_END,
        recipe={"name": "vgg16"},
    )
    save_network(path, network, header)
    return path


def make_film(path, *, seed=0, seconds=3, rate="25"):
    """A film whose pictures and sounds change all the time; each seed gives another."""
    count = round(seconds * float(Fraction(rate)))
    frames = patchwork(count, np.random.default_rng(seed), width=96, height=72)
    picture = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x72", "-r", rate, "-i", "pipe:0"]
    sound = f"aevalsrc=0.4*sin(2*PI*t*({200 + 97 * seed}+{150 + 31 * seed}*floor(t))):s=48000"
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-t", seconds]
    ffmpeg(*picture, "-f", "lavfi", "-i", sound, *codec, path, stdin=frames.tobytes())
    return path


def patchwork(count, rng, *, width, height):
    """(count, height, width, 3) uint8: each frame is made of 4 x 3 patches of random colours."""
    patches = rng.integers(0, 256, (count, 3, 4, 3), dtype=np.uint8)
    return patches.repeat(height // 3, axis=1).repeat(width // 4, axis=2)
