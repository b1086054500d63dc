"""`benchmarks`: the whole catalogue, and what is on this machine."""

import pytest

from dmlkit.command_line import main
from dmlkit.data import CATALOGUE, benchmark
from dmlkit.data.entry import TASKS


def test_every_data_set_is_listed_under_its_task(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    assert main(["benchmarks", "--root", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    blocks = {block.splitlines()[0]: block.splitlines()[1:] for block in told.strip().split("\n\n")}
    assert [*blocks][: len(TASKS)] == list(TASKS)
    for entry in CATALOGUE.values():
        heading = entry.task if entry.stands_in_for is None else "stand-ins"
        assert any(line.split()[0] == entry.name and entry.title in line for line in blocks[heading])
    assert str(tmp_path) in told


def states(capsys, *words):
    assert main(["benchmarks", *words]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    return {
        line.split()[0]: next((s for s in ("prepared", "at hand") if line.endswith(f"  {s}")), "") for line in lines
    }


def test_what_is_here(tmp_path, capsys, monkeypatch):
    """Digits come with scikit-learn; an archive that was placed by hand, or a pack, is at hand."""
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    root = ["--root", str(tmp_path)]
    found = states(capsys, *root)
    assert {name for name, state in found.items() if state} == {"digits"} and found["digits"] == "at hand"
    benchmark("digits", root=tmp_path)
    source = CATALOGUE["cub50"].sources[0]
    pack = tmp_path / "packs" / source.pack
    pack.parent.mkdir(parents=True)
    pack.touch()
    monkeypatch.setenv("DMLKIT_PACKS", str(tmp_path / "packs"))
    (tmp_path / "archives").mkdir()
    for source in CATALOGUE["in-shop"].sources[1:]:
        (tmp_path / "archives" / source.file).touch()
    found = states(capsys, *root)
    assert (found["digits"], found["cub50"], found["in-shop"]) == ("prepared", "at hand", "")
    (tmp_path / "archives" / CATALOGUE["in-shop"].sources[0].file).touch()
    assert states(capsys, *root)["in-shop"] == "at hand"


@pytest.mark.parametrize("name", CATALOGUE)
def test_all_about_one(name, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    assert main(["benchmarks", name, "--root", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    entry = CATALOGUE[name]
    for text in (entry.title, entry.licence, entry.citation, *entry.counts):
        assert text in told
    assert told.endswith(
        "On this machine: not prepared, and its files are not at hand.\n"
        if entry.sources
        else "On this machine: not prepared yet; its files are at hand, and the first use prepares it.\n"
    )


def test_one_that_is_prepared(tmp_path, capsys):
    benchmark("digits", root=tmp_path)
    assert main(["benchmarks", "digits", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith(f"On this machine: prepared, in {tmp_path / 'digits'}.\n")


def test_the_root_of_the_environment(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DMLKIT_DATA", str(tmp_path))
    assert main(["benchmarks"]) == 0
    assert str(tmp_path) in capsys.readouterr().out
