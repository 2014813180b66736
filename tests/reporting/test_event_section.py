import pandas as pd

from medanomaly.reporting.tabular.events import events_section


def account(*rows):
    return pd.DataFrame(rows, columns=["source", "outcome", "reason", "code", "unit", "n"])


COUNTS = {
    "sources": {"measurement": {"read": 10, "used": 6, "not asked for": 1, "quarantined": 3}},
    "refused": {"no value of any feature is inside the window": 2},
    "n_cases": 1200,
}


def test_what_became_of_events_is_said_with_counts_that_add_up():
    lost = [
        ("measurement", "quarantined", "no unit", "LOINC/1", "", 2),
        ("measurement", "used", "", "LOINC/1", "g", 6),
        ("measurement", "quarantined", "no value", "LOINC/1", "g", 1),
    ]
    section = events_section(account(*lost), COUNTS)
    assert section.text == (
        "1,200 records were made of events. 2 cases or patients have no record: no value of any feature is inside the "
        "window. 3 events are in quarantine, each with one reason. event_account.csv says what became of every event, by "
        "code and unit."
    )
    read, quarantine = section.tables
    assert read.rows == [("measurement", 10, 6, 1, 3)]
    assert quarantine.title == "In quarantine"
    assert [row[1] for row in quarantine.rows] == ["no unit", "no value"]


def test_nothing_in_quarantine_is_said_too():
    counts = {"sources": {"measurement": {"read": 6, "used": 6, "not asked for": 0, "quarantined": 0}}}
    section = events_section(
        account(("measurement", "used", "", "LOINC/1", "g", 6)), counts | {"refused": {}, "n_cases": 3}
    )
    assert section.text == (
        "3 records were made of events. No event is in quarantine. event_account.csv says what became of every event, by "
        "code and unit."
    )
    assert len(section.tables) == 1


def test_a_long_list_is_cut_and_says_so():
    rows = [("measurement", "quarantined", f"reason {i}", "LOINC/1", "g", i + 1) for i in range(50)]
    table = events_section(account(*rows), COUNTS).tables[1]
    assert table.title == "In quarantine (the 40 most frequent of 50)"
    assert len(table.rows) == 40
    assert table.rows[0][-1] == 50
