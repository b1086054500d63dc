"""The papers' result tables, parsed from the papers' own text, knowing nothing of the CSVs.

Each table of the text must be found, and read to its last character: what no row takes raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal

# (table, benchmark, method, setting, measure) → (value, interval), digit for digit, in parts of one.
Key = tuple[str, str, str, str, str]
Rows = dict[Key, tuple[str, str]]

UNREAD = "?"  # a cell whose digits the text has twice and differently
# What the text has for a name → the name. Each must still be in its text, or the entry is too old.
GARBLED = {
    "mutual information": {
        "Стоза Епигору": "Cross-Entropy",
        "Chass Entrans.": "Cross-Entropy",
        "10051100": "ResNet-50",
        "DagNot FO": "ResNet-50",
        "GoogLeNet -": "GoogLeNet",
    },
    "warped softmax": {"Warped-Sotmax": "Warped-Softmax"},
}
DATA_SETS = {
    "CIFAR-10": "cifar10",
    "CIFAR-100": "cifar100",
    "Caltech-101": "caltech101",
    "FGVC-Aircraft": "fgvc-aircraft",
    "Oxford Flowers": "flowers102",
    "Caltech-256": "caltech256",
    "Stanford Cars": "stanford-cars",
    "Average": "average",
}
CORRUPTIONS = {
    "Uncorrupted": "R@1",
    "Additive Noise: Gaussian": "R@1 under gaussian_noise",
    "Uniform": "R@1 under uniform_noise",
    "Salt and Pepper": "R@1 under salt_and_pepper",
    "Dropping Pixels: Dropout": "R@1 under pixel_dropout",
    "Cutout": "R@1 under cutout",
    "Geometric Distortions: Affine Shear": "R@1 under affine_shear",
    "Jigsaw": "R@1 under jigsaw",
    "Color Distortions: Add Hue and Saturation": "R@1 under hue_and_saturation",
    "Blur: Defocus Blur": "R@1 under defocus_blur",
}
FACE_HEAD = "Method LFW CFP-FP AgeDB-30 CALFW CPLFW "
FACES = ("lfw-bin", "cfp-fp", "agedb-30", "calfw", "cplfw")
CHECK_HEAD = "Complete (512-dim) Ensemble (512-dim) Aggregate (128-dim) Method MAP@R RP P@1 MAP@R RP P@1 MAP@R RP P@1 "


def parse(paper: str, text: str) -> Rows:
    """Every number of every result table of a paper.

    Raises:
        ValueError: a table is not there, or not all of it is rows.
    """
    for garbled, name in GARBLED.get(paper, {}).items():
        if garbled not in text:
            raise ValueError(f"the text of {paper!r} has no {garbled!r} any more")
        text = text.replace(garbled, name)
    rows: Rows = {}
    for table in TABLES[paper]:
        for key, value in table(text):
            if key in rows:
                raise ValueError(f"{key} stands there twice")
            rows[key] = value
    return rows


def differences(printed: Rows, written: Rows, left_out: Sequence[Key] = ()) -> list[str]:
    """What the text (`printed`) and the CSVs (`written`) do not have alike, one sentence each."""
    told = [f"the text has no {key}" for key in written if key not in printed]
    for key, numbers in printed.items():
        if (key in left_out) != (numbers[0] == UNREAD):
            told.append(f"{key} is left out, or cannot be read, but not both")
        elif key in left_out:
            told += [f"{key} is left out and stands in the CSV"] if key in written else []
        elif key not in written:
            told.append(f"the CSV has no {key}, printed {numbers}")
        elif written[key] != numbers:
            told.append(f"{key}: printed {numbers}, in the CSV {written[key]}")
    return told + [f"the text has no {key}, which is left out" for key in left_out if key not in printed]


def after(text: str, head: str, which: int = 0) -> str:
    """The rest of the line behind the head of a table, the head's occurrence number `which` of all."""
    pieces = re.findall(re.escape(head) + "(.*)", text)
    if len(pieces) <= which:
        raise ValueError(f"no table begins with {head!r}")
    return pieces[which].strip() + " "


def tiles(pattern: str, body: str) -> Iterator[re.Match[str]]:
    """Matches of the pattern, one behind the other, that fill all of the body."""
    place = 0
    while place < len(body):
        match = re.compile(pattern).match(body, place)
        if match is None:
            raise ValueError(f"no row of the table begins so: {body[place : place + 80]!r}")
        yield match
        place = match.end()


def part(percent: str) -> str:
    """What is printed in percent, in parts of one, with no digit more or less."""
    return percent if percent == UNREAD else str(Decimal(percent).scaleb(-2))


def without_reference(name: str) -> str:
    return re.sub(r" ?\[\d+\]$", "", name.strip())


def silhouette_1(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    lines = re.search(r"^\| CE \|.*\n\|[-|]+\|\n\| Dataset \|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    if lines is None:
        raise ValueError("no table begins with '| CE |'")
    cells = [[cell.strip() for cell in line.strip(" |").split("|")] for line in lines[0].splitlines()]
    arms = [arm for arm in cells[0] if arm]
    if cells[2] != ["Dataset"] + ["Top1", "Top5"] * len(arms):
        raise ValueError(f"the columns are no pairs of Top1 and Top5 for {arms}")
    for name, *values in cells[3:]:
        for arm, pair in zip(arms, zip(values[::2], values[1::2], strict=True), strict=True):
            for measure, value in zip(("top-1", "top-5"), pair, strict=True):
                if value != "–":
                    yield ("1", DATA_SETS[name], arm, "EfficientNet-B0", measure), (str(Decimal(value)), "")


def mutual_information_4(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    body = re.search(r"^Table 4\..*\n((?:.*\n)*?)5\.4 Results$", text, re.MULTILINE)
    if body is None:
        raise ValueError("no table begins with 'Table 4.'")
    benchmarks, ranks, found = iter(("cub200", "cars196", "sop", "in-shop")), [], []
    benchmark = ""
    for line in body[1].splitlines():
        halves = re.split(r"\t(?:(ℓ_2)|\\?cos)\s", line, maxsplit=1)
        if len(halves) == 3:
            found.append((benchmark, ranks, halves))
        elif re.fullmatch(r"[^\t]*\t[\d\t)]+", line):
            benchmark, ranks = next(benchmarks), re.findall(r"\d+", line.partition("\t")[2])
        elif line.strip() and "Recall at" not in line:
            raise ValueError(f"a row of Table 4 has no distance: {line!r}")
    for number, (benchmark, ranks, (left, euclidean, right)) in enumerate(found):
        method, backbone, values = _method_and_values(left, right, len(ranks))
        if not method or not backbone:  # one cell for two rows: the text has it in the lower one
            lower = found[number + 1][2]
            method, backbone, _ = _method_and_values(lower[0], lower[2], len(ranks))
        setting = f"{backbone}; {'euclidean' if euclidean else 'cosine'}"
        for rank, value in zip(ranks, values, strict=True):
            if value not in "-_":
                yield ("4", benchmark, method, setting, f"R@{rank}"), (part(value), "")


def _method_and_values(left: str, right: str, many: int) -> tuple[str, str, list[str]]:
    """Name, backbone and numbers of a row of Table 4 of the mutual-information paper.

    A number may be broken by a blank ("7 9.8"), its last digit repeated behind it ("91.3 3"), and the first of a row
    may stand there twice.
    """
    match = re.fullmatch(r"(BN-Inception|GoogLeNet|ResNet-\d+|)([\d.\s)_-]*)", right)
    if match is None:
        raise ValueError(f"a row of Table 4 cannot be read: {left!r} {right!r}")
    numbers = " ".join(match[2].replace(")", " ").split())
    numbers = re.sub(r"(?<= )(\d) (\d\.\d)(?= )", r"\1\2", numbers)
    numbers = re.sub(r"(\d\d\.(\d)) (\d)(?= )", lambda m: m[1] if m[2] == m[3] else UNREAD, numbers)
    values = numbers.split()
    if len(values) == many + 1 and values[0] == values[1]:
        values = values[1:]
    return without_reference(left.split("\t")[1]), match[1], values


def warped_i(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    body = after(
        text,
        "CUB-200-2011 CARS196 Stanford Online Products Method BB "
        "R@1 R@2 R@4 NMI R@1 R@2 R@4 NMI R@1 R@10 R@100 R@1000 ",
    )
    few, many = ("R@1", "R@2", "R@4", "NMI"), ("R@1", "R@10", "R@100", "R@1000")
    columns = [(s, m) for s, measures in (("cub200", few), ("cars196", few), ("sop", many)) for m in measures]
    group = ""
    heading = r"Recent Methods (with(?:out)?) a Validation Set: "
    row = r"(\*?)([A-Z][^\[†]*?)(†?) ?(?:\[\d+\] )?([IR]\d+) ((?:(?:\d\d\.\d|-) ){12})"
    for match in tiles(f"(?:{heading})?{row}", body):
        heading, star, method, dagger, backbone, values = match.groups()
        group = f"{heading} a validation set" if heading else group
        notes = [backbone, "large images" if dagger else group, "extra components" if star else ""]
        setting = "; ".join(filter(None, notes))
        for (benchmark, measure), value in zip(columns, values.split(), strict=True):
            if value != "-":
                yield ("I", benchmark, method.strip(), setting, measure), (part(value), "")


def warped_iii(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    body = after(text, "Function Comparisons R@1 NMI AvgDTP ")
    group, heading = "Function Comparisons", "Eq. 7 Warp Comparisons R@1 NMI AvgDTP "
    row = rf"({heading})?(?:(Pretrained \(ImageNet\)|\(Eq\. 4\)|\*\*\*\*) )?(\d\d\.\d) (\d\d\.\d) (\d+\.\d\d) "
    for number, (turn, label, recall, nmi, distance) in enumerate((m.groups() for m in tiles(row, body)), 1):
        group = "Eq. 7 Warp Comparisons" if turn else group
        lost = f"row {number} **** (label lost)" if label == "****" else f"row {number} (label lost)"
        method = lost if label in (None, "****") else label
        for measure, value in (("R@1", part(recall)), ("NMI", part(nmi)), ("AvgDTP", distance)):
            yield ("III", "cub200", method, group, measure), (value, "")


def warped_iv(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    arms = ("HIST", "ProxyNCA++", "Regular Softmax", "Warped Softmax")
    for match in tiles(r"(\D+) ((?:\d\d\.\d ){4})", after(text, f"Corruption {' '.join(arms)} ")):
        for arm, value in zip(arms, match[2].split(), strict=True):
            yield ("IV", "cub200", arm, "imgaug", CORRUPTIONS[match[1]]), (part(value), "")


def warped_v(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    row = r"([A-Z][^\d\[]*(?:4\))?) (?:\[\d+\] )?((?:\d\d\.\d\d ){5})"
    for match in tiles(row, after(text, FACE_HEAD)):
        for pairs, value in zip(FACES, match[2].split(), strict=True):
            yield ("V", "ms1mv2", match[1], "ResNet100", f"{pairs} accuracy"), (part(value), "")


def reality_check(text: str) -> Iterator[tuple[Key, tuple[str, str]]]:
    kinds = ("complete; 512-d", "ensemble; 512-d", "aggregate; 128-d")
    columns = [(kind, measure) for kind in kinds for measure in ("MAP@R", "R-Precision", "P@1")]
    of = (("VI", "cub200", "ResNet50"), ("VII", "cars196", "ResNet50"), ("VIII", "sop", "BN-Inception"))
    for which, (table, benchmark, backbone) in enumerate(of):
        row = r"([A-Z][^\d\[]*?) (?:\[\d+\] )?((?:\d+\.\d\d? ){18})"
        for match in tiles(row, after(text, CHECK_HEAD, which)):
            numbers = match[2].split()
            for (kind, measure), value, interval in zip(columns, numbers[::2], numbers[1::2], strict=True):
                yield (table, benchmark, match[1], f"{kind}; {backbone}", measure), (part(value), part(interval))


TABLES = {
    "silhouette": (silhouette_1,),
    "mutual information": (mutual_information_4,),
    "warped softmax": (warped_i, warped_iii, warped_iv, warped_v, reality_check),
}
