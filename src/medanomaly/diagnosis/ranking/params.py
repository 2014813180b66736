"""What can be set of the ranker."""

from pydantic import Field

from medanomaly.core.params import Params

# fitted by ``closer_look.fit_weights`` on two fifths of the publications of phenopacket-store 0.1.14 (folds 0 and 1 of
# ``evaluation.fold_of``) with the knowledge of 2024-04-24 and no cases mixed in
CLOSER_LOOK = {
    "ratio_per_root": 0.73,
    "ratio_per_symptom": -0.52,
    "known_of_many": 0.47,
    "worst_ratio": 0.26,
    "cosine": 6.25,
    "shared_information": -4.73,
    "disease_to_case": 0.96,
}


class RankingParams(Params):
    """Constants of frequencies, likelihood ratios and their mixture.

    Those of the mixture were chosen on folds 0 and 1 of the publications of phenopacket-store 0.1.24 with the knowledge of
    2025-01-16, and on folds 0 and 1 of 0.1.14; folds 2 to 4 were not looked at.

    Attributes:
        databases: whose diseases are candidates.
        pseudo_patients: how many patients a frequency without counts is worth.
        unstated: frequency where an annotation states none.
        knowledge_patients: how many patients the annotations of a disease are worth beside its own cases.
        absent_share: share of the cases in which a symptom was not mentioned that count as patients without it.
        orphanet_patients: how many patients a closely linked disease of Orphanet is worth.
        orphanet: smallest weight of a linked disease of Orphanet.
        orphanet_linked: how many linked diseases of Orphanet are used.
        relatives: weight of the mean profile of diseases of the same gene, and of the same series of names, for a disease
            without a profile of its own.
        named: frequency of a symptom that the name of such a disease says.
        floor: smallest likelihood ratio of an observed symptom, so that one symptom that does not belong cannot rule a
            disease out.
        detour: likelihood ratio of a symptom whose ancestor the disease has, as a share of the ancestor's.
        common: ancestors that a larger share of diseases has say nothing.
        excluded: weight of excluded symptoms.
        looked_at: how many of the best diseases are compared more closely; 0 for none.
        closer_look: weight of each of ``FEATURES`` in that comparison.
        prevalence_weight: weight of how common a disease is, as the natural logarithm of its prevalence over the median of
            those that are known; 0 uses none. Nothing is known of what it does to rankings: published cases are not drawn
            from a population, so they cannot judge it.
    """

    databases: tuple[str, ...] = ("OMIM",)
    pseudo_patients: float = Field(default=4.0, gt=0)
    unstated: float = Field(default=0.6, gt=0, le=1)
    knowledge_patients: float = Field(default=0.5, gt=0)
    absent_share: float = Field(default=0.7, ge=0, le=1)
    orphanet_patients: float = Field(default=0.3, gt=0)
    orphanet: float = Field(default=0.1, ge=0, le=1)
    orphanet_linked: int = Field(default=3, ge=0)
    relatives: float = Field(default=1.0, ge=0, le=1)
    named: float = Field(default=0.6, ge=0, le=1)
    floor: float = Field(default=0.05, gt=0, lt=1)
    detour: float = Field(default=0.05, gt=0, le=1)
    common: float = Field(default=0.3, gt=0, le=1)
    excluded: float = Field(default=0.1, ge=0, le=1)
    looked_at: int = Field(default=100, ge=0)
    closer_look: dict[str, float] = Field(default_factory=lambda: dict(CLOSER_LOOK))
    prevalence_weight: float = Field(default=0.0, ge=0)
