"""The command line as a whole: help that needs no torch, exit statuses, one sentence for what cannot be done."""

import os
import shlex
import subprocess
import sys

import pytest

from dmlkit import command_line
from dmlkit.command_line import main, options
from dmlkit.data.errors import DataError
from dmlkit.training.distributed import RankFailed

COMMANDS = ("train", "record", "evaluate", "compare", "study", "sweep", "faces", "benchmarks")


def dmlkit(*words, **environment):
    """What `python -m dmlkit` does in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "dmlkit", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=120,
    )


def test_help_in_a_process_of_its_own(tmp_path):
    """A torch that cannot be imported stands for one that takes long."""
    (tmp_path / "torch.py").write_text("raise ImportError('help must not wait for torch')")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = dmlkit("--help", PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (*COMMANDS, "python -m dmlkit train cub200"):
        assert word in done.stdout
    assert dmlkit("train", "--help", PYTHONPATH=path).returncode == 0


def test_statuses_in_a_process_of_its_own(tmp_path):
    failed = dmlkit("benchmarks", "cub20")
    assert failed.returncode == 1
    assert failed.stderr.startswith("dmlkit: there is no data set named 'cub20': did you mean")
    assert failed.stderr.count("\n") == 1 and failed.stdout == ""
    assert dmlkit("benchmark").returncode == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_worked_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    epilog = told.partition("a worked example")[2]
    examples = [line for line in epilog.splitlines() if " -m dmlkit " in line]
    assert any(f" -m dmlkit {command}" in line for line in examples)
    for line in examples:
        words = shlex.split(line.partition(" -m dmlkit ")[2])
        command_line._parser(words).parse_args(words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["unknown"],
        ["train"],
        ["train", "cub200", "--scale", "smoke"],
        ["train", "cub200", "--recipe", "warped_softmax"],
        ["train", "cub200", "--recipe", "warped_softmax", "--scale", "tiny"],
        ["train", "cub200", "--recipe", "a", "--loss", "silhouette", "--scale", "smoke"],
        ["train", "cub200", "--loss", "unknown", "--scale", "smoke"],
        ["train", "cub200", "--recipe", "a", "--scale", "smoke", "--seeds", "0"],
        ["train", "cub200", "--recipe", "a", "--scale", "smoke", "--seeds", "2", "--seed", "1"],
        ["train", "cub200", "--recipe", "a", "--scale", "smoke", "--workers", "-1"],
        ["evaluate"],
        ["evaluate", "runs", "--tolerance", "much"],
        ["compare"],
    ],
)
def test_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "usage: python -m dmlkit" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fault",
    [
        DataError("the disk is full"),
        ValueError("the disk is full"),
        FloatingPointError("the disk\nis full"),
        RankFailed("the disk is full"),
        ImportError("the disk is full"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(fault, monkeypatch, capsys):
    def fail(arguments):
        raise fault

    monkeypatch.setattr(command_line.COMMANDS["compare"], "main", fail)
    assert main(["compare", "runs"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "dmlkit: the disk is full\n")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(command_line.COMMANDS["compare"], "main", lambda arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["compare", "runs"])


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_interrupted_training_says_how_to_go_on(resume, monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.COMMANDS["train"], "main", interrupt)
    words = ["train", "cub200", "--recipe", "silhouette", "--arm", "CE+Sil", "--scale", "small", "--runs", "my runs"]
    assert main([*words, *resume]) == 130
    told = capsys.readouterr().err
    assert told.startswith("dmlkit: interrupted; to go on: python -m dmlkit ")
    assert shlex.split(told.partition(" -m dmlkit ")[2]) == [*words, "--resume"]


def test_interrupted_otherwise(monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line.COMMANDS["compare"], "main", interrupt)
    assert main(["compare", "runs"]) == 130
    assert capsys.readouterr().err == "dmlkit: interrupted\n"


def test_only_the_first_process_prints_and_each_says_why_it_failed(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    options.say("done")
    assert main(["benchmarks", "cub20"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("dmlkit, rank 1: there is no data set")
    monkeypatch.setenv("RANK", "0")
    options.say("done")
    assert capsys.readouterr().out == "done\n"


def test_devices():
    options.check_device(None)
    options.check_device("cpu")
    with pytest.raises(ValueError, match="device 'gpu' cannot be used here: .*") as fault:
        options.check_device("gpu")
    assert "\n" not in str(fault.value)


def test_headlines():
    assert options.headlines({"R@1": 0.5, "R@2": 0.6, "NMI": 0.4}) == {"R@1": 0.5, "NMI": 0.4}
    assert options.headlines({"lfw accuracy": 0.9, "lfw TAR@0.1": 0.6}) == {"lfw accuracy": 0.9}
    assert options.headlines({"silhouette": 0.5}) == {"silhouette": 0.5}
    assert options.headlines({}) == {}
