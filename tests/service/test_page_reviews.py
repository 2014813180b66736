"""Alarms on the page: listed, confirmed and dismissed by keyboard and on a narrow screen; without a store it says so."""

import shutil
import tempfile

import numpy as np
import pytest

from medanomaly.scoring.models import open_models
from medanomaly.store.store import Store
from tests.scoring.small_models import sealed_with_facts, visits
from tests.service.browser import CHROMIUM, browser, served

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")
NOT_KEPT = "Reviews are kept only with a store, and this service has none."
KEPT = "Reviews are kept in the store of this service"
KEY = "a secret key of the tests"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    raw = visits(400).assign(patient=lambda table: table["id"])
    return open_models(sealed_with_facts(tmp_path_factory.mktemp("models"), raw, np.arange(400) % 2))


@pytest.fixture(scope="module")
def url(models, tmp_path_factory):
    """A store with alarms of three visits."""
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'predictions.db'}"
    raw = visits(3, 5).drop(columns="outcome").assign(potassium=["9.9", "9.8", "9.7"])
    with Store.open(url, key=KEY.encode()) as store:
        store.record(models.score(raw, explain=3))
    return url


@pytest.fixture(scope="module")
def shown(models):
    """Shows the page of a service of these models in a tab."""
    folder = tempfile.mkdtemp(prefix="medanomaly-chromium-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDANOMALY_SUBJECT_KEY", KEY)
        with served(models) as without, browser(folder, without) as tab:
            yield lambda address=without: opened(tab, address)
    shutil.rmtree(folder, ignore_errors=True)


def opened(tab, address):
    tab.send("Page.navigate", url=address)
    tab.wait(
        f"location.href === '{address}' && document.querySelector('#status')?.textContent.startsWith('Ready')"
    )
    tab.run("document.querySelector('#tab-reviews').click()")
    return tab


def test_without_a_store_the_page_says_that_reviews_are_not_kept(shown):
    text = shown().text("#panel-reviews")
    assert NOT_KEPT in text
    assert KEPT not in text
    assert "List alarms" not in text


def test_alarms_are_confirmed_and_dismissed_by_keyboard(shown, models, url):
    with served(models, store=url) as address:
        tab = shown(address)
        tab.wait("document.querySelectorAll('#alarms li').length === 3")
        text = tab.text("#panel-reviews")
        assert "3 alarms wait for a review." in text
        assert KEPT in text
        assert NOT_KEPT not in text
        assert "Why: " in text
        assert "potassium" in text
        # the first alarm by its button, the second by letters
        tab.run("document.querySelector('#alarms .pick').focus()")
        tab.press("Enter")
        tab.wait("document.querySelector('#alarms li').dataset.reviewed === 'confirmed'")
        assert "Confirmed: it was unusual. Dismiss changes that." in tab.text("#alarms li")
        tab.press("ArrowDown")
        assert tab.run("document.activeElement.closest('li') === document.querySelectorAll('#alarms li')[1]")
        tab.type_key("d")
        tab.wait("document.querySelectorAll('#alarms li')[1].dataset.reviewed === 'dismissed'")
        assert "Dismissed: it was a false alarm. Confirm changes that." in tab.text("#alarms li:nth-child(2)")
        tab.wait("document.querySelector('#result').innerText.includes('50 %')")
        assert "Right alarms among those that were reviewed" in tab.text("#result")
        # letters in the field of words are words
        tab.run("document.querySelector('#alarms li:nth-child(3) summary').click()")
        tab.run("document.querySelector('#alarms li:nth-child(3) input').focus()")
        tab.type_key("d")
        assert tab.run("document.querySelector('#alarms li:nth-child(3)').dataset.reviewed") is None
        for width in (400, 1280):
            tab.width(width)
            assert tab.run("document.documentElement.scrollWidth") <= width
        unnamed = tab.run(
            "[...document.querySelectorAll('#panel-reviews input, #panel-reviews button')].filter((e) =>"
            " !(e.labels && e.labels.length) && !e.textContent.trim() && !e.getAttribute('aria-label')).length"
        )
        assert unnamed == 0
        # what was reviewed is listed no longer
        tab.run("document.querySelector('#alarm-case-form button').click()")
        tab.wait("document.querySelector('#reviews-said').textContent === '1 alarm waits for a review.'")
        tab.run("document.querySelector('#alarm-case').value = 'never scored'")
        tab.run("document.querySelector('#alarm-case-form button').click()")
        tab.wait("document.querySelector('#reviews-said').textContent === 'No alarm waits for a review.'")
    with Store.open(url, key=KEY.encode()) as store:
        assert sorted(store.predictions(reviewed=True)["anomalous"].astype(bool)) == [False, True]
