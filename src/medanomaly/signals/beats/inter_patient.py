"""The inter-patient protocol of de Chazal et al. 2004, on those records of MIT-BIH that are present."""

from collections.abc import Sequence

from medanomaly.signals.beats.aami import DS1, DS2, PACED, mitbih_patient

SPLIT_DS1, SPLIT_DS2 = "train", "test"


def inter_patient_protocol(
    records: Sequence[str], *, keep_shared_patient: bool = False
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Split and exclusions.

    Args:
        records: names of the records that are present.
        keep_shared_patient: True keeps 201 in training and 202 in test, as published tables do. Both are of one patient
            (Moody, Mark 2001), so the result is comparable with those tables, but leaks.

    Returns:
        ``(split, left_out, notes)``: record -> ``train`` (DS1) or ``test`` (DS2), empty where DS1 or DS2 is absent and
        a split by patient replaces it; record -> reason; notes for the report.
    """
    here = set(records)
    left_out = {r: "paced rhythm (AAMI EC57, de Chazal et al. 2004)" for r in PACED if r in here}
    left_out |= {r: "in neither DS1 nor DS2" for r in records if r not in {*DS1, *DS2, *PACED}}
    first, second = [r for r in DS1 if r in here], [r for r in DS2 if r in here]
    notes = [f"paced records {', '.join(PACED)} are left out"]
    for name, found, full in (("DS1", first, DS1), ("DS2", second, DS2)):
        if 0 < len(found) < len(full):
            notes.append(
                f"{len(found)} of the {len(full)} records of {name} are here; absent: "
                f"{', '.join(r for r in full if r not in here)}"
            )
    if not second or not first:
        present, absent = ("DS1", "DS2") if first else ("DS2", "DS1")
        notes.append(f"{absent} is absent: a split by patient inside {present} replaces the official one")
        return {}, left_out, tuple(notes)
    notes.append("split of de Chazal et al. 2004: DS1 for training and calibration, DS2 for the test")
    tested = {mitbih_patient(r) for r in second}
    shared = [r for r in first if mitbih_patient(r) in tested]
    if shared and keep_shared_patient:
        notes.append(
            f"record {', '.join(shared)} of DS1 and one of DS2 are of the same patient: both are kept as published"
        )
    elif shared:
        left_out |= dict.fromkeys(shared, "its patient is in DS2 (201 and 202 are of the same patient)")
        notes.append(f"record {', '.join(shared)} of DS1 is left out: its patient is in DS2")
    split = {r: SPLIT_DS1 for r in first if r not in left_out} | dict.fromkeys(second, SPLIT_DS2)
    return split, left_out, tuple(notes)
