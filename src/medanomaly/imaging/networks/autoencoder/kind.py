"""The record by which the networks find the autoencoder."""

from medanomaly.imaging.networks.autoencoder.params import AutoencoderParams
from medanomaly.imaging.networks.kinds import NetworkKind

KIND = NetworkKind(
    label="autoencoder",
    params=AutoencoderParams,
    module="medanomaly.imaging.networks.autoencoder.lightning:AutoencoderModule",
    head="medanomaly.imaging.networks.autoencoder.head:build_head",
)
