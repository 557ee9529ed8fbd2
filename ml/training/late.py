"""Fine-tuning of the late stages over stored maps: what frozen stages say of a view is computed once and used again.

Early stages hold colours, edges and textures that ImageNet has taught well; they stay as they are, which is a third of
the cost of a full pass forward and, with a handful of stored views of each photo, almost nothing of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ml.training.train import Photos, TrainConfig, Trainer


class LateTrainer(Trainer):
    """A run whose first ``freeze`` stages only ever see ``views`` random views of each photo, taken in turn.

    Raises ValueError without frozen stages, and with a teacher (it needs the pixels).
    """

    def __init__(
        self, config: TrainConfig, classes: list[str], train: Photos, val: Photos, extra: Photos | None = None
    ):
        if not config.freeze or config.distill or config.imitate:
            raise ValueError("Stored views need frozen stages (freeze) and no teacher (distill, imitate).")
        super().__init__(config, classes, train, val, extra)
        self.folder = Path()
        self.stored: dict[int, Tensor] = {}

    def fit(self, run: Path, *, resume: bool = False) -> Path:
        """As `Trainer.fit`; the views lie beside the checkpoints."""
        self.folder = run
        return super().fit(run, resume=resume)

    def _load(self, batch: np.ndarray, rng: np.random.Generator, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if not self.folder.name:
            return super()._load(batch, rng, generator)  # before `fit`: pixels, for the statistics of norms
        return self._view(self.epoch % self.config.views)[batch].float(), torch.from_numpy(self.train.labels[batch])

    def _forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        maps = images.contiguous(memory_format=torch.channels_last)
        for stage in self.net.blocks[self.config.freeze :]:
            maps = stage(maps)
        maps = self.net.bn2(self.net.conv_head(maps))
        return self.net.forward_head(maps), [maps]

    def _view(self, number: int) -> Tensor:
        """Maps of view ``number`` of every training photo, float16 [N, C, h, w]."""
        if number not in self.stored:
            file = self.folder / f"view-{number}.pt"
            if not file.is_file():
                torch.save(self._compute_view(number), file)
            self.stored[number] = torch.load(file, weights_only=True)
        return self.stored[number]

    @torch.no_grad()
    def _compute_view(self, number: int) -> Tensor:
        rng = np.random.default_rng([self.config.seed, 1_000_000 + number])
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        batches = np.array_split(np.arange(len(self.train)), max(1, len(self.train) // self.config.batch))
        loaded = (super(LateTrainer, self)._load(batch, rng, generator)[0] for batch in batches)
        return torch.cat([self._early(images).half() for images in loaded])

    def _early(self, images: Tensor) -> Tensor:
        maps = self.net.bn1(self.net.conv_stem(self._normalise(images)))
        for stage in self.net.blocks[: self.config.freeze]:
            maps = stage(maps)
        return maps
