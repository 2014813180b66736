"""The two losses of the Reversed Autoencoder, written from the equations of the papers.

Soft-introspective VAE: Daniel & Tamar (2021), eqs. 2-4. Reversed embedding loss: Bercea et al. (2023), section 2. Squared
errors are summed over pixels, and all terms are scaled by 1 / pixels, so weights mean the same at any size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from medanomaly.imaging.networks.reversed_autoencoder.network import ReversedAutoencoder, sample
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams


@dataclass(frozen=True)
class LossTerms:
    """The loss of one half and its terms; only ``total`` has a gradient."""

    total: Tensor
    reconstruction: Tensor
    divergence: Tensor
    embedding: Tensor | None = None


def kl_from_normal(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of N(mu, exp(log_variance)) from N(0, 1), summed over the latent vector: (n,)."""
    return -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).sum(dim=1)


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Summed over pixels: (n,)."""
    return (x - y).square().flatten(1).sum(dim=1)


def embedding_loss(of_image: list[Tensor], of_reconstruction: list[Tensor]) -> Tensor:
    """Half the mean squared difference, plus one minus the cosine, summed over resolutions."""
    total = of_image[0].new_zeros(())
    for a, b in zip(of_image, of_reconstruction, strict=True):
        cosine = functional.cosine_similarity(a.flatten(1), b.flatten(1), dim=1, eps=1e-6)
        total = total + 0.5 * functional.mse_loss(a, b) + (1 - cosine).mean()
    return total


def vae_loss(
    network: ReversedAutoencoder,
    x: Tensor,
    params: ReversedAutoencoderParams,
    generator: torch.Generator,
    share: float,
) -> LossTerms:
    """Loss of a plain VAE (Kingma & Welling 2014), which both halves minimise together during the warm-up.

    ``share`` of the weight of the divergence counts; it rises from 0 to 1. With full weight from the start, the code is
    lost before the decoder can read it (Bowman et al. 2016).
    """
    scale = 1.0 / x[0].numel()
    mu, log_variance, _ = network.encoder(x)
    error = squared_error(x, network.decoder(sample(mu, log_variance, generator)))
    divergence = kl_from_normal(mu, log_variance)
    total = scale * (params.beta_reconstruction * error + share * params.beta_kl * divergence).mean()
    return LossTerms(total, error.mean().detach() * scale, divergence.mean().detach())


def encoder_loss(
    network: ReversedAutoencoder, x: Tensor, params: ReversedAutoencoderParams, generator: torch.Generator
) -> LossTerms:
    """Loss of the encoder: a good code for ``x``, a bad code for all images that the decoder makes.

    Reconstructions and samples are constants here. The exponents are negative or 0, so exponentials stay in (0, 1] and
    cannot overflow.
    """
    scale = 1.0 / x[0].numel()
    beta_negative = x[0].numel() / 4 if params.beta_negative is None else params.beta_negative
    mu, log_variance, embeddings = network.encoder(x)
    reconstruction = network.decoder(sample(mu, log_variance, generator))
    error = squared_error(x, reconstruction)
    divergence = kl_from_normal(mu, log_variance)
    prior = torch.randn(mu.shape, generator=generator, device=x.device, dtype=mu.dtype)
    fake = network.decoder(prior).detach()

    negative = x.new_zeros(())
    embedding = x.new_zeros(())
    for made in (reconstruction.detach(), fake):
        made_mu, made_log_variance, made_embeddings = network.encoder(made)
        again = network.decoder(sample(made_mu, made_log_variance, generator))
        cost = params.beta_reconstruction * squared_error(made, again)
        cost = cost + beta_negative * kl_from_normal(made_mu, made_log_variance)
        negative = negative + torch.exp(-params.sharpness * scale * cost).mean()
        if made is not fake:
            embedding = embedding_loss(embeddings, made_embeddings)
    total = (
        scale * (params.beta_reconstruction * error + params.beta_kl * divergence).mean()
        + 0.5 / params.sharpness * negative
        + params.embedding_weight * embedding
    )
    return LossTerms(total, error.mean().detach() * scale, divergence.mean().detach(), embedding.detach())


def decoder_loss(
    network: ReversedAutoencoder, x: Tensor, params: ReversedAutoencoderParams, generator: torch.Generator
) -> LossTerms:
    """Loss of the decoder: good reconstructions, and all images that it makes must look real to the encoder.

    The code of ``x`` is a constant. The weights of the encoder do not change, but the gradient of the divergence passes
    through them back to the decoder.
    """
    scale = 1.0 / x[0].numel()
    with torch.no_grad():
        mu, log_variance, _ = network.encoder(x)
        z = sample(mu, log_variance, generator)
        prior = torch.randn(mu.shape, generator=generator, device=x.device, dtype=mu.dtype)
    reconstruction, fake = network.decoder(z), network.decoder(prior)
    error = squared_error(x, reconstruction)
    divergence = x.new_zeros(len(x))
    again_error = x.new_zeros(len(x))
    for made in (reconstruction, fake):
        made_mu, made_log_variance, _ = network.encoder(made)
        divergence = divergence + kl_from_normal(made_mu, made_log_variance)
        again = network.decoder(sample(made_mu, made_log_variance, generator).detach())
        again_error = again_error + squared_error(made.detach(), again)
    total = scale * (
        params.beta_reconstruction * error
        + 0.5 * params.beta_kl * divergence
        + params.gamma * 0.5 * params.beta_reconstruction * again_error
    )
    return LossTerms(total.mean(), error.mean().detach() * scale, divergence.mean().detach())
