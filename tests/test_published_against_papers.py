"""The CSVs of `book/published` against the papers' text, both ways, digit for digit.

The texts are not ours to distribute: the folder that holds them is named by DMLKIT_PAPERS. That the comparison can
fail is tested on texts of our own making, everywhere.
"""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

import paper_tables
import pytest
from paper_tables import CHECK_HEAD, FACE_HEAD, UNREAD, after, differences, parse

from dmlkit.data import CATALOGUE

TABLES = Path(__file__).parents[1] / "book" / "published"
FILES = {
    "silhouette": "silhouette_loss.txt",
    "mutual information": "mutual_information_view.txt",
    "warped softmax": "realigned_softmax_warping.txt",
}
# Numbers that the text has and the CSVs do not. Their last digit stands there twice and differently.
LEFT_OUT = {
    "silhouette": [],
    "mutual information": [("4", "sop", m, "GoogLeNet; cosine", "R@100") for m in ("HDC", "HTL", "ABE")],
    "warped softmax": [],
}
needs_papers = pytest.mark.skipif(
    "DMLKIT_PAPERS" not in os.environ,
    reason="the papers' texts are not ours to distribute: name a folder with them in DMLKIT_PAPERS",
)


def text_of(paper):
    return (Path(os.environ["DMLKIT_PAPERS"]) / FILES[paper]).read_text(encoding="utf-8")


def written(paper):
    """The CSVs' cells as they stand there, not yet numbers: 0.300 is not 0.30."""
    rows = {}
    for file in sorted(TABLES.glob("*.csv")):
        with open(file, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if row["paper"] == paper:
                    key = tuple(row[name] for name in ("table", "benchmark", "method", "setting", "measure"))
                    assert key not in rows
                    rows[key] = (row["value"], row["interval"])
    return rows


@needs_papers
@pytest.mark.parametrize(("paper", "many"), [("silhouette", 104), ("mutual information", 205), ("warped softmax", 518)])
def test_every_number_both_ways(paper, many):
    printed = parse(paper, text_of(paper))
    assert differences(printed, written(paper), LEFT_OUT[paper]) == []
    assert len(printed) - len(LEFT_OUT[paper]) == many


@needs_papers
@pytest.mark.parametrize(
    ("paper", "numbers"),
    [
        ("silhouette", {"1"}),
        ("mutual information", {"1", "2", "3", "4"}),
        ("warped softmax", {"I", "II", "III", "IV", "V", "VI", "VII", "VIII"}),
    ],
)
def test_no_table_is_forgotten(paper, numbers):
    """The tables that the running text names; it calls Table I of the warped softmax "Table 1" in the appendix."""
    named = re.findall(r"\bTab(?:le|\.) ([IVX]+|\d+)((?:, (?:and )?[IVX]+\b)*)", text_of(paper))
    found = {number for one, more in named for number in (one, *re.findall("[IVX]+", more))}
    assert found - ({"1"} if paper == "warped softmax" else set()) == numbers


@needs_papers
def test_tables_of_definitions_hold_no_results():
    """Tables 1 and 2 of the mutual-information paper are mathematics: they stand in book/statements.csv."""
    text = text_of("mutual information")
    for first, last in (("Table 1. ", "2 On the two views"), ("Table 2. ", "Lemma 1. ")):
        body = text[text.index(f"\n{first}") :]
        body = body[len(first) + 1 : body.index(f"\n{last}")]
        assert len(body) > 500 and not re.search(r"\d\.\d", body)


@needs_papers
def test_the_table_of_deviations_is_lost():
    """Of Table II of the warped softmax the text has the head alone; with its numbers it would belong into a CSV."""
    assert after(text_of("warped softmax"), "Dataset R@1 R@2 R@4 NMI ") == "CUB CARS Dataset R@1 R@10 R@100 R@1000 SOP "


@needs_papers
@pytest.mark.parametrize(
    ("head", "benchmark"),
    [
        ("Caltech-UCSD Birds-200-2011 (CUB) [32] Birds ", "cub200"),
        ("Cars Dataset [12] Cars ", "cars196"),
        ("Stanford Online Products (SOP) [27] House furniture ", "sop"),
        ("In-shop Clothes Retrieval [14] Clothes ", "in-shop"),
    ],
)
def test_the_facts_of_data_sets_are_the_catalogue_s(head, benchmark):
    """Table 3 of the mutual-information paper: classes and images, of which the text has lost some blanks."""
    counts = CATALOGUE[benchmark].counts
    # Query and gallery show the same classes.
    classes = sum(count.classes for split, count in counts.items() if split != "gallery")
    found = re.match(r"[\d ]+", after(text_of("mutual information"), head))
    assert found[0].replace(" ", "") == f"{classes}{sum(count.images for count in counts.values())}"


@needs_papers
def test_the_facts_of_data_sets_in_the_running_text():
    """Section IV-A of the warped softmax; it has two images fewer of Cars-196 than there are."""
    text = text_of("warped softmax")
    cub, cars, sop = (CATALOGUE[name].counts for name in ("cub200", "cars196", "sop"))
    images = {name: f"{count.images:,}" for name, count in cub.items()}
    assert f"first {images['train']} images" in text and f"last {images['test']} images" in text
    assert f"{sum(count.images for count in cars.values()) - 2:,} images divided into 196 classes" in text
    classes, all_images = (sum(getattr(count, name) for count in sop.values()) for name in ("classes", "images"))
    assert f"{classes:,} classes across {all_images:,} images" in text
    assert f"({sop['train'].classes:,}/{sop['test'].classes:,})" in text


# That each kind of fault is found: texts of our own making, with numbers that no paper prints.

TEXT = """Before.
| CE | B+C | ||
|---|---|---|---|---|
| Dataset | Top1 | Top5 | Top1 | Top5 |
| CIFAR-10 | 0.1110 | 0.2220 | 0.3330 | – |
| Average | 0.4440 | 0.5550 | 0.6660 | – |
After.
"""
KEY = ("1", "cifar10", "B+C", "EfficientNet-B0", "top-1")
FACE_TEXT = f"Before. {FACE_HEAD}Mine [7] 11.10 22.20 33.30 44.40 55.50 Softmax (Eq. 4) 10.00 20.00 30.00 40.00 50.01\n"


def test_equal_tables_do_not_differ():
    rows = parse("silhouette", TEXT)
    assert len(rows) == 6 and rows[KEY] == ("0.3330", "")
    assert differences(rows, dict(rows)) == []


@pytest.mark.parametrize("value", ["0.3331", "0.333", "0.33300"])
def test_another_digit_is_found(value):
    rows = parse("silhouette", TEXT)
    assert differences(rows, rows | {KEY: (value, "")}) == [
        f"{KEY}: printed ('0.3330', ''), in the CSV ('{value}', '')"
    ]
    assert len(differences(rows, rows | {KEY: ("0.3330", "0.1")})) == 1
    changed = parse("silhouette", TEXT.replace("0.3330", value))
    assert len(differences(changed, rows)) == 1


def test_a_missing_and_an_additional_row_are_found():
    rows = parse("silhouette", TEXT)
    fewer = {key: numbers for key, numbers in rows.items() if key != KEY}
    assert differences(rows, fewer) == [f"the CSV has no {KEY}, printed ('0.3330', '')"]
    assert differences(fewer, rows) == [f"the text has no {KEY}"]
    shorter = parse("silhouette", TEXT.replace("| CIFAR-10 | 0.1110 | 0.2220 | 0.3330 | – |\n", ""))
    assert len(differences(shorter, rows)) == 3 and len(differences(rows, shorter)) == 3


def test_what_is_left_out_must_be_unreadable():
    rows = parse("silhouette", TEXT)
    fewer = {key: numbers for key, numbers in rows.items() if key != KEY}
    assert differences(rows | {KEY: (UNREAD, "")}, fewer, [KEY]) == []
    assert len(differences(rows | {KEY: (UNREAD, "")}, fewer)) == 1
    assert len(differences(rows | {KEY: (UNREAD, "")}, rows, [KEY])) == 1
    assert len(differences(rows, fewer, [KEY])) == 1
    assert len(differences(fewer, fewer, [KEY])) == 1


@pytest.mark.parametrize("paper", FILES)
def test_a_text_without_the_tables_is_refused(paper):
    with pytest.raises(ValueError, match=r"no table begins with|has no .* any more"):
        parse(paper, "Nothing to see.")


def test_running_text_is_read_to_its_end():
    found = dict(paper_tables.warped_v(FACE_TEXT))
    assert found["V", "ms1mv2", "Softmax (Eq. 4)", "ResNet100", "cplfw accuracy"] == ("0.5001", "")
    assert len(found) == 10
    for broken in (FACE_TEXT.replace(" 50.01", " 50.01 60.00"), FACE_TEXT.replace(" 30.00", ""), FACE_TEXT[:-2] + "x"):
        with pytest.raises(ValueError, match="no row of the table begins so"):
            dict(paper_tables.warped_v(broken))
    with pytest.raises(ValueError, match="no table begins with 'Complete"):
        after(f"{CHECK_HEAD}first\n{CHECK_HEAD}second\n", CHECK_HEAD, 2)


def test_cells_that_came_apart():
    """Rows as Table 4 of the mutual-information paper has them for Stanford Online Products."""

    def values(right, many=4):
        return paper_tables._method_and_values("x\tMine [7]", right, many)

    assert values("ResNet-50\t11.1\t2\t2.2\t33.3\t3\t44.4") == ("Mine", "ResNet-50", ["11.1", "22.2", "33.3", "44.4"])
    assert values("GoogLeNet\t11.1\t2\t2.2\t33.4\t3\t44.4")[2] == ["11.1", "22.2", UNREAD, "44.4"]
    assert values("\t11.1\t11.1 22.2\t\t33.3\t\t_")[1:] == ("", ["11.1", "22.2", "33.3", "_"])
    with pytest.raises(ValueError, match="cannot be read"):
        values("ResNet-50\t11.1\tand more")
