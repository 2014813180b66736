"""The record by which the networks find the lesion segmenter."""

from medanomaly.imaging.networks.kinds import NetworkKind
from medanomaly.imaging.networks.lesion_segmenter.params import LesionSegmenterParams

KIND = NetworkKind(
    label="lesion segmenter",
    params=LesionSegmenterParams,
    module="medanomaly.imaging.networks.lesion_segmenter.lightning:LesionSegmenterModule",
    head="medanomaly.imaging.networks.lesion_segmenter.head:build_head",
    reconstructs=False,
)
