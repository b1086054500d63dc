"""The recorded studies of the book: whole, clean, of today's protocol; the one that needs no files is made again.

Those of heads lie in book/studies, those of networks in its folder networks, sweeps of one number in sweeps, LFW's
folds in faces.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import asdict, replace

import pytest
from built_book import ROOT

from dmlkit import comparison
from dmlkit.comparison import (
    CANDIDATES,
    FACE_LOSSES,
    IMAGES,
    MEASURES,
    NAMES,
    SWEEPS,
    FaceStudy,
    NetworkProtocol,
    Protocol,
    Study,
    SweepStudy,
)
from dmlkit.comparison.face_studies import RATES

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
    for folder, others in (("", {"README.md", "networks", "sweeps", "faces"}), ("networks", set())):
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


# sweeps: of these data sets; the second is allowed to be missing while it is being recorded
SWEPT = {"cub50": True, "omniglot": False}
SWEPT_FILES = sorted(path.name for path in (FOLDER / "sweeps").glob("*"))


@pytest.fixture(scope="module", params=SWEPT_FILES)
def swept(request):
    return SweepStudy.load(FOLDER / "sweeps" / request.param)


def test_there_are_sweeps_of_known_data_sets_and_nothing_else():
    assert set(SWEPT_FILES) <= {f"{name}.json" for name in SWEPT}
    assert set(SWEPT_FILES) >= {f"{name}.json" for name, needed in SWEPT.items() if needed}


def test_sweeps_say_where_they_come_from(swept, request):
    assert f"[{swept.name}.json]" in request.node.name
    assert re.fullmatch(r"[0-9a-f]{40}", swept.code["commit"]) and swept.code["changed"] is False
    assert {"python", "torch", "dmlkit"} <= set(swept.versions) and swept.device


def test_sweeps_are_of_the_images_and_the_start_of_the_study_of_networks(swept):
    """The same pixels, and the same network before any training: scores of both may stand side by side."""
    study = Study.load(FOLDER / "networks" / f"{swept.name}.json")
    assert re.fullmatch(r"[0-9a-f]{64}", swept.data["checksum"])
    assert swept.data == study.data
    for head, measures in study.baselines.items():
        for measure, value in measures.items():
            assert swept.baselines[head][measure] == pytest.approx(value, abs=2e-3), (head, measure)


def test_sweeps_are_todays_and_whole(swept):
    """Every sweep, its values in order and once each, with the settings and batches that it would have now."""
    protocol = replace(IMAGES[swept.name].protocol, trials=1)
    assert swept.protocol == asdict(protocol)
    assert list(swept.sweeps) == list(SWEEPS)
    for name, found in swept.sweeps.items():
        sweep = SWEEPS[name]
        assert (found["loss"], found["knob"]) == (sweep.loss, sweep.knob)
        assert found["default"] == sweep.default(protocol) and found["seconds"] >= 0
        assert [point["value"] for point in found["points"]] == list(sweep.values)
        assert len(set(sweep.values)) == len(sweep.values)
        for point in found["points"]:
            how = sweep.training(point["value"], protocol)
            assert point["settings"] == sweep.settings(point["value"], protocol)
            drawn = min(how.classes, swept.data["train classes"])
            assert (point["classes"], point["steps"]) == (drawn, how.steps)
            assert point["batch"] == how.batch // drawn * drawn


def test_sweeps_have_all_seeds_or_say_why_not(swept):
    for found in swept.sweeps.values():
        for point in found["points"]:
            if not point["runs"]:
                assert re.match(r"seed \d: ", point["reason"])
                continue
            assert "reason" not in point and len(point["runs"]) == swept.protocol["seeds"] == 3
            assert all(set(run) == set(MEASURES) for run in point["runs"])
            assert len({run["MAP@R"] for run in point["runs"]}) > 1  # seeds are no copies


def test_sweeps_repeat_what_the_study_had_of_the_same_settings(swept):
    """Where the study kept a loss's defaults, its final runs are the trainings at the sweep's default."""
    study, met = Study.load(FOLDER / "networks" / f"{swept.name}.json"), 0
    for found in swept.sweeps.values():
        loss = study.losses[found["loss"]]
        default = next((point for point in found["points"] if point["value"] == found["default"]), None)
        if loss["chosen"] == 0 and default is not None:
            met += 1
            for before, now in zip(loss["final"], default["runs"], strict=True):
                assert now["MAP@R"] == pytest.approx(before["MAP@R"], abs=0.01), found["loss"]
    assert met > 0


def test_sweeps_share_the_runs_of_the_same_settings(swept):
    """A point of another sweep of the same loss with the same settings and batches is the same training."""
    seen = {}
    for found in swept.sweeps.values():
        for point in found["points"]:
            key = (
                found["loss"],
                str(sorted(point["settings"].items())),
                point["batch"],
                point["classes"],
                point["steps"],
            )
            assert seen.setdefault(key, point["runs"]) == point["runs"]
    assert len(seen) < sum(len(found["points"]) for found in swept.sweeps.values())


# faces


@pytest.fixture(scope="module")
def faces():
    return FaceStudy.load(FOLDER / "faces/lfw-a-96.json")


def test_faces_say_where_they_come_from(faces):
    assert {path.name for path in (FOLDER / "faces").iterdir()} == {f"{faces.name}.json"}
    assert re.fullmatch(r"[0-9a-f]{40}", faces.code["commit"]) and faces.code["changed"] is False
    assert re.fullmatch(r"[0-9a-f]{64}", faces.data["checksum"])
    assert {"python", "torch", "dmlkit"} <= set(faces.versions) and faces.device


def test_faces_have_all_losses_and_folds(faces):
    protocol = replace(NetworkProtocol(), trials=1, seeds=1, folds=10, held_out=2)
    assert faces.protocol == asdict(protocol) and faces.data["pairs"] == 6000
    assert set(faces.losses) == set(FACE_LOSSES)
    for name, found in faces.losses.items():
        assert found["settings"] == protocol.settings(CANDIDATES[name], 0) and found["seconds"] > 0
        assert len(found["folds"]) == 10 and "reason" not in found
        assert len({fold["AUC"] for fold in found["folds"]}) > 1
    assert all(len(found) == 10 for found in faces.baselines.values())


def test_rates_of_faces_were_chosen_where_the_fold_has_no_say(faces):
    for found in faces.losses.values():
        assert list(found["searches"]) == ["0", "5"]
        best = {number: RATES[scores.index(max(scores))] for number, scores in found["searches"].items()}
        assert [fold["rate"] for fold in found["folds"]] == 5 * [best["5"]] + 5 * [best["0"]]


def test_people_of_faces_are_as_many_as_the_chapter_says(faces):
    """Most people have a few images only, which is what the chapter's argument needs."""
    assert all(people > 1000 for people in faces.data["train people"])
    each = sum(faces.data["train"]) / sum(faces.data["train people"])
    assert 2 < each < 10
