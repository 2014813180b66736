"""What can be set of the ranker."""

from pydantic import Field

from medanomaly.core.params import Params


class RankingParams(Params):
    """Constants of frequencies, likelihood ratios and their mixture.

    Attributes:
        databases: whose diseases are candidates.
        pseudo_patients: how many patients a frequency without counts is worth.
        unstated: frequency where an annotation states none.
        knowledge_patients: how many patients the annotations of a disease are worth beside its own cases.
        absent_share: share of the cases in which a symptom was not mentioned that count as patients without it.
        orphanet: smallest weight of a linked disease of Orphanet.
        orphanet_linked: how many linked diseases of Orphanet are used.
        relatives: weight of the mean profile of diseases of the same gene, and of the same series of names, for a disease
            without a profile of its own.
        floor: smallest likelihood ratio of an observed symptom, so that one symptom that does not belong cannot rule a
            disease out.
        detour: likelihood ratio of a symptom whose ancestor the disease has, as a share of the ancestor's.
        common: ancestors that a larger share of diseases has say nothing.
        excluded: weight of excluded symptoms.
    """

    databases: tuple[str, ...] = ("OMIM",)
    pseudo_patients: float = Field(default=4.0, gt=0)
    unstated: float = Field(default=0.6, gt=0, le=1)
    knowledge_patients: float = Field(default=2.0, gt=0)
    absent_share: float = Field(default=0.1, ge=0, le=1)
    orphanet: float = Field(default=0.1, ge=0, le=1)
    orphanet_linked: int = Field(default=3, ge=0)
    relatives: float = Field(default=0.5, ge=0, le=1)
    floor: float = Field(default=0.05, gt=0, lt=1)
    detour: float = Field(default=0.05, gt=0, le=1)
    common: float = Field(default=0.3, gt=0, le=1)
    excluded: float = Field(default=0.25, ge=0, le=1)
