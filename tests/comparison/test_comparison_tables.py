"""Studies and sweeps as tables: every loss and value, what no training gives, what diverged."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from dmlkit import comparison
from dmlkit.command_line import main
from dmlkit.comparison import MEASURES, Study, SweepStudy
from dmlkit.records import estimate

HEADER = {
    "name": "clusters",
    "data": {"train classes": 5, "test": 70, "test classes": 7},
    "protocol": {"trials": 4, "seeds": 2},
    "baselines": {
        name: dict.fromkeys(MEASURES, value)
        for name, value in (("rows", 0.25), ("first head", 0.125), ("first head, euclidean", 0.5))
    },
    "versions": {},
    "device": "cpu",
    "code": {"commit": "0123456789"},
}


def runs(*values):
    return [dict.fromkeys(MEASURES, value) for value in values]


STUDY = Study(
    **HEADER,
    losses={
        "SupCon": {"final": runs(0.25, 0.5)},
        "Triplet": {"final": runs(0.625, 0.875)},
        "SNCA": {"final": []},
    },
)
SWEEPS = SweepStudy(
    **HEADER,
    sweeps={
        "SupCon temperature": {
            "loss": "SupCon",
            "knob": "temperature",
            "default": 0.1,
            "points": [
                {"value": 0.1, "runs": runs(0.25, 0.5)},
                {"value": 1.0, "runs": [], "reason": "seed 0: the loss is nan"},
            ],
        }
    },
)


FACES = comparison.FaceStudy(
    **{**HEADER, "protocol": {"backbone": "tiny_cnn"}, "data": {"pairs": 600, "folds": 2}, "name": "faces"}
    | {"baselines": {"rows": [{"accuracy": 0.5}, {"accuracy": 0.75}]}},
    losses={
        "SupCon": {"folds": [{"accuracy": 0.625}, {"accuracy": 0.875}]},
        "SNCA": {"folds": [], "reason": "the loss is nan"},
    },
)


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_losses_stand_in_the_order_of_their_results_above_the_untrained():
    lines = comparison.study_table(STUDY, ("MAP@R", "NMI")).splitlines()
    assert lines[0] == (
        "clusters: heads on fixed rows, 5 classes, tested on 70 images of 7 others; 4 settings tried, 2 seeds; "
        "commit 0123456"
    )
    assert cells(lines[2]) == ["loss", "MAP@R", "NMI", "distance"]
    best = str(estimate([0.625, 0.875]))
    assert [cells(line) for line in lines[4:]] == [
        ["Triplet", best, best, "euclidean"],
        ["SupCon", *[str(estimate([0.25, 0.5]))] * 2, "cosine"],
        ["SNCA", "diverged", "diverged", "cosine"],
        ["untrained: rows", "0.250", "0.250", "cosine"],
        ["untrained: first head", "0.125", "0.125", "cosine"],
        ["untrained: first head", "0.500", "0.500", "euclidean"],
    ]


def test_networks_are_called_so():
    found = replace(STUDY, protocol={"trials": 4, "seeds": 2, "backbone": "five_layer_cnn"})
    assert comparison.study_table(found).startswith("clusters: five_layer_cnn trained, 5 classes")


def test_every_value_of_a_sweep_has_a_row():
    lines = comparison.sweep_table(SWEEPS, ("P@1",)).splitlines()
    assert [cells(line)[:3] for line in lines[4:6]] == [
        ["SupCon", "temperature = 0.1 (default)", str(estimate([0.25, 0.5]))],
        ["SupCon", "temperature = 1", "diverged"],
    ]
    assert [cells(line)[0] for line in lines[6:]] == ["untrained: rows", *["untrained: first head"] * 2]


def test_losses_of_faces_stand_beside_the_untrained_network():
    lines = comparison.face_table(FACES, ("accuracy",)).splitlines()
    assert lines[0].startswith("faces: tiny_cnn trained with default settings and one of 4 learning rates, ")
    assert [cells(line) for line in lines[4:]] == [
        ["SupCon", str(estimate([0.625, 0.875]))],
        ["untrained: rows", str(estimate([0.5, 0.75]))],
        ["SNCA", "diverged"],
    ]


def test_every_kind_of_study_is_told_apart(tmp_path):
    for found in (STUDY, SWEEPS, FACES):
        (tmp_path / "x.json").write_text(json.dumps(asdict(found)))
        assert comparison.read_study(tmp_path / "x.json") == found


def test_the_command_prints_all_studies_below_its_folders(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "clusters.json").write_text(json.dumps(asdict(STUDY)))
    (tmp_path / "sweeps.json").write_text(json.dumps(asdict(SWEEPS)))
    assert main(["compare", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{comparison.table(STUDY)}\n\n{comparison.table(SWEEPS)}\n"


@pytest.mark.parametrize("text", ["{}", "[1]", "no JSON"])
def test_a_file_that_is_no_study_is_named(text, tmp_path, capsys):
    (tmp_path / "other.json").write_text(text)
    assert main(["compare", str(tmp_path)]) == 1
    assert "other.json is no study" in capsys.readouterr().err
