"""The tab of diseases in a real browser: findings by keyboard, a letter, a file, answers that rank again."""

import json
import shutil
import tempfile

import pytest

from medanomaly.scoring.models import open_models
from tests.diagnosis.test_any_form import PACKET
from tests.service import small_models
from tests.service.browser import CHROMIUM, browser, served
from tests.service.test_page import EVIL, done

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    models = tmp_path_factory.mktemp("ranker")
    small_models.diagnosis(models)
    folder = tempfile.mkdtemp(prefix="medanomaly-chromium-")
    with served(open_models(models)) as address, browser(folder, address) as tab:
        # the first kind of data that these models take
        tab.wait("document.querySelector('#tab-diagnosis').getAttribute('aria-selected') === 'true'")
        yield tab
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def empty(tab):
    tab.run("document.querySelector('#forget').click(); document.body.dataset.state = ''")


def findings(tab):
    return tab.run(
        "[...document.querySelectorAll('#findings li')].map((li) => li.innerText.split('\\n').slice(0, 2))"
    )


def type_and_add(tab, text, *keys, shift=False):
    tab.run("document.querySelector('#finding').focus()")
    tab.type(text)
    if keys:
        tab.wait("document.querySelectorAll('#found li').length")
    for key in keys:
        tab.press(key)
    tab.press("Enter", shift=shift)
    tab.wait("document.querySelector('#finding').value === '' && document.querySelector('#found').hidden")


def test_findings_are_added_by_keyboard_and_ranked(tab):
    assert tab.run("document.querySelector('#rank').disabled") is True
    type_and_add(tab, "focal seiz")
    type_and_add(tab, "sep", "ArrowDown", "ArrowUp", shift=True)
    assert findings(tab) == [["has", "Focal-onset seizure"], ["has not", "Atrial septal defect"]]
    assert tab.run("document.activeElement.id") == "finding"
    tab.run("document.querySelector('#rank').click()")
    text = done(tab)
    assert "Seizure disease 1 fits best" in text
    assert "Diseases in order" in text
    assert "in the 90 % set" in text
    assert "That it is none of these" in text
    assert "Knowledge: HPO 2025-01-16" in text
    assert "Research use only" in text
    assert "Every symptom is excluded" not in text
    tab.run("document.querySelector('.diseases summary').click()")
    opened = tab.text(".diseases details")
    assert "PMID:11, PMID:12" in opened
    assert "excluded: atrial septal defect" in opened


def test_an_answer_to_a_question_ranks_again(tab):
    type_and_add(tab, "focal seiz")
    tab.run("document.querySelector('#rank').click()")
    assert "What to ask next" in done(tab)
    asked = tab.run("document.querySelector('.questions strong').textContent")
    tab.run("document.querySelectorAll('.questions li .pick')[1].click()")
    text = done(tab)
    assert ["has not", asked] in findings(tab)
    assert asked not in text.partition("What to ask next")[2].partition("Expected")[0]


def test_a_finding_is_changed_and_removed(tab):
    type_and_add(tab, "stroke")
    tab.run("document.querySelector('.state').click()")
    assert findings(tab) == [["has not", "Stroke"]]
    assert tab.run("document.activeElement.className") == "state excluded"
    tab.run("document.querySelector('#rank').click()")
    assert "Every symptom is excluded" in done(tab)
    tab.run("document.querySelector('.remove').click()")
    assert findings(tab) == []
    assert tab.run("document.querySelector('#rank').disabled") is True


def test_added_as_excluded_by_the_switch_and_by_mouse(tab):
    tab.run("document.querySelector('#as-excluded').click()")
    type_and_add(tab, "stroke")
    tab.run("document.querySelector('#as-observed').click()")
    tab.run("document.querySelector('#finding').focus()")
    tab.type("delay")
    tab.wait("document.querySelectorAll('#found li').length")
    tab.run("document.querySelector('#found li').dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))")
    assert findings(tab) == [["has", "Global developmental delay"], ["has not", "Stroke"]]


def test_words_that_no_term_has_are_said(tab):
    tab.run("document.querySelector('#finding').focus()")
    tab.type("zzz")
    tab.wait("document.querySelector('#finding-said').textContent.includes('No term')")
    tab.press("Enter")
    assert findings(tab) == []
    tab.run("document.querySelector('#finding').value = ''")


def test_a_text_becomes_findings(tab):
    tab.run(
        "document.querySelector('#letter').value = 'Seizures, no stroke. His mother has an atrial septal defect.'"
    )
    tab.run("document.querySelector('#letter-form').requestSubmit()")
    text = done(tab)
    assert findings(tab) == [["has", "Seizure"], ["has not", "Stroke"]]
    assert "mother" in text.partition("What was not read")[2]
    tab.run("document.querySelector('#letter').value = 'She feels well.'")
    tab.run("document.querySelector('#letter-form').requestSubmit()")
    tab.wait("document.body.dataset.state === 'failed'")
    assert "names no symptom" in tab.text("[role=alert]")


def test_a_phenopacket_becomes_findings_and_its_text_no_markup(tab, tmp_path):
    path = tmp_path / "case.json"
    features = [
        {"type": {"id": EVIL}},
        {"type": {"id": "HP:0001250"}, "excluded": True},
        *PACKET["phenotypicFeatures"],
    ]
    path.write_text(json.dumps(PACKET | {"id": EVIL, "phenotypicFeatures": features}))
    tab.choose("#file-diagnosis", path)
    text = done(tab)
    assert findings(tab) == [["has", "Seizure"]]
    assert "onerror" in text.partition("What was not read")[2]
    assert tab.run("document.body.dataset.evil") is None
    assert tab.run("document.querySelectorAll('img').length") == 0


def test_findings_that_are_all_unknown_are_refused_with_reasons(tab, tmp_path):
    path = tmp_path / "case.json"
    path.write_text(json.dumps(PACKET | {"phenotypicFeatures": [{"type": {"id": "HP:9999999"}}]}))
    tab.choose("#file-diagnosis", path)
    text = done(tab)
    assert "No disease can be ranked" in text
    assert "HP:9999999 is not in the HPO release" in text


def test_a_narrow_screen_is_enough_and_other_tabs_are_closed(tab):
    type_and_add(tab, "focal seiz")
    tab.run("document.querySelector('#rank').click()")
    done(tab)
    tab.run("for (const each of document.querySelectorAll('details')) each.open = true")
    for width in (400, 1280):
        tab.width(width)
        assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("document.querySelector('#tab-tabular').disabled") is True
    assert tab.run("document.querySelector('#alpha-row').hidden") is True
    assert not [event for event in tab.events if event["method"] == "Runtime.exceptionThrown"]
