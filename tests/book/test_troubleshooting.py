"""Troubleshooting: what it quotes of this project is what the project says, word for word."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import torch
from built_book import ROOT

from dmlkit import losses, recipes, training
from dmlkit.book_files import book_file
from dmlkit.data import benchmark

PAGE = (ROOT / "book/troubleshooting.md").read_text(encoding="utf-8")
QUOTES = re.findall(r"^```text\n(.+?)\n```", PAGE, re.DOTALL | re.MULTILINE)
# Words of others: Python, Colab, NumPy, torch.
FOREIGN = (
    "ModuleNotFoundError: ",
    "Support for third party widgets",
    "ValueError: numpy.dtype",
    "You cannot currently connect",
    "RuntimeError: ",
    "torch.OutOfMemoryError: ",
    "OSError: [Errno 98]",
)
OURS = [quote for quote in QUOTES if not quote.startswith(FOREIGN)]


class Texts(ast.NodeVisitor):
    """All texts of a Python file but its docstrings, with a gap where an f-string has a value."""

    def __init__(self, file: Path) -> None:
        self.found: list[str] = []
        self.visit(ast.parse(file.read_text(encoding="utf-8")))

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self.found.append("".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.append(node.value)


SAID = [text for file in (ROOT / "dmlkit").rglob("*.py") for text in Texts(file).found]
SAID += Texts(ROOT / "tests/book/conftest.py").found
SAID.append(re.sub(r"\$\([^)]*\)", "\0", (ROOT / "Makefile").read_text(encoding="utf-8")))


def missing(quote: str) -> list[str]:
    """The clauses of a quote that nothing in the project says; one sentence may be put together from several texts."""
    clauses = [clause.strip() for clause in re.split("…|[,:;] ", quote)]
    return [clause for clause in clauses if len(clause) > 3 and not any(clause in text for text in SAID)]


@pytest.mark.parametrize("quote", OURS)
def test_a_quote_is_in_the_code(quote):
    assert any(len(part) > 10 for part in quote.split("…"))
    assert missing(quote) == []


def test_a_changed_sentence_would_be_found():
    assert missing("a full run needs a GPU, and there is none") and missing("… was lost by the post: fetch it …")
    assert len(OURS) >= 20 and len(OURS) < len(QUOTES)


def quoted(error: BaseException) -> bool:
    """Whether the page has a quote that this error fits, whole."""
    said = str(error)
    return any(re.fullmatch(".*".join(map(re.escape, quote.split("…"))), said, re.DOTALL) for quote in OURS)


def rows() -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def taken(folder: Path) -> None:
    config = recipes.warped_softmax("cub200", scale="smoke")
    (folder / "record.json").write_text("{}")
    training.run(config, folder=folder)


@pytest.mark.parametrize(
    "does",
    [
        lambda folder: benchmark("cub200"),
        lambda folder: benchmark("cars196"),
        lambda folder: benchmark("cub50"),
        lambda folder: benchmark("cub-200"),
        lambda folder: benchmark("cub200", root=folder / "file" / "below"),
        lambda folder: training.run(recipes.warped_softmax("cub200", scale="full")),
        taken,
        lambda folder: training.checkpoints.load(_checkpoint(folder), "another"),
        lambda folder: losses.sup_con(rows(), LABELS.float()),
        lambda folder: losses.EuclideanSoftmax(2, 4)(rows(), LABELS),
        lambda folder: losses.sup_con(rows(), LABELS.to("meta")),
        lambda folder: book_file("runs/of_another_time"),
    ],
)  # fmt: skip
def test_what_really_goes_wrong_is_on_the_page(does, tmp_path, monkeypatch):
    monkeypatch.setenv("DMLKIT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("dmlkit.book_files.installed_from", dict)
    (tmp_path / "file").write_text("where a folder should be")
    with pytest.raises((RuntimeError, ValueError, TypeError)) as caught:
        does(tmp_path)
    assert quoted(caught.value), caught.value


def _checkpoint(folder: Path) -> Path:
    training.checkpoints.save(folder / "checkpoint.pt", "one", {})
    return folder / "checkpoint.pt"


def test_commands_and_settings_that_it_names_exist():
    config = recipes.warped_softmax("cub200", scale="small")
    assert config.phases[0].optimizer.lr and config.batches.size
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`(?:\w+=\S+ )?make ([\w-]+)", PAGE):
        assert f"\n{target}:" in makefile, target
    options = "".join((ROOT / f"dmlkit/command_line/{name}.py").read_text() for name in ("train", "options"))
    for option in set(re.findall(r"--(?:set|runs|resume|workers|scale|recipe)\b", PAGE)):
        assert f'"{option}"' in options, option


def test_what_is_installed_for_live_cells_is_what_dmlkit_asks_for():
    live = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["live"]
    assert "pip install " + " ".join(f'"{package}"' for package in live) in PAGE


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", PAGE):
        assert "://" in target or (ROOT / "book" / target).exists(), target
