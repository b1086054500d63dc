"""`study`: which data sets and losses are asked for, where the file lands, what is said."""

from __future__ import annotations

import pytest

from dmlkit import comparison
from dmlkit.command_line import main


@pytest.fixture
def short(monkeypatch):
    """A study of seconds: the real one with a protocol of few steps."""
    once, how = comparison.study, comparison.Protocol(embedding_dim=4, steps=3, trials=2, seeds=2)
    monkeypatch.setattr(comparison, "study", lambda *given, **options: once(*given, protocol=how, **options))


def test_studies_the_losses_that_are_named(short, tmp_path, capsys):
    asked = ["study", "digits", "--losses", "SupCon", "NormSoftmax", "--out", str(tmp_path)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    found = comparison.Study.load(tmp_path / "digits.json")
    assert list(found.losses) == ["NormSoftmax", "SupCon"]
    assert said.startswith("digits: MAP@R ") and "untrained" in said and "SupCon" in said
    # Again: nothing is missing, so nothing is done anew.
    before = (tmp_path / "digits.json").read_bytes()
    assert main(asked) == 0
    assert (tmp_path / "digits.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "cars"], "dmlkit: name must be one of digits, fashion-mnist, omniglot, cub50, found 'cars'"),
        (["study", "digits", "--losses", "None"], "dmlkit: names must be among LinearCrossEntropy"),
    ],
)
def test_what_is_not_there_is_told_in_a_sentence(words, said, tmp_path, capsys):
    assert main([*words, "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(said)
    assert not list(tmp_path.iterdir())
