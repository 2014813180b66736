"""The hospital visits of the synthetic patients: number, times, types, acute illness."""

from types import SimpleNamespace

import numpy as np

MAX_VISITS = 6
VISIT_TYPES = ("outpatient", "day case", "inpatient", "emergency")

# median length of stay in hours and spread of its logarithm, by visit type
_STAY_MEDIAN = np.array([1.2, 7.0, 72.0, 9.0])
_STAY_SIGMA = np.array([0.45, 0.25, 0.75, 0.7])
_DAY = 1440  # minutes

VISIT_NORMALS = ("infection", "dehydration", "wait", "stay", "gap", "arrival", "delay")
VISIT_UNIFORMS = ("attends", "acute", "infected", "visit_type", "minute", "booking_minute", "missed")


def episodes(v: dict[str, np.ndarray], patient: SimpleNamespace) -> SimpleNamespace:
    """Type and acute illness of each visit.

    Args:
        v: random numbers of each visit, (n, MAX_VISITS) each.
        patient: latent state of each patient, (n, 1) each.

    Returns:
        (n, MAX_VISITS) arrays: ``here`` (the visit takes place), ``acute``, ``infection`` (0 where there is
        none), ``dehydration`` (>= 0), ``visit_type`` (index into :data:`VISIT_TYPES`), ``stay`` (minutes).
    """
    # at least one visit, and up to five more, which are more likely in severe illness
    visits = 1 + (v["attends"][:, 1:] < 0.2 + 0.6 * patient.severity).sum(axis=1, keepdims=True)
    acute = v["acute"] < 0.1 + 0.35 * patient.severity
    infected = acute & (v["infected"] < 0.45 + 0.15 * patient.copd)
    infection = np.where(infected, 0.8 * np.exp(0.5 * v["infection"]), 0.0)
    dehydration = np.abs(v["dehydration"]) * np.where(acute, 1.0, 0.15)
    planned_type = np.searchsorted([0.72, 0.87], v["visit_type"], side="right")
    visit_type = np.where(acute, np.where(v["visit_type"] < 0.4, 2, 3), planned_type)
    overnight = visit_type >= 2
    hours = _STAY_MEDIAN[visit_type] * np.exp(_STAY_SIGMA[visit_type] * v["stay"])
    hours = hours * (1 + overnight * (0.6 * patient.severity + 0.3 * infection))
    return SimpleNamespace(
        here=np.arange(MAX_VISITS)[None, :] < visits,
        acute=acute,
        infection=infection,
        dehydration=dehydration,
        visit_type=visit_type,
        stay=np.round(np.clip(hours, 0.25, 60 * 24) * 60),
    )


def visit_times(
    v: dict[str, np.ndarray], patient: SimpleNamespace, episode: SimpleNamespace
) -> dict[str, np.ndarray]:
    """Times at which each visit was booked, scheduled, started, ended and recorded.

    Returns:
        name -> (n, MAX_VISITS) minutes since the start of the cohort; NaN bookings for unplanned visits. Always
        booked < scheduled and admitted < discharged < recorded; visits of a patient never overlap.
    """
    days = 10 + np.minimum((95 - 50 * patient.severity) * np.exp(0.8 * v["gap"]), 365)
    days[:, 0] = np.floor(365 * patient.first_day[:, 0])
    earlier_stays = np.cumsum(episode.stay, axis=1) - episode.stay
    midnight = np.floor((np.cumsum(days, axis=1) * _DAY + earlier_stays) / _DAY) * _DAY
    # appointments are from 8 to 17 o'clock in five-minute slots, emergencies at any time
    scheduled = midnight + 8 * 60 + np.floor(v["minute"] * 108) * 5
    arrival = np.clip(np.round(-6 + 9 * v["arrival"]), -45, 45)
    admitted = np.where(episode.acute, midnight + np.floor(v["minute"] * _DAY), scheduled + arrival)
    wait = np.clip(13.0 * np.exp(1.1 * v["wait"]), 0.02, 300) * _DAY
    # booked in office hours, and before the appointment if it was on the same day
    office = np.floor((scheduled - wait) / _DAY) * _DAY + 8 * 60 + np.floor(v["booking_minute"] * 540)
    booked = np.minimum(office, scheduled - 20)
    discharged = admitted + episode.stay
    return {
        "booked_at": np.where(episode.acute, np.nan, booked),
        "scheduled_for": np.where(episode.acute, np.nan, scheduled),
        "admitted_at": admitted,
        "discharged_at": discharged,
        "recorded_at": discharged + np.round(600.0 * np.exp(1.1 * v["delay"])) + 1,
    }


def appointment_history(
    v: dict[str, np.ndarray], patient: SimpleNamespace, episode: SimpleNamespace
) -> dict[str, np.ndarray]:
    """Appointments and no-shows of the patient at this hospital before each visit: (n, MAX_VISITS) counts."""
    propensity = 0.05 + 0.07 * patient.current_smoker + 0.08 * (patient.age < 40)
    before = np.floor((3 + 9 * patient.severity) * np.exp(0.8 * patient.past_appointments))
    missed_before = np.floor(before * np.clip(propensity * np.exp(0.6 * patient.past_no_shows), 0, 0.9))
    missed_since = np.cumsum(v["missed"] < propensity, axis=1)
    kept_since = np.cumsum(~episode.acute, axis=1) - ~episode.acute
    return {
        "previous_appointments": (before + missed_since + kept_since).astype(int),
        "previous_no_shows": (missed_before + missed_since).astype(int),
    }
