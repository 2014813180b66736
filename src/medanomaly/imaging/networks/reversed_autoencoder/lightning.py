"""Training of the Reversed Autoencoder: two losses and two optimisers, each with one step per batch."""

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.image_module import ImageModule
from medanomaly.imaging.networks.reversed_autoencoder.loss import decoder_loss, encoder_loss, vae_loss
from medanomaly.imaging.networks.reversed_autoencoder.network import ReversedAutoencoder
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams

LARGEST_GRADIENT = 1.0


class ReversedAutoencoderModule(ImageModule):
    """Encoder and decoder learn in turn; the best epoch reconstructs healthy validation images best."""

    def __init__(self, params: ReversedAutoencoderParams, image_size: int, **training):
        super().__init__(params, **training)
        self.automatic_optimization = False
        self.warm_up_epochs = params.warm_up_epochs
        self.network = ReversedAutoencoder(
            image_size, params.latent, params.widths, bounded=params.contrast == "none"
        )

    def on_train_epoch_start(self) -> None:
        """Set the learning rate of this epoch."""
        share = 1.0 if self.current_epoch < self.warm_up_epochs else self.params.introspective_rate
        for optimizer in self.optimizers():
            for group in optimizer.param_groups:
                group["lr"] = share * self.learning_rate
        self.log("learning_rate", share * self.learning_rate)

    def _warm_up(self, seen: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        share = self.current_epoch / self.warm_up_epochs
        terms = vae_loss(self.network, seen, self.params, generator, share)
        halves = self.network.encoder, self.network.decoder
        optimizers = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(terms.total)
        for optimizer, half in zip(optimizers, halves, strict=True):
            self._update(optimizer, half)
        return {"train_loss": terms.total.detach(), "encoder_divergence": terms.divergence}

    def _step(self, optimizer: torch.optim.Optimizer, half: torch.nn.Module, loss: Tensor) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        self._update(optimizer, half)

    @staticmethod
    def _update(optimizer: torch.optim.Optimizer, half: torch.nn.Module) -> None:
        norm = torch.nn.utils.clip_grad_norm_(half.parameters(), LARGEST_GRADIENT)
        # one bad batch must not write NaN into the weights; the training loop reports a loss that stays NaN
        if torch.isfinite(norm):
            optimizer.step()

    def training_step(self, batch: tuple[Tensor, ...], batch_index: int) -> None:
        """An encoder step, then a decoder step; each changes only its own half. During the warm-up, one step of a VAE."""
        generator = self.generator(batch_index, training=True)
        seen = self.contrast(self.augmented(batch, generator)[0])
        if self.current_epoch < self.warm_up_epochs:
            logged = self._warm_up(seen, generator)
            self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(seen), sync_dist=True)
            return
        network = self.network
        halves = (network.encoder, encoder_loss), (network.decoder, decoder_loss)
        logged = {}
        for optimizer, (half, half_loss) in zip(self.optimizers(), halves, strict=True):
            self.toggle_optimizer(optimizer)
            terms = half_loss(network, seen, self.params, generator)
            self._step(optimizer, half, terms.total)
            self.untoggle_optimizer(optimizer)
            name = "encoder" if half is network.encoder else "decoder"
            logged |= {f"{name}_loss": terms.total.detach(), f"{name}_divergence": terms.divergence}
            if terms.embedding is not None:
                logged["embedding_loss"] = terms.embedding
        logged["train_loss"] = logged["encoder_loss"] + logged["decoder_loss"]
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(seen), sync_dist=True)

    def loss(self, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Mean squared error of the reconstruction from the latent mean, for validation."""
        seen = self.contrast(batch[0])
        return functional.mse_loss(self.network(seen)[0], seen)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """One AdamW for each half."""
        return [self.adamw(half.parameters()) for half in (self.network.encoder, self.network.decoder)]
