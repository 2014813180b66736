"""The page in a real browser: by mouse, by keyboard, on a narrow screen; what files hold never becomes markup."""

import shutil
import tempfile

import numpy as np
import pytest

from tests.service import small_models
from tests.service.browser import CHROMIUM, browser, served
from tests.service.test_routes import npz, png

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")
# number of pixels of a canvas for which a function of its data and their place is true
PIXELS = """(selector, wanted) => {
  const canvas = document.querySelector(selector);
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let found = 0;
  for (let i = 0; i < data.length; i += 4) if (wanted(data, i)) found++;
  return found;
}"""
EVIL = "<img src=x onerror=\"document.body.dataset.evil='yes'\">"


@pytest.fixture(scope="module")
def address(models):
    with served(models) as address:
        yield address


@pytest.fixture(scope="module")
def tab(address):
    folder = tempfile.mkdtemp(prefix="medanomaly-chromium-")
    with browser(folder, address) as tab:
        tab.wait("document.querySelector('#status')?.textContent.startsWith('Ready')")
        tab.wait("document.querySelector('#fields input')")
        yield tab
    shutil.rmtree(folder, ignore_errors=True)


def done(tab):
    tab.wait("document.body.dataset.state === 'done' || document.body.dataset.state === 'failed'", 120)
    assert tab.run("document.body.dataset.state") == "done", tab.text("#result")
    # the answer is where the focus is, so that a screen reader says it
    assert tab.run("document.activeElement.id") == "answer-title"
    text = tab.text("#result")
    tab.run("document.body.dataset.state = ''")
    return text


def test_a_row_of_a_file_by_keyboard(tab, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('age,sex,potassium,temperature,"a ""quoted"", name"\n57,F,7.9,98.6,\n33,M,4.1,36.6,\n')
    tab.choose("#file-tabular", path)
    tab.wait("document.querySelectorAll('#rows-table .pick').length === 2")
    # the first button has the focus
    assert tab.run("document.activeElement.textContent") == "Row 1"
    tab.press("Enter")
    text = done(tab)
    assert "Unusual record" in text
    assert "temperature" in text
    assert "Probably meant: 37" in text
    assert "potassium" in text
    assert "Research use only" in text
    assert tab.run("document.querySelector('#rows-table .pick').getAttribute('aria-pressed')") == "true"


def test_a_typed_record_and_a_refused_one(tab):
    tab.run("document.querySelector('details').open = true")
    fill = "document.querySelector('[data-column={}]').value = '{}'"
    tab.run(fill.format("age", "1500"))
    tab.run("document.querySelector('#typed button').click()")
    assert "It cannot be scored" in done(tab)
    tab.run(fill.format("age", "44"))
    tab.run("document.querySelector('#typed button').click()")
    assert "models flag it" in done(tab)


def test_tabs_turn_by_arrow_keys(tab):
    tab.run("document.querySelector('#tab-tabular').focus()")
    tab.press("ArrowRight")
    assert tab.run("document.activeElement.id") == "tab-signals"
    assert tab.run("document.querySelector('#panel-signals').hidden") is False
    tab.press("ArrowRight")
    assert tab.run("document.activeElement.id") == "tab-imaging"
    assert tab.run("[...document.querySelectorAll('[role=tabpanel]')].filter((p) => !p.hidden).length") == 1


def test_an_image_with_its_map(tab, tmp_path):
    path = tmp_path / "image.png"
    image = small_models.images(2)[1]
    image[10:20, 10:20] = 1
    path.write_bytes(png(image))
    tab.run("document.querySelector('#tab-imaging').click()")
    tab.choose("#file-imaging", path)
    assert "Why" in done(tab)
    coloured = f"({PIXELS})('.image-box canvas', (d, i) => d[i] > d[i + 2] + 20)"
    tab.wait(f"{coloured} > 100")
    # without its strength the map is gone
    tab.run("document.querySelector('#map-strength').value = '0'")
    tab.run("document.querySelector('#map-strength').dispatchEvent(new Event('input'))")
    tab.wait(f"{coloured} === 0")


def test_a_recording_with_marked_beats(tab, tmp_path):
    path = tmp_path / "ecg.npz"
    signal = small_models.ecg(31, 30)[:, :1]
    # one beat far too early
    signal[7000:7100] = signal[6850:6950]
    path.write_bytes(npz(signal))
    tab.run("document.querySelector('#tab-signals').click()")
    tab.choose("#file-signals", path)
    assert "beats flagged" in done(tab)
    assert tab.run("document.querySelectorAll('.beats .pick').length") >= 5
    drawn = tab.run(f"({PIXELS})('#result canvas', (d, i) => d[i + 3] > 0)")
    assert drawn
    tab.run("document.querySelectorAll('.beats .pick')[0].click()")
    assert "p-value" in tab.text("#result")
    tab.run("document.querySelector('#strip-time').focus()")
    before = tab.run("document.querySelector('#strip-time').value")
    tab.press("ArrowLeft" if float(before) > 0 else "ArrowRight")
    assert tab.run("document.querySelector('#strip-time').value") != before


def test_text_of_files_is_no_markup(tab, tmp_path):
    path = tmp_path / "evil.csv"
    cell = '"' + EVIL.replace('"', '""') + '"'
    path.write_text(f"record_id,age,potassium\n{cell},50,{cell}\n")
    tab.run("document.querySelector('#tab-tabular').click()")
    tab.choose("#file-tabular", path)
    tab.wait("document.querySelectorAll('#rows-table .pick').length === 1")
    tab.run("document.querySelector('#rows-table .pick').click()")
    text = done(tab)
    assert "onerror" in text or "onerror" in tab.text("#rows-table")
    assert tab.run("document.body.dataset.evil") is None
    assert tab.run("document.querySelectorAll('img').length") == 0


def test_a_file_that_cannot_be_used_is_said(tab, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image")
    tab.run("document.querySelector('#tab-imaging').click()")
    tab.choose("#file-imaging", path)
    tab.wait("document.body.dataset.state === 'failed'")
    assert "no PNG, JPEG" in tab.text("[role=alert]")


def test_every_control_has_a_name_and_a_narrow_screen_is_enough(tab):
    unnamed = tab.run(
        "[...document.querySelectorAll('input, select, button')].filter((e) => !(e.labels && e.labels.length)"
        " && !e.textContent.trim() && !e.getAttribute('aria-label')).map((e) => e.id)"
    )
    assert unnamed == []
    for width in (400, 1280):
        tab.width(width)
        for name in ("tabular", "signals", "imaging", "diagnosis", "reviews"):
            tab.run(f"document.querySelector('#tab-{name}').click()")
            assert tab.run("document.documentElement.scrollWidth") <= width, name


def test_nothing_is_asked_of_another_site_and_nothing_fails(tab, address):
    asked = [e["params"]["request"]["url"] for e in tab.events if e["method"] == "Network.requestWillBeSent"]
    assert asked
    assert all(url.startswith((address, "data:", "blob:")) for url in asked), asked
    failed = [e for e in tab.events if e["method"] == "Runtime.exceptionThrown"]
    assert failed == []
    policy = [
        e["params"]["entry"]["text"]
        for e in tab.events
        if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] == "error"
    ]
    # only the image that cannot be used
    assert len(policy) <= 1, policy


def test_files_of_the_page_come_with_a_policy(client):
    for path in ("/", "/page.css", "/page.js", "/diagnosis.js", "/reviews.js"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "innerHTML" not in answer.text
        assert np.all([word not in answer.text for word in ("http://", "https://", "//cdn")])
