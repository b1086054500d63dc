"""The notebooks as they are committed: no outputs, fit for Colab, in the order that the contract of a chapter sets."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("book/**/*.ipynb") if "checkpoints" not in str(p))
CHAPTERS = [name for name in NOTEBOOKS if Path(name).parent.name != "book"]


def read(name: str) -> dict:
    return json.loads((ROOT / name).read_text(encoding="utf-8"))


def sources(notebook: dict, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def leftovers(notebook: dict) -> list[str]:
    """What running a notebook leaves in it and what must not be committed."""
    return [
        f"cell {k}: outputs or execution count"
        for k, cell in enumerate(notebook["cells"])
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"] is not None)
    ]


def test_there_are_notebooks():
    assert len(CHAPTERS) >= 2


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_has_no_outputs(name):
    assert leftovers(read(name)) == []


def test_outputs_would_be_found():
    output = {"output_type": "stream", "name": "stdout", "text": ["1"]}
    ran = {"cell_type": "code", "source": ["1"], "outputs": [output], "execution_count": 1}
    assert leftovers({"cells": [{"cell_type": "markdown", "source": []}, ran]}) == [
        "cell 1: outputs or execution count"
    ]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_is_in_the_table_of_contents(name):
    assert f"{name.removesuffix('.ipynb')}\n" in (ROOT / "_toc.yml").read_text(encoding="utf-8") + "\n"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_first_code_cell_installs_dmlkit_in_colab_only(name):
    notebook = read(name)
    first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    source = "".join(first["source"])
    url = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    assert first["metadata"]["tags"] == ["remove-cell"]
    assert re.search(
        rf'if "google.colab" in sys.modules:\n    %pip install --quiet "dmlkit\[live\] @ git\+{url}"', source
    )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_reads_well_raw_in_colab(name):
    """Colab shows a MyST directive or role as it is typed."""
    for text in sources(read(name), "markdown"):
        assert not re.search(r"^(```|:::)\{|\{[a-z:-]+\}`", text, re.MULTILINE), text[:200]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_asks_for_no_gpu(name):
    assert "accelerator" not in read(name)["metadata"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_lead_somewhere(name):
    for text in sources(read(name), "markdown"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (ROOT / name).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_figure_passes_through_picture(name):
    """`picture` refuses a figure without alt text; a figure shown in any other way would slip by."""
    for source in sources(read(name), "code"):
        assert "plt.show" not in source
        assert ("subplots(" in source) == ("picture(" in source)


@pytest.mark.parametrize("name", CHAPTERS)
def test_keeps_the_contract_of_a_chapter(name):
    text = "\n".join(sources(read(name), "markdown"))
    parts = ["After this chapter you can", "**Before you start.**", "**Data.**", "## The idea", "## Predict, then "]
    parts += ["xperiment", "## Exercises", "## Quiz", "## Summary", "## References"]
    places = [text.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    goals = text[places[0] : places[1]].count("\n- ")
    assert 3 <= goals <= 5
    quiz = text[places[7] : places[8]]
    assert 3 <= quiz.count("**Q") <= 5
    everything = json.dumps(read(name), ensure_ascii=False)
    exercises = len(re.findall(r"^\*\*\d\.\*\*", text, re.MULTILINE))
    solutions = everything.count("# @title Solution") + everything.count("<summary>Solution</summary>")
    assert exercises == solutions >= 2


# Folders of parts whose chapters follow the whole contract: explorer, live cell, four exercises.
PARTS = ("silhouette", "mutual_information", "warped_softmax")
OF_PARTS = [name for name in CHAPTERS if Path(name).parent.name in PARTS]


@pytest.mark.parametrize("name", OF_PARTS)
def test_has_an_explorer_and_a_live_cell(name):
    code = "\n".join(sources(read(name), "code"))
    assert re.search(r"^explorers\.\w+\(", code, re.MULTILINE)
    assert re.search(r"^interact\(", code, re.MULTILINE)


@pytest.mark.parametrize("name", OF_PARTS)
def test_has_four_exercises_of_which_two_run(name):
    text = "\n".join(sources(read(name), "markdown"))
    exercises = text[text.index("## Exercises") : text.index("## Quiz")]
    assert len(re.findall(r"^\*\*\d\.\*\*", exercises, re.MULTILINE)) >= 4
    assert sum(source.startswith("# @title Solution") for source in sources(read(name), "code")) >= 2


def questions(text: str) -> list[list[tuple[str, str]]]:
    """The options of each question of a quiz: (what is offered, what unfolds)."""
    quiz = text[text.index("## Quiz") : text.index("## Summary")]
    option = re.compile(r"<details>\s*<summary>([A-E]\. .+?)</summary>\n\n(.+?)\n\n</details>", re.DOTALL)
    return [option.findall(question) for question in re.split(r"^\*\*Q\d\.\*\*", quiz, flags=re.MULTILINE)[1:]]


@pytest.mark.parametrize("name", CHAPTERS)
def test_quiz_answers_each_option(name):
    """Every option is a fold of its own that says right or wrong, and why: it needs neither kernel nor script."""
    quiz = questions("\n".join(sources(read(name), "markdown")))
    assert 3 <= len(quiz) <= 5
    places = []
    for options in quiz:
        assert [offered[0] for offered, _ in options] == list("ABCDE")[: len(options)]
        assert 3 <= len(options) <= 5
        right = [answer.startswith("**Right.**") for _, answer in options]
        assert right.count(True) == 1
        assert all(answer.startswith(("**Right.**", "**Not quite.**")) for _, answer in options)
        assert all(len(answer) > 30 for _, answer in options)  # it says why
        assert not any("$" in offered for offered, _ in options)  # a summary is HTML: no formula is typeset there
        places.append(right.index(True))
    assert len(set(places)) > 1  # who always clicks the same letter learns nothing


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_solutions_are_folded_in_the_page_and_in_colab(name):
    for cell in read(name)["cells"]:
        if "".join(cell["source"]).startswith("# @title Solution"):
            assert cell["metadata"]["tags"] == ["hide-cell"]
            assert cell["metadata"]["cellView"] == "form"
            assert cell["metadata"]["mystnb"]["code_prompt_show"] == "Solution"


address = runpy.run_path(str(ROOT / "tools/address.py"))


def test_one_address_everywhere():
    assert address["main"](["--check"]) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("git clone https://github.com/old/name.git\n", "git clone https://github.com/new/book.git\n"),
        ('"dmlkit[live] @ git+https://github.com/old/na-me"', '"dmlkit[live] @ git+https://github.com/new/book"'),
        ("research.google.com/github/old/name/blob/main/x", "research.google.com/github/old/name/blob/main/x"),
        ("colab.research.google.com/github/old/name/blob/main", "colab.research.google.com/github/new/book/blob/main"),
        ("[x](https://old.github.io/name)", "[x](https://new.github.io/book)"),
        ("rev of https://github.com/astral-sh/ruff-pre-commit", "rev of https://github.com/astral-sh/ruff-pre-commit"),
    ],
)
def test_another_address_is_carried_through(before, after):
    assert address["carried"](before, "new/book") == after


def test_address_finds_every_file_that_spells_it(tmp_path):
    """Whatever file of the project names the repository is either carried along or the one place."""
    owner_and_name = address["address"]()
    covered = {p for pattern in address["_FILES"] for p in ROOT.glob(pattern)} | {ROOT / "_config.yml"}
    for folder in (".", "book", "dmlkit", "tools", "tests", ".github", ".ci"):
        files = ROOT.glob("*") if folder == "." else (ROOT / folder).rglob("*")
        for file in files:
            if file.suffix in {".py", ".md", ".ipynb", ".yml", ".toml", ".cff", ".txt", ".js", ""} and file.is_file():
                text = file.read_text(encoding="utf-8", errors="ignore")
                assert owner_and_name not in text or file in covered, file
