"""Three tables of a benchmark in Markdown: what is printed, what answers it, and runs that answer nothing printed."""

from __future__ import annotations

from collections.abc import Iterable

from dmlkit.command_line.options import headlines
from dmlkit.published import Published
from dmlkit.recipes import recipe
from dmlkit.records import Estimate, RunRecord, benchmark_of, check_alike, estimate, in_markdown
from dmlkit.results.answers import MEASURED, NO_RECIPE, NOT_RUN, Answer, answers, command, to_run
from dmlkit.results.reading import Results, why_not_full

# A table of more measures than this has a row a measure and a column a method.
_WIDEST = 7


def published_table(found: Results) -> str:
    """What the papers print on a benchmark: method × measure, a table for each of theirs, known slips below it.

    Args:
        found: of `read`.

    Returns:
        Markdown; a sentence where nothing is printed.

    Example:
        >>> from dmlkit.results import read
        >>> published_table(read("fashion-mnist"))
        'No paper of this book prints a number on fashion-mnist.'

    Used in the chapters of the part "Benchmarks".
    """
    if not found.published:
        return f"No paper of this book prints a number on {found.benchmark}."
    groups: dict[tuple[str, str], list[Published]] = {}
    for row in found.published:
        groups.setdefault((row.paper, row.table), []).append(row)
    return "\n\n".join(
        f"Paper {_letter(paper)}, Table {table}:\n\n{_printed(rows)}" for (paper, table), rows in groups.items()
    )


def _printed(rows: list[Published]) -> str:
    """One table of a paper, and under it what is doubtful in it."""
    measures = list(dict.fromkeys(row.measure for row in rows))
    methods = list(dict.fromkeys(method_of(row) for row in rows))
    digits = digits_of(rows)
    notes = list(dict.fromkeys(filter(None, (row.note for row in rows))))
    cells = {}
    for row in rows:
        note = row.note
        mark = f" [{notes.index(note) + 1}]" if note else ""
        cells[method_of(row), row.measure] = _number(row, digits) + mark
    if len(measures) > _WIDEST:
        head = ("measure", *methods)
        body = [(name, *(cells.get((method, name), "–") for method in methods)) for name in measures]
    else:
        head = ("method", *measures)
        body = [(method, *(cells.get((method, name), "–") for name in measures)) for method in methods]
    return "\n\n".join([in_markdown(head, body), *(f"[{k}] {note}" for k, note in enumerate(notes, start=1))])


def answers_table(found: Results) -> str:
    """Printed numbers that a recipe of ours answers, and what recorded full runs say to them.

    A number is measured where full runs of its recipe on the benchmark itself are recorded: their mean over seeds with
    its 95 % interval, beside it the best epoch on the test split where the paper's authors report that one, and the
    difference to the paper. What is not yet run follows with its command and its estimated cost, and what no recipe
    answers with its number of rows.

    Args:
        found: of `read`.

    Returns:
        Markdown. No run on a stand-in or at a smaller scale is ever in it.

    Raises:
        ValueError: two full runs of one recipe have the same seed, or other data.

    Used in the chapters of the part "Benchmarks".
    """
    listed, digits = answers(found), digits_of(found.published)
    rows = [_measured(answer, digits) for answer in listed if answer.state == MEASURED]
    rows += _waiting([answer for answer in listed if answer.state == NOT_RUN], digits)
    parts = []
    if rows:
        parts.append(in_markdown(("method", "measure", "paper", "ours", "difference", "state"), rows))
    waiting = to_run(listed)
    if waiting:
        lines = [_how_to_run(name, found.benchmark) for name in waiting]
        parts.append("\n".join(["Not yet run, with the cost of one seed:", "", *lines]))
    others = [answer.row for answer in listed if answer.state == NO_RECIPE]
    if others:
        names = ", ".join(dict.fromkeys(_plain(row.method) for row in others))
        parts.append(f"No recipe of ours, listed as published only: {len(others)} printed numbers ({names}).")
    return "\n\n".join(parts) or f"Neither a printed number nor a full run on {found.benchmark}."


def _measured(answer: Answer, digits: dict[tuple[str, ...], int]) -> tuple[str, ...]:
    """A row of what has been run."""
    row = answer.row
    ours = f"{_mean(answer.values)} ({seeds(answer.runs)}, {devices(answer.runs)})"
    if answer.best_on_test:
        ours = f"last epoch {ours}; best epoch on test {_mean(answer.best_on_test)}"
    difference = answer.difference
    if difference is None:
        apart = "–"
    elif isinstance(difference, Estimate):
        apart = f"{difference.mean:+.4f} ± {difference.half_width:.4f}"
    else:
        apart = f"{difference:+.4f}"
    name = f"`{answer.recipe}`" if row is None else _method_and_table(row)
    paper = "–" if row is None else _number(row, digits)
    return (name, answer.measure, paper, ours, apart, MEASURED)


def _waiting(listed: list[Answer], digits: dict[tuple[str, ...], int]) -> list[tuple[str, ...]]:
    """Rows of what has not been run: all measures of a method in one, as there is nothing to say of each."""
    groups: dict[str, list[Published]] = {}
    for answer in listed:
        groups.setdefault(_method_and_table(answer.row), []).append(answer.row)
    return [
        (
            name,
            ", ".join(row.measure for row in rows),
            ", ".join(_number(row, digits) for row in rows),
            "–",
            "–",
            NOT_RUN,
        )
        for name, rows in groups.items()
    ]


def _how_to_run(name: str, benchmark: str) -> str:
    from dmlkit import costs  # counts a network's arithmetic: not at the import of who wants none

    return f"- `{command(name, benchmark)}`: {costs.phrase(recipe(name, benchmark, scale='full'))}"


def stand_in_table(found: Results) -> str:
    """Recorded runs that no printed number may stand beside: other data, a smaller scale, other settings.

    Args:
        found: of `read`.

    Returns:
        Markdown, in which nothing is a paper's; a sentence where there are no such runs.

    Raises:
        ValueError: two runs of one name, data and scale have the same seed, or other settings or data.

    Used in the chapters of the part "Benchmarks".
    """
    groups = stand_in_groups(found.runs)
    if not groups:
        return f"No run on a stand-in or at a smaller scale is recorded for {found.benchmark}."
    rows, reasons = [], []
    for (name, data, scale), group in groups.items():
        done = [run for run in group if run.metrics]
        measures = dict.fromkeys(measure for run in done for measure in headlines(run.metrics))
        for measure in measures:
            having = [run for run in done if measure in run.metrics]
            numbers = [run.metrics[measure] for run in having]
            mean = str(estimate(numbers)) if len(numbers) > 1 else f"{numbers[0]:.3f}"
            rows.append((f"`{name}`", data, scale, measure, mean, str(len(having)), devices(having)))
        # Of other data or a smaller scale the row tells itself.
        reasons += [
            f"- `{name}`, seed {run.seed}: {why_not_full(run)}." for run in group if scale == "full" or run.stopped
        ]
    parts = ["Not comparable with any published number: other data, a smaller scale or other settings than a paper's."]
    if rows:
        parts.append(in_markdown(("recipe", "data", "scale", "measure", "mean ± 95 %", "seeds", "device"), rows))
    if reasons:
        parts.append("\n".join(["Why some of them do not count:", "", *reasons]))
    return "\n\n".join(parts)


def stand_in_groups(runs: Iterable[RunRecord]) -> dict[tuple[str, str, str], list[RunRecord]]:
    """Runs that may not stand beside a printed number, together by name, data and scale.

    Raises:
        ValueError: two of one group have the same seed, or other settings or data.
    """
    groups: dict[tuple[str, str, str], list[RunRecord]] = {}
    for run in runs:
        if why_not_full(run):
            instead = run.data.get("stands in for")
            data = run.data.get("name", benchmark_of(run)) + (f", for {instead}" if instead else "")
            groups.setdefault((run.name, data, run.config.get("scale", "–")), []).append(run)
    for group in groups.values():
        check_alike(group)
    return groups


def method_of(row: Published) -> str:
    """A method with what one must know of it to compare."""
    return _plain(f"{row.method}, {row.setting}" if row.setting else row.method)


def _plain(text: str) -> str:
    """Text whose asterisks stay asterisks in Markdown: one of the tables marks rows with four of them."""
    return text.replace("*", "\\*")


def _method_and_table(row: Published) -> str:
    return f"{method_of(row)} ({_letter(row.paper)}, Table {row.table})"


def _letter(paper: str) -> str:
    """S, M or W, as the book calls the papers."""
    return paper[0].upper()


def digits_of(rows: Iterable[Published]) -> dict[tuple[str, ...], int]:
    """(paper, table, measure) → digits after the point. The noughts that a float has lost are there again."""
    digits: dict[tuple[str, ...], int] = {}
    for row in rows:
        key = (row.paper, row.table, row.measure)
        digits[key] = max(digits.get(key, 2), len(f"{row.value:.6f}".rstrip("0").partition(".")[2]))
    return digits


def _number(row: Published, digits: dict[tuple[str, ...], int]) -> str:
    """A printed number, with its printed interval where there is one."""
    places = digits[row.paper, row.table, row.measure]
    number = f"{row.value:.{places}f}"
    return number if row.interval is None else f"{number} ± {row.interval:.{places}f}"


def _mean(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.4f}"
    ours = estimate(values)
    return f"{ours.mean:.4f} ± {ours.half_width:.4f}"


def seeds(runs: Iterable[RunRecord]) -> str:
    """How many, in words."""
    count = len(list(runs))
    return "1 seed" if count == 1 else f"{count} seeds"


def devices(runs: Iterable[RunRecord]) -> str:
    """What the runs computed on, each device once."""
    return ", ".join(dict.fromkeys(run.device for run in runs))
