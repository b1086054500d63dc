"""The notebooks as they are committed: no outputs, fit for Colab, in the order that the contract of a chapter sets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import dmlkit

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("book/**/*.ipynb") if "checkpoints" not in str(p))
CHAPTERS = [name for name in NOTEBOOKS if Path(name).parent.name != "book"]
# The pages of a benchmark each, where a reader with a GPU runs the papers' settings; the part's two others have no run.
BENCHMARKS = [name for name in NOTEBOOKS if Path(name).parent.name == "benchmarks"]
TRAINING = [name for name in BENCHMARKS if Path(name).name not in ("the_benchmarks.ipynb", "results.ipynb")]

INSTALLS = """\
# Colab only: fetch the book's helper module, at the tag that this page was written for.
# Everywhere else `make book` or `pip install -e .` has installed it.
import sys

if "google.colab" in sys.modules:
    %pip install --quiet "dmlkit[live] @ git+{url}@v{version}\""""
DESCRIBES = """

from dmlkit import environment

print(environment.describe())"""


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
    """At the tag of this version, so that a page goes on working in Colab when dmlkit has changed."""
    first = next(cell for cell in read(name)["cells"] if cell["cell_type"] == "code")
    url = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    installs = INSTALLS.format(url=url, version=dmlkit.__version__)
    # A page whose numbers depend on the machine shows on which one they were made.
    assert "".join(first["source"]) == installs + DESCRIBES * (name in TRAINING)
    assert first["metadata"]["tags"] == ["remove-input" if name in TRAINING else "remove-cell"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_reads_well_raw_in_colab(name):
    """Colab shows a MyST directive or role as it is typed."""
    for text in sources(read(name), "markdown"):
        assert not re.search(r"^(```|:::)\{|\{[a-z:-]+\}`", text, re.MULTILINE), text[:200]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_asks_for_a_gpu_where_it_trains_at_full_scale_and_nowhere_else(name):
    metadata = read(name)["metadata"]
    asked = (metadata.get("accelerator"), metadata.get("colab", {}).get("gpuType"))
    assert asked == (("GPU", "T4") if name in TRAINING else (None, None))


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
        assert ("subplots(" in source) == bool(re.search(r"\bpicture\(", source))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_tells_which_data_it_uses(name):
    """A split prints what it holds and where it comes from, under which licence."""
    code = "\n".join(sources(read(name), "code"))
    loaded = re.findall(r"(\w+) = data\.digits\(", code)
    assert ("data.digits(" in code) == bool(loaded)
    assert not loaded or any(f"print({split})" in code for split in [*loaded, 'data.digits("plain")'])


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
PARTS = ("silhouette", "mutual_information", "warped_softmax", "one_view")
OF_PARTS = [name for name in CHAPTERS if Path(name).parent.name in PARTS]
# Choosing a loss is a page of decisions: it weighs what other chapters let the reader move, and has nothing of its own.
EXPLORERLESS = {"choosing_a_loss.ipynb"}


@pytest.mark.parametrize("name", [name for name in OF_PARTS if Path(name).name not in EXPLORERLESS])
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
