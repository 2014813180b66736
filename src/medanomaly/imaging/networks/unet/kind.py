"""The record by which the networks find the U-Net."""

from medanomaly.imaging.networks.kinds import NetworkKind
from medanomaly.imaging.networks.unet.params import UNetParams

KIND = NetworkKind(
    label="U-Net",
    params=UNetParams,
    module="medanomaly.imaging.networks.unet.lightning:UNetModule",
    head="medanomaly.imaging.networks.unet.head:build_head",
)
