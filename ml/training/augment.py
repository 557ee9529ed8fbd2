"""Augmentation on batches of tensors. What differs between sources (size, JPEG, colour cast) is made random here."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Quantisation table of the JPEG standard (ITU-T T.81, Annex K.1), for luminance.
JPEG_TABLE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)


def random_crop(photo: np.ndarray, size: int, rng: np.random.Generator, *, scale=(0.35, 1.0)) -> Tensor:
    """Random resized crop (aspect 3/4 to 4/3) of uint8 [h, w, 3] as float [3, size, size] in 0..1."""
    height, width = photo.shape[:2]
    area = height * width * rng.uniform(*scale)
    aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    h = min(height, max(8, round(math.sqrt(area / aspect))))
    w = min(width, max(8, round(math.sqrt(area * aspect))))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    return resize(photo[top : top + h, left : left + w], size, size)


def center_view(photo: np.ndarray, size: int, *, crop: str = "center") -> Tensor:
    """The view that is evaluated: short side to ``size`` and centre crop, or everything squashed to a square."""
    if crop == "center":
        side = min(photo.shape[:2])
        top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
        photo = photo[top : top + side, left : left + side]
    return resize(photo, size, size)


def resize(photo: np.ndarray, height: int, width: int) -> Tensor:
    """uint8 [h, w, 3] to float [3, height, width] in 0..1, antialiased."""
    tensor = torch.from_numpy(np.ascontiguousarray(photo)).permute(2, 0, 1)[None].float().div_(255)
    return F.interpolate(tensor, (height, width), mode="bilinear", antialias=True, align_corners=False)[0]


def augment_batch(images: Tensor, generator: torch.Generator) -> Tensor:
    """All augmentations on [N, 3, S, S] in 0..1; deterministic given the generator."""
    images = _turn(images, generator)
    images = _lose_resolution(images, generator)
    images = _colour(images, generator)
    return _compress(images, generator)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 1, 1, 1, generator=generator) * (high - low) + low


def _turn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Any rotation by 90 degrees plus up to 20, and mirroring: skin has no up."""
    count = len(images)
    quarter = torch.randint(0, 4, (count,), generator=generator) * (math.pi / 2)
    angle = quarter + _uniform(count, -0.35, 0.35, generator).flatten()
    mirror = torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(count)
    theta = torch.stack([mirror * cos, -sin, zero, mirror * sin, cos, zero], 1).view(count, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _lose_resolution(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each quarter of the batch is shrunk to a random size and enlarged again; one quarter stays sharp."""
    size = images.shape[-1]
    chunks = list(images.chunk(4))
    for index in range(1, len(chunks)):
        small = round(size * float(torch.empty(1).uniform_(0.35, 1.0, generator=generator)))
        shrunk = F.interpolate(chunks[index], small, mode="bilinear", antialias=True)
        chunks[index] = F.interpolate(shrunk, size, mode="bilinear", align_corners=False)
    return torch.cat(chunks)


def _colour(images: Tensor, generator: torch.Generator) -> Tensor:
    """Gray-world correction of random strength, then gains, gamma, contrast and saturation (all random per photo)."""
    count = len(images)
    means = images.mean((2, 3), keepdim=True).clamp_min(0.02)
    gray = means.mean(1, keepdim=True)
    images = images * (gray / means) ** (_uniform(count, -0.3, 0.8, generator))
    gains = 1 + 0.12 * (torch.rand(count, 3, 1, 1, generator=generator) * 2 - 1)
    images = (images * gains * _uniform(count, 0.7, 1.3, generator)).clamp(1e-4, 1)
    images = images ** torch.exp(_uniform(count, -0.3, 0.3, generator))
    center = images.mean((1, 2, 3), keepdim=True)
    images = center + (images - center) * _uniform(count, 0.7, 1.3, generator)
    luma = images.mean(1, keepdim=True)
    return (luma + (images - luma) * _uniform(count, 0.6, 1.4, generator)).clamp(0, 1)


def _compress(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blockwise cosine transform rounded as JPEG of quality 25 to 95 does (every channel with the luminance table)."""
    size = images.shape[-1]
    blocks = size // 8
    quality = _uniform(len(images), 25, 95, generator)
    scale = torch.where(quality < 50, 50 / quality, 2 - quality / 50)
    table = (JPEG_TABLE.repeat(blocks, blocks) * scale / 255).clamp_min(1 / 255)
    dct = torch.block_diag(*[_dct_matrix()] * blocks)
    spectrum = dct @ images[:, :, : blocks * 8, : blocks * 8] @ dct.T
    restored = dct.T @ ((spectrum / table).round_() * table) @ dct
    return F.pad(restored, [0, size - blocks * 8] * 2, mode="replicate").clamp_(0, 1)


def _dct_matrix() -> Tensor:
    k = torch.arange(8)[:, None]
    matrix = torch.cos(math.pi * (2 * torch.arange(8)[None] + 1) * k / 16) * math.sqrt(2 / 8)
    matrix[0] /= math.sqrt(2)
    return matrix
