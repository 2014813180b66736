"""What can be set about a detector of boxes; light, because every bundle that is opened imports it."""

from pydantic import Field

from medanomaly.core.models import ModelParams
from medanomaly.imaging.networks.box_detector.params import BoxDetectorParams
from medanomaly.training.params import TrainingParams


class BoxModelParams(ModelParams):
    """A detector of boxes, its training, and how many false boxes are asked for.

    Attributes:
        network: the centre-point network, and how boxes are read from its answers.
        training: how it is trained.
        one_label: every box is called a lesion; else boxes keep their labels, and each label needs boxes enough.
        false_boxes_per_image: on normal images; the threshold holds this rate.
    """

    network: BoxDetectorParams = BoxDetectorParams()
    training: TrainingParams = TrainingParams(patience=0)
    one_label: bool = True
    false_boxes_per_image: float = Field(0.2, gt=0)
