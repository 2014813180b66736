"""Notes without what identifies people: each kind of identifier goes, and what a reader needs stays."""

from itertools import pairwise

import pytest

from medanomaly.core.errors import InputError
from medanomaly.privacy import notes
from medanomaly.privacy.notes import clean_note, find_identifiers

GONE = [
    ("Seen by Dr. John A. Smith.", "Seen by Dr. [name]."),
    ("Mr. Van der Berg is well.", "Mr. [name] is well."),
    ("Patient: Erika Mustermann, born 2 March 1957.", "Patient: [name], born [date]."),
    (
        "Frau Dr. med. Anna Schmidt-Lang kam am 3.4. zur Kontrolle.",
        "Frau Dr. med. [name] kam am [date] zur Kontrolle.",
    ),
    ("Her husband Karl called (030) 123-4567.", "Her husband [name] called [phone]."),
    ("Tel.: 089/1234567, Fallnr. 20231234", "Tel.: [phone], Fallnr. [id]"),
    ("Lives at 12 Baker Street.", "Lives at [address]."),
    ("Wohnhaft Hauptstraße 12, 80331 München.", "Wohnhaft [address]."),
    ("MRN 4711-88, SSN 123-45-6789", "MRN [id], SSN [id]"),
    ("On 2021-05-06 10:30 and 03/04/2021 and May 6th, 2021", "On [date] and [date] and [date]"),
    ("a 93 year old man", "a [age] year old man"),
    ("94-jährige Patientin", "[age]-jährige Patientin"),
    ("Karl-Marx-Straße 12 a", "[address] a"),
    ("Call +4915123456789 or +44 2079 460000.", "Call [phone] or [phone]."),
    ("PLZ: 80331, Boston MA 02114, London SW1A 1AA", "PLZ: [address], Boston MA [address], London [address]"),
    ("Aged 91, known as Erika.", "Aged [age], known as [name]."),
    ("NAME: DOE", "NAME: [name]"),
    ("j.doe@example.org, https://example.org/x, 10.0.0.12", "[email], [url], [ip]"),
    ("Mustermann, Erika, *02.03.1957", "[name], *[date]"),
    ("Jane Doe is a 45 year old woman.", "[name] is a 45 year old woman."),
    ("Discussed with Peter Miller, MD.", "Discussed with [name], MD."),
]
KEPT = [
    "BP 140/90, HR 72, T 37.5, SpO2 98 %, pH 7.35-7.45.",
    "Metformin 500-1000 mg, aspirin 100 mg, 2.5 ml of 0.9 % saline.",
    "The patient was seen by Cardiology. No fever. Grade 2/6 murmur, 5/5 strength.",
    "A 45 year old woman with chest pain for 3 days.",
    "L4-L5 disc, MRI at 1.5 T, ICD I10.",
    "Creatinine 1.2 mg/dL, haemoglobin 13.5 g/dL, INR 2.0-3.0.",
    "Der Patient ist 67 Jahre alt. Keine Allergien.",
    "May need surgery. March fracture of the foot.",
]


@pytest.mark.parametrize(("note", "cleaned"), GONE)
def test_what_identifies_goes(note, cleaned):
    assert clean_note(note)[0] == cleaned


@pytest.mark.parametrize("note", KEPT)
def test_what_a_reader_needs_stays(note):
    assert clean_note(note) == (note, [])


@pytest.mark.parametrize("rule", notes._RULES, ids=lambda rule: rule.pattern.pattern[:40])
def test_a_rule_misses_nothing_where_it_does_not_look(rule):
    parts = [note for note, _ in GONE] + KEPT
    texts = parts + [glue.join(parts) for glue in (" ", "\n", "(", "_", "-", "/", ".", "+", "4", "İ")]
    texts += [text.upper() for text in texts] + [text.lower() for text in texts]
    spans = {}
    for text in texts:
        starts = dict(notes._beginnings(text, notes._lowered(text))).get(rule, [])
        spans[text] = [found.span() for found in notes._found(rule, text, starts)]
    assert spans == {text: [found.span() for found in rule.pattern.finditer(text)] for text in texts}
    assert any(spans.values())


def test_a_name_that_was_found_goes_wherever_it_stands():
    note = "Patient: Erika Mustermann. Mustermann slept well. Mustermann's wound is dry. Erika walks."
    assert clean_note(note)[0] == "Patient: [name]. [name] slept well. [name]'s wound is dry. [name] walks."


def test_a_given_name_goes_in_any_case_and_no_other_word_does():
    assert (
        clean_note("MUSTERMANN rose early; rose petals.", names=["Mustermann"])[0]
        == "[name] rose early; rose petals."
    )


def test_spans_are_those_of_the_note_in_order_without_overlap():
    note = "Dr. Smith, 2021-05-06, MRN 12345, Dr. Smith"
    spans = find_identifiers(note)
    assert [note[s.start : s.end] for s in spans] == ["Smith", "2021-05-06", "12345", "Smith"]
    assert [s.kind for s in spans] == ["name", "date", "id", "name"]
    assert all(a.end <= b.start for a, b in pairwise(spans))


def test_an_empty_note_is_empty_and_a_number_is_none():
    assert clean_note("") == ("", [])
    with pytest.raises(InputError, match="not text"):
        clean_note(12)
