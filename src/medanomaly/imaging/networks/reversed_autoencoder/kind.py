"""The record by which the networks find the Reversed Autoencoder."""

from medanomaly.imaging.networks.kinds import NetworkKind
from medanomaly.imaging.networks.reversed_autoencoder.params import ReversedAutoencoderParams

KIND = NetworkKind(
    label="Reversed Autoencoder",
    params=ReversedAutoencoderParams,
    module="medanomaly.imaging.networks.reversed_autoencoder.lightning:ReversedAutoencoderModule",
    head="medanomaly.imaging.networks.reversed_autoencoder.head:build_head",
)
