"""The recorded studies of the book: whole, clean, of today's protocol; the one that needs no files is made again."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest
from built_book import ROOT

from dmlkit import comparison
from dmlkit.comparison import CANDIDATES, MEASURES, NAMES, Protocol, Study, draw

FOLDER = ROOT / "book/studies"


@pytest.fixture(scope="module", params=NAMES)
def study(request):
    return Study.load(FOLDER / f"{request.param}.json")


def test_there_is_one_of_each_data_set_and_nothing_else():
    assert {path.name for path in FOLDER.iterdir()} == {"README.md", *(f"{name}.json" for name in NAMES)}


def test_says_where_it_comes_from(study):
    assert re.fullmatch(r"[0-9a-f]{40}", study.code["commit"]) and study.code["changed"] is False
    assert re.fullmatch(r"[0-9a-f]{64}", study.data["checksum"])
    assert {"python", "torch", "dmlkit"} <= set(study.versions) and study.device


def test_is_of_todays_protocol_and_losses(study):
    """A changed range or loss asks for a new study: its trials could not be asked for any more."""
    assert study.protocol == asdict(Protocol())
    assert list(study.losses) == list(CANDIDATES)
    for name, found in study.losses.items():
        assert [trial["settings"] for trial in found["trials"]] == [
            draw(CANDIDATES[name], number) for number in range(Protocol().trials)
        ]


def test_chose_by_validation_and_has_all_seeds(study):
    for found in study.losses.values():
        scores = {n: trial["validation"] for n, trial in enumerate(found["trials"]) if "validation" in trial}
        assert found["chosen"] == max(scores, key=scores.get)
        assert len(found["final"]) == Protocol().seeds
        assert all(set(run) == set(MEASURES) for run in found["final"])


@pytest.mark.parametrize("name", ["NormSoftmax", "WarpedSoftmax", "CE + Silhouette"])
def test_a_recorded_number_is_found_again(name):
    """On the digits, whose rows are here: the chosen setting's scores, up to the rounding of another machine."""
    data = comparison.rows("digits")
    study = Study.load(FOLDER / "digits.json")
    assert data.checksum == study.data["checksum"]
    on = comparison.course(data, Protocol())
    found, candidate = study.losses[name], CANDIDATES[name]
    trial = found["trials"][found["chosen"]]
    scores = comparison.validation_scores(on, candidate, trial["settings"], Protocol())
    assert scores == pytest.approx(trial["folds"], abs=2e-3)
    again = comparison.embeddings_of_test(on, candidate, trial["settings"], Protocol())
    measured = comparison.measured(again, on.test_labels, candidate.distance)
    for measure in ("MAP@R", "R-Precision", "P@1", "silhouette"):  # k-means, and so NMI, may end elsewhere
        assert measured[measure] == pytest.approx(found["final"][0][measure], abs=2e-3), measure


def test_the_start_without_training_is_recorded(study):
    assert set(study.baselines) == {"rows", "first head", "first head, euclidean"}
    assert all(set(found) == set(MEASURES) for found in study.baselines.values())
