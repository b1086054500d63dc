"""The recorded studies of the book: whole, clean, of today's protocol; the one that needs no files is made again.

Those of heads lie in book/studies, those of networks in its folder networks.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import asdict

import pytest
from built_book import ROOT

from dmlkit import comparison
from dmlkit.comparison import CANDIDATES, IMAGES, MEASURES, NAMES, Protocol, Study

FOLDER = ROOT / "book/studies"
# Path in the folder → the protocol that the study must be of.
PROTOCOLS = {f"{name}.json": Protocol() for name in NAMES}
PROTOCOLS |= {f"networks/{name}.json": source.protocol for name, source in IMAGES.items()}


@pytest.fixture(scope="module", params=PROTOCOLS)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def study(path):
    return Study.load(FOLDER / path)


@pytest.fixture(scope="module")
def protocol(path):
    return PROTOCOLS[path]


def test_there_is_one_of_each_data_set_and_nothing_else():
    for folder, others in (("", {"README.md", "networks"}), ("networks", set())):
        of = {path.split("/")[-1] for path in PROTOCOLS if path.startswith("networks/") == bool(folder)}
        assert {path.name for path in (FOLDER / folder).iterdir()} == of | others


def test_says_where_it_comes_from(study):
    assert re.fullmatch(r"[0-9a-f]{40}", study.code["commit"]) and study.code["changed"] is False
    assert re.fullmatch(r"[0-9a-f]{64}", study.data["checksum"])
    assert {"python", "torch", "dmlkit"} <= set(study.versions) and study.device


def test_is_named_as_its_file(study, path):
    assert path.endswith(f"{study.name}.json")


def test_is_of_todays_protocol_and_losses(study, protocol):
    """A changed range or loss asks for a new study: its trials could not be asked for any more."""
    assert study.protocol == asdict(protocol)
    assert list(study.losses) == list(CANDIDATES)
    for name, found in study.losses.items():
        assert [trial["settings"] for trial in found["trials"]] == [
            protocol.settings(CANDIDATES[name], number) for number in range(protocol.trials)
        ]


def test_took_time_wherever_it_was_written_down(study, protocol):
    """Studies of heads are older than this number."""
    for found in study.losses.values():
        assert found["seconds"] > 0 if not protocol.thorough else found.get("seconds", 1) > 0


def test_each_trial_was_validated_on_its_folds(study, protocol):
    held_out = getattr(protocol, "held_out", protocol.folds)
    for found in study.losses.values():
        for trial in found["trials"]:
            if "reason" in trial:
                continue
            assert len(trial["folds"]) == held_out and ("test" in trial) == protocol.thorough
            assert trial["validation"] == pytest.approx(statistics.fmean(trial["folds"]), abs=1e-5)


def test_chose_by_validation_and_has_all_seeds(study, protocol):
    for found in study.losses.values():
        scores = {n: trial["validation"] for n, trial in enumerate(found["trials"]) if "validation" in trial}
        assert found["chosen"] == max(scores, key=scores.get)
        assert len(found["final"]) == protocol.seeds
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
