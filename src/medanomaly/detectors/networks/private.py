"""Training of a reconstructing network with differential privacy: gradients are clipped row by row, and noise is added.

DP-SGD (Abadi et al. 2016, "Deep learning with differential privacy") by opacus. The guarantee is that of a row: with another
value of one row, or without it, the weights would hardly be less likely. A patient of n rows has n times the epsilon.
"""

import secrets
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from medanomaly.core.errors import ConfigurationError
from medanomaly.training.seeding import seeded

ACCOUNTANT = "rdp"
# Rényi accountant of opacus (Mironov 2017): never below the true epsilon
ACCOUNTANT_NAME = "Rényi differential privacy (opacus)"
LARGEST_GRADIENT = 1.0


def private_weights(
    build: Callable[[], nn.Module],
    loss: Callable,
    rows: np.ndarray,
    *,
    epsilon: float,
    delta: float,
    learning_rate: float,
    max_epochs: int,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, float | str]]:
    """Weights by name, float64, of the last epoch, and what was promised.

    No epoch is chosen by held-out rows: that choice would cost privacy, which nobody counts. The noise and which rows make a
    batch come from the system's random numbers, never from the seed: who knows the noise can take it off again. So two
    trainings give two models. They are torch's random numbers, begun with 63 bits of the system, and not those of a cipher.

    Args:
        build: builds the network.
        loss: of :mod:`medanomaly.detectors.networks.losses`.
        rows: (n, d) standardised.
        epsilon: to be kept, above 0; smaller is more private.
        delta: chance that it is not kept, below 1/n.
        learning_rate: of Adam.
        max_epochs: passes over the rows.
        seed: of initial weights and damage.

    Raises:
        ConfigurationError: opacus is not installed; epsilon or delta are out of range.
    """
    if epsilon <= 0:
        raise ConfigurationError(f"epsilon is {epsilon}", remedy="Give a number above 0, such as 8.")
    if not 0 < delta < 1 / len(rows):
        raise ConfigurationError(
            f"delta is {delta} with {len(rows):,} rows",
            remedy=f"Give a number between 0 and {1 / len(rows):.2g}.",
        )
    try:
        from opacus import PrivacyEngine
    except ImportError as error:
        raise ConfigurationError(
            "differential privacy needs opacus, which is not installed",
            remedy="pip install 'medanomaly[dp]', or leave out epsilon.",
        ) from error
    secret = torch.Generator().manual_seed(secrets.randbits(63))
    data = TensorDataset(torch.from_numpy(rows.astype(np.float32)))
    batch_size = int(np.clip(len(rows) // 8, 32, 512))
    with seeded(seed), warnings.catch_warnings():
        # of the random numbers, see above; of orders that the accountant does not try; of hooks of opacus itself
        for said in ("Secure RNG turned off", "Optimal order is the", "Full backward hook is firing"):
            warnings.filterwarnings("ignore", message=said)
        network = build()
        engine = PrivacyEngine(accountant=ACCOUNTANT)
        private, optimizer, loader = engine.make_private_with_epsilon(
            module=network,
            optimizer=torch.optim.Adam(network.parameters(), lr=learning_rate),
            data_loader=DataLoader(data, batch_size=min(batch_size, len(rows)), generator=secret),
            target_epsilon=epsilon,
            target_delta=delta,
            epochs=max_epochs,
            max_grad_norm=LARGEST_GRADIENT,
            noise_generator=secret,
        )
        for _ in range(max_epochs):
            for (batch,) in loader:
                optimizer.zero_grad()
                loss(private, batch).backward()
                optimizer.step()
    promised = {
        "epsilon": float(engine.get_epsilon(delta)),
        "delta": float(delta),
        "accountant": ACCOUNTANT_NAME,
        "noise_multiplier": float(optimizer.noise_multiplier),
        "largest_gradient": LARGEST_GRADIENT,
    }
    return {name: value.double().numpy() for name, value in network.state_dict().items()}, promised
