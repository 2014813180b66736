"""Boxes of a detector over HTTP and on the page: in pixels of the original image, drawn over the picture."""

import shutil
import tempfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from medanomaly.commands.cli import call
from medanomaly.monitoring.batch_shift import ShiftCheck
from medanomaly.scoring.batches import score_batch
from medanomaly.scoring.fhir import checked, fhir_resources
from medanomaly.scoring.models import open_models
from tests.service import small_models
from tests.service.browser import CHROMIUM, browser, served
from tests.service.conftest import client_of
from tests.service.test_page import PIXELS, done
from tests.service.test_routes import png


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_models.boxes(tmp_path_factory.mktemp("boxes"))


@pytest.fixture(scope="module")
def models(folder):
    return open_models(folder)


@pytest.fixture(scope="module")
def client(models):
    with client_of(models, limits={"seconds": 300}) as client:
        yield client


@pytest.fixture(scope="module")
def image():
    """(128, 256) an image whose models see its middle, halved; a bright square is at x 140, y 40, 24 px wide."""
    wide = np.zeros((128, 256), dtype=np.float32)
    wide[:, 64:192] = small_models.images(9)[8].repeat(2, 0).repeat(2, 1)
    wide[40:64, 140:164] = 1.0
    return wide


def detector(found):
    (answer,) = [one for one in found["answers"] if "boxes" in one]
    return answer


@pytest.mark.parametrize("verb", ["score", "explain"])
def test_boxes_are_in_pixels_of_the_original_image(client, models, image, verb):
    files = [("file", ("a.png", png(image))), ("file", ("b.png", b"no image"))]
    served = client.post(f"/v1/imaging/{verb}", files=files).json()
    case, refused = served["cases"]
    assert (case["width"], case["height"]) == (256, 128)
    assert "width" not in refused
    answer = detector(case)
    assert answer["model"] in ("box_detector", "imaging_boxes.box_detector")
    assert all("boxes" not in one for one in case["answers"] if one is not answer)
    first = answer["boxes"][0]
    assert set(first) == {"label", "x", "y", "width", "height", "score", "p_value", "drawn"}
    assert (first["label"], first["drawn"]) == ("nodule", True)
    assert first["x"] == pytest.approx(140, abs=5)
    assert first["y"] == pytest.approx(40, abs=5)
    assert first["width"] == pytest.approx(24, abs=7)
    assert first["height"] == pytest.approx(24, abs=7)
    assert first["score"] == pytest.approx(answer["score"])
    scores = [box["score"] for box in answer["boxes"]]
    assert scores == sorted(scores, reverse=True)
    assert [box["drawn"] for box in answer["boxes"]] == [
        score >= models["imaging_boxes.box_detector"].scorer.threshold for score in scores
    ]
    # as numbers in place of a file
    numbers = client.post(
        "/v1/imaging/score", json={"image": np.round(255 * image).tolist(), "white": 255}
    ).json()
    assert detector(numbers["cases"][0])["boxes"][0]["x"] == first["x"]


def test_with_maps_boxes_are_on_the_picture_too(client, image):
    found = client.post(
        "/v1/imaging/score", files={"file": ("a.png", png(image))}, data={"maps": "true"}
    ).json()
    first = detector(found["cases"][0])["boxes"][0]
    # the middle square of 128 px became 64 px
    assert first["on_picture"]["x"] == pytest.approx((first["x"] - 64) / 2, abs=0.1)
    assert first["on_picture"]["y"] == pytest.approx(first["y"] / 2, abs=0.1)
    assert first["on_picture"]["width"] == pytest.approx(first["width"] / 2, abs=0.1)


def test_models_that_are_asked_decide_whether_there_are_boxes(client, image):
    found = client.post(
        "/v1/imaging/score", files={"file": ("a.png", png(image))}, data={"models": "imaging.lbe"}
    ).json()
    assert all("boxes" not in answer for answer in found["cases"][0]["answers"])
    assert "width" not in found["cases"][0]


def printed(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        call([str(word) for word in words])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_commands_name_a_detector_as_answers_do(folder, image, tmp_path, capsys):
    (tmp_path / "nodule.png").write_bytes(png(image))
    (tmp_path / "plain.png").write_bytes(png(small_models.images(9)[8]))
    detector = folder / "imaging_boxes" / "box_detector"
    told = printed(capsys, "score", tmp_path, "--models", detector)
    assert "imaging_boxes.box_detector flags 1 of 2 images at a false-alarm rate of 0.05." in told
    assert "nodule, x 1" in " ".join(told.split())
    assert "Nobody can tell whether p-values hold" in told
    told = printed(capsys, "explain", tmp_path, "--models", detector)
    assert told.startswith("Image nodule.png")
    # beside a model of how unusual images are, that one leads
    assert "lbe flags 1 of 2 images" in printed(capsys, "score", tmp_path, "--models", folder)


def test_fhir_says_of_a_detector_whether_its_p_values_hold(models, image):
    found = models.score(image, models=["imaging_boxes.box_detector"])
    check = ShiftCheck("broken", 0.001, "another device", pd.DataFrame(), 9)
    (risk,) = checked(fhir_resources(replace(found, shift=dict.fromkeys(found.shift, check))))
    assert risk["status"] == "cancelled"
    assert "another device" in risk["note"][0]["text"]


@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}")
def test_the_page_draws_boxes_over_the_picture(models, image, tmp_path):
    folder = tempfile.mkdtemp(prefix="medanomaly-chromium-")
    (tmp_path / "nodule.png").write_bytes(png(image))
    (tmp_path / "plain.png").write_bytes(png(small_models.images(9)[8]))
    yellow = f"({PIXELS})('.image-box canvas', (d, i) => d[i] === 255 && d[i + 1] === 210 && d[i + 2] === 31)"
    with served(models) as address, browser(folder, address) as tab:
        tab.wait("document.querySelector('#status')?.textContent.startsWith('Ready')")
        tab.run("document.querySelector('#tab-imaging').click()")
        tab.choose("#file-imaging", tmp_path / "nodule.png")
        text = done(tab)
        assert "Boxes of box detector" in text
        assert "box detector (imaging boxes)" in text
        assert "In pixels of the image as it was given, 256 x 128." in text
        assert "nodule" in text
        tab.wait(f"{yellow} > 300")
        # the box is about the square, which is at x 38 to 50 and y 20 to 32 of 64 px, eight times as large on the page
        place = (
            "(() => { const c = document.querySelector('.image-box canvas'); const d = c.getContext('2d')"
            ".getImageData(0, 0, 512, 512).data; let x0 = 512, x1 = 0, y1 = 0; for (let i = 0; i < d.length; i += 4)"
            " if (d[i] === 255 && d[i + 1] === 210 && d[i + 2] === 31) { const x = (i / 4) % 512, y = (i / 4 - x) / 512;"
            " x0 = Math.min(x0, x); x1 = Math.max(x1, x); y1 = Math.max(y1, y); } return [x0, x1, y1]; })()"
        )
        x0, x1, y1 = tab.run(place)
        assert (x0, x1, y1) == pytest.approx((304, 400, 256), abs=28)
        assert "the boxes of the detector over it" in tab.run(
            "document.querySelector('.image-box canvas').getAttribute('aria-label')"
        )
        drawn = tab.run("[...document.querySelectorAll('#result td:last-child')].map((e) => e.textContent)")
        assert "yes" in drawn
        tab.choose("#file-imaging", tmp_path / "plain.png")
        assert "yes" not in done(tab).partition("Boxes of box detector")[2].partition("Why")[0].split()
        tab.wait("document.querySelector('.image-box canvas')")
        assert tab.run(yellow) == 0
    shutil.rmtree(folder, ignore_errors=True)


def test_a_batch_says_of_a_detector_whether_its_p_values_hold(models, image, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(4):
        (tmp_path / "in" / f"{i}.png").write_bytes(png(image))
    summary = score_batch(models, tmp_path / "in", tmp_path / "out.csv")
    assert set(summary.shift) >= {"lbe", "imaging_boxes.box_detector"}
