"""`sweep`: which data sets and sweeps are asked for, where the file lands, what is said."""

from __future__ import annotations

import pytest

from dmlkit import comparison
from dmlkit.command_line import main


@pytest.fixture
def short(monkeypatch):
    """Sweeps of seconds: the real ones with a protocol of few steps."""
    once, how = comparison.sweep, comparison.Protocol(embedding_dim=4, steps=3)
    monkeypatch.setattr(comparison, "sweep", lambda *given, **options: once(*given, protocol=how, **options))


def test_sweeps_what_is_named(short, tmp_path, capsys):
    names = ["SupCon temperature", "EuclideanSoftmax scale"]
    asked = ["sweep", "digits", "--sweeps", *names, "--seeds", "1", "--out", str(tmp_path)]
    assert main(asked) == 0
    found = comparison.SweepStudy.load(tmp_path / "digits.json")
    assert set(found.sweeps) == set(names) and found.protocol["seeds"] == 1
    scores = {value: runs[0] for value, runs in found.curve(names[0]).items()}
    low, high = min(scores, key=scores.get), max(scores, key=scores.get)
    assert capsys.readouterr().out.splitlines()[0] == (
        f"digits, SupCon temperature: MAP@R {scores[low]:.3f} at {low:g} to {scores[high]:.3f} at {high:g}, "
        f"by default (0.1) {scores[0.1]:.3f}"
    )
    # Again: nothing is missing, so nothing is done anew.
    before = (tmp_path / "digits.json").read_bytes()
    assert main(asked) == 0
    assert (tmp_path / "digits.json").read_bytes() == before


def test_divergence_is_told(tmp_path, capsys, monkeypatch):
    def fails(*_, **__):
        raise FloatingPointError("the loss is nan: lower the learning rate")

    monkeypatch.setattr("dmlkit.comparison.sweeps.embeddings_of_test", fails)
    assert main(["sweep", "digits", "--sweeps", "SupCon temperature", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "digits, SupCon temperature: every value diverged\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cars"], "dmlkit: name must be one of digits, fashion-mnist, omniglot, cub50, found 'cars'"),
        (["mnist", "--networks"], "dmlkit: name must be one of cub50, cars98, omniglot, found 'mnist'"),
        (["digits", "--sweeps", "SupCon"], "dmlkit: names must be among WarpedSoftmax alpha, WarpedSoftmax beta"),
        (["digits", "--seeds", "0"], "dmlkit: seeds must be at least 1, found 0"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(words, said, tmp_path, capsys):
    assert main(["sweep", *words, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(said) and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
