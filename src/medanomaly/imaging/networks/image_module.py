"""What the Lightning modules of all image networks share: optimiser, augmentation, random numbers per step."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from medanomaly.imaging.networks.blocks import step_generator
from medanomaly.imaging.networks.contrast import ContrastLayer
from medanomaly.imaging.networks.params import AugmentationParams, NetworkParams


class ImageModule(pl.LightningModule, ABC):
    """Trains ``network`` on batches ``(images, ...)`` of (n, 1, H, W) images in [0, 1].

    A subclass builds ``network`` and implements :meth:`loss`.

    Args:
        params: of the network.
        learning_rate: of AdamW.
        weight_decay: of AdamW.
        seed: of augmentation and of all random numbers of a step.
    """

    # validation uses the same random numbers in every epoch, so that losses can be compared
    VALIDATION_EPOCH = 1_000_000

    def __init__(
        self,
        params: NetworkParams,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        seed: int = 0,
    ):
        super().__init__()
        self.save_hyperparameters(
            {
                "params": params.model_dump(mode="json"),
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "seed": seed,
            }
        )
        self.params = params
        self.learning_rate, self.weight_decay, self.seed = learning_rate, weight_decay, seed
        self.contrast = ContrastLayer(params.contrast)

    @abstractmethod
    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Loss of a batch; ``generator`` gives the random numbers."""

    def generator(self, batch_index: int, training: bool) -> torch.Generator:
        """Random numbers of this step in this process."""
        epoch = self.current_epoch if training else self.VALIDATION_EPOCH
        return step_generator(self.seed + 7919 * self.global_rank, epoch, batch_index, self.device)

    def augmented(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        """The batch with augmented images, and augmented masks if it has any."""
        augmentation: AugmentationParams | None = self.params.augmentation
        if augmentation is None:
            return batch
        from medanomaly.imaging.augmentation import augment

        images, *rest = batch
        if rest and rest[0].ndim == images.ndim:
            images, mask = augment(images, augmentation, generator, mask=rest[0])
            return images, mask
        return augment(images, augmentation, generator), *rest

    def training_step(self, batch: tuple[Tensor, ...], batch_index: int) -> Tensor:
        """One training step, called by Lightning."""
        generator = self.generator(batch_index, training=True)
        loss = self.loss(self.augmented(batch, generator), generator)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[0]), sync_dist=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], batch_index: int) -> None:
        """Loss on held-out images without augmentation, called by Lightning."""
        loss = self.loss(batch, self.generator(batch_index, training=False))
        self.log("validation_loss", loss, batch_size=len(batch[0]), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW over all parameters."""
        return self.adamw(self.parameters())

    def rise_and_fall(self, steps: int):
        """AdamW, whose learning rate rises and then falls (Smith & Topin 2019) if there are five known steps or more."""
        optimizer = self.adamw(self.parameters())
        # the schedule cannot rise within a single step
        if steps < 5:
            return optimizer
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, self.learning_rate, total_steps=steps + 1, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def adamw(self, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
        """AdamW with the rates of the module, as one kernel if the module is on a GPU."""
        return torch.optim.AdamW(
            parameters,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            fused=True if self.device.type == "cuda" else None,
        )
