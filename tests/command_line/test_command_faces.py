"""`faces`: which losses are asked for, where the file lands, what is said."""

from __future__ import annotations

import pytest
import torch

from dmlkit import comparison
from dmlkit.command_line import main
from dmlkit.comparison import Faces, FaceStudy, NetworkProtocol

TINY = NetworkProtocol(
    embedding_dim=4, steps=2, batch=4, classes=2, backbone="tiny_cnn", pretrained=False, frozen=0, warmup=1
)


@pytest.fixture
def short(monkeypatch):
    """Four folds of two people each, and a small network."""
    draws = torch.Generator().manual_seed(0)
    labels = torch.arange(8).repeat_interleave(3)
    first = torch.tensor([0, 1, 3, 6, 7, 9, 12, 13, 15, 18, 19, 21])  # of each fold two pairs of one person, one of two
    second = torch.tensor([1, 2, 0, 8, 8, 6, 14, 14, 12, 20, 20, 18])
    data = Faces(
        "lfw-a-96",
        torch.randint(256, (24, 3, 16, 16), generator=draws, dtype=torch.uint8),
        labels,
        first,
        second,
        labels[first] == labels[second],
        torch.arange(4).repeat_interleave(3),
        "noise",
    )
    once = comparison.face_study
    monkeypatch.setattr(comparison, "face_pairs", lambda root: data)
    monkeypatch.setattr(comparison, "face_study", lambda *given, **options: once(*given, protocol=TINY, **options))


def test_trains_with_the_losses_that_are_named(short, tmp_path, capsys):
    asked = ["faces", "--losses", "SupCon", "NormSoftmax", "--out", str(tmp_path)]
    assert main(asked) == 0
    found = FaceStudy.load(tmp_path / "lfw-a-96.json")
    assert list(found.losses) == ["NormSoftmax", "SupCon"]
    values = found.folds()["SupCon"]
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [
        f"lfw-a-96, {name}" for name in ("rows", "first head", "SupCon", "NormSoftmax")
    ]
    assert said[2].endswith(f"accuracy {sum(values) / 4:.3f}, {min(values):.3f} … {max(values):.3f}")
    # Again: nothing is missing, so nothing is done anew.
    before = (tmp_path / "lfw-a-96.json").read_bytes()
    assert main(asked) == 0
    assert (tmp_path / "lfw-a-96.json").read_bytes() == before


def test_divergence_is_told(short, tmp_path, capsys, monkeypatch):
    def fails(*_, **__):
        raise FloatingPointError("the loss is nan: lower the learning rate")

    monkeypatch.setattr("dmlkit.comparison.face_studies.train_head", fails)
    assert main(["faces", "--losses", "SupCon", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == ("lfw-a-96, SupCon: the loss is nan: lower the learning rate")


def test_an_unknown_loss_is_told_in_a_sentence(short, tmp_path, capsys):
    assert main(["faces", "--losses", "None", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("dmlkit: names must be among LinearCrossEntropy") and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_missing_images_are_told_in_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    assert main(["faces", "--root", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "is not here: name the folder of the packs" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
