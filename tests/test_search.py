"""The search: ranges, folds, going on after a kill, divergence; scores against slow loops; one real run."""

import argparse
import doctest
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlkit.data import miniature
from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet, Pixels
from dmlkit.data.locks import locked
from dmlkit.recipes import recipe
from dmlkit.recipes.config import to_json
from dmlkit.records import RunRecord, estimate
from dmlkit.search import (
    Categorical,
    LogUniform,
    Uniform,
    UniformInteger,
    add_arguments,
    command,
    complete_config,
    embeddings_of_test,
    ensemble,
    final_scores,
    fold_config,
    folds,
    main,
    replace_at,
    scores,
    search,
    space,
    trials,
)
from dmlkit.training import assembly
from dmlkit.training.assembly import open_data

pytest.importorskip("optuna", reason="a search needs Optuna")

CONFIG = recipe("reality_check", "cub200", scale="smoke")
LR, ALPHA = "phases.0.optimizer.lr", "loss.0.options.alpha"
SPACE = {LR: LogUniform(1e-6, 1e-1), ALPHA: Uniform(0, 1)}


def score_of(config):
    """Best at a learning rate of 10⁻³ and alpha ½; folds differ a little."""
    lr, alpha = config.phases[0].optimizer.lr, config.loss[0].options["alpha"]
    return 1 - 0.1 * abs(math.log10(lr) + 3) - abs(alpha - 0.5) + 0.01 * config.evaluation.fold[0]


class FakeRun:
    """Stands in for training: keeps its record as a run does, and counts what it was asked to train."""

    def __init__(self, diverges=lambda config: False):
        self.diverges, self.trained = diverges, []

    def __call__(self, config, *, folder, resume, progress, **options):
        if (folder / "record.json").is_file():
            return RunRecord.load(folder / "record.json")
        self.trained.append(config)
        folder.mkdir(parents=True)
        (folder / "weights.pt").write_bytes(b"weights")
        if self.diverges(config):
            raise FloatingPointError("the loss is not finite in epoch 1")
        found = {config.evaluation.best_by: score_of(config)}
        best = {"epoch": 1, "chosen on": "validation", "metrics": {"MAP@R": 0.0}, "validation metrics": found}
        record = RunRecord(config.recipe, config.seed, to_json(config), {}, {}, "cpu", best=best)
        record.save(folder / "record.json")
        return record


def found_in(folder, *, run=None, space=SPACE, config=CONFIG, **options):
    run = FakeRun() if run is None else run
    return search(config, space, storage=folder / "s.db", run=run, progress=False, **{"trials": 4, **options})


# Ranges


def test_unknown_paths(tmp_path):
    with pytest.raises(ValueError, match=r"did you mean loss\.0\.options\.alpha"):
        found_in(tmp_path, space={"loss.0.options.alhpa": Uniform(0, 1)})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Uniform(1, 1), "high must be greater than 1"),
        (lambda: Uniform(0, math.inf), "high must be a finite number"),
        (lambda: LogUniform(0, 1), "low must be greater than 0"),
        (lambda: UniformInteger(3, 2), "high must be greater than 3"),
        (lambda: UniformInteger(1, 2.5), "high must be an integer, found float"),
        (lambda: Categorical((1,)), "at least two different ones"),
        (lambda: Categorical((1, 1)), "at least two different ones"),
        (lambda: Categorical((1, [2])), "numbers, words, booleans or None, found list"),
    ],
)
def test_ranges_refuse(make, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        make()


# Folds


@given(st.lists(st.integers(0, 300), min_size=2, max_size=120), st.data())
@settings(max_examples=100, deadline=None)
def test_folds_are_a_partition(labels, data):
    classes = sorted(set(labels))
    if len(classes) < 2:
        return
    k = data.draw(st.integers(2, len(classes)))
    found = [(kept.tolist(), held.tolist()) for kept, held in folds(torch.tensor(labels), k)]
    assert len(found) == k
    assert [label for _, held in found for label in held] == classes  # each once, contiguous, in order
    assert all(sorted(kept + held) == classes and kept == sorted(kept) for kept, held in found)
    sizes = [len(held) for _, held in found]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("classes", "starts"), [(100, [0, 25, 50, 75]), (98, [0, 24, 49, 73])])
def test_folds_of_the_papers(classes, starts):
    """Parts begin at int(i/4 · C), as in the reality check's code: CUB's hundred classes, Cars' ninety-eight."""
    assert [held[0].item() for _, held in folds(torch.arange(classes))] == starts


@pytest.mark.parametrize(("k", "sentence"), [(1, "2 … 5"), (6, "found 6"), (2.0, "an integer, found float")])
def test_folds_refuse(k, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        folds(torch.arange(5), k)


def with_gaps():
    """Training classes 1, 4, 5, 8 and 9 of ten, of which image 2i and 2i + 1 show class i."""
    images = ImageSet(Pixels(torch.zeros(20, 2, 2, dtype=torch.uint8)), torch.arange(20) // 2, list("abcdefghij"))
    return images.of_classes([1, 4, 5, 8, 9])


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("make", [with_gaps, lambda: miniature("cub200").train])
def test_a_fold_counts_its_classes_from_zero(make, number):
    images = make()
    name = {place: images.classes[label] for place, label in zip(images.places.tolist(), images.labels, strict=True)}
    train, held = assembly._held_out(images, fold_config(CONFIG, number, 3))
    assert train.labels.unique().tolist() == list(range(train.num_classes))
    assert sorted(train.places.tolist() + held.places.tolist()) == images.places.tolist()
    kept, out = folds(images.labels, 3)[number]
    for part, classes in ((train, kept), (held, out)):
        assert {part.classes[label] for label in part.labels.tolist()} == {images.classes[c] for c in classes.tolist()}
        for place, label in zip(part.places.tolist(), part.labels.tolist(), strict=True):
            assert part.classes[label] == name[place]


def test_a_fold_reaches_proxies():
    """The held-out classes are the first here: without counting anew there would be proxies of no class."""
    data = open_data(fold_config(CONFIG, 0, 2))
    assert (data.num_classes, data.train.num_classes, data.validation.num_classes) == (2, 2, 2)
    assert data.validation.transform is data.test["test"].transform


@pytest.mark.parametrize(
    ("evaluation", "sentence"),
    [
        ({"validation": None, "fold": (0, 2)}, "expected validation 'classes', found None"),
        ({"validation": "images", "fold": (0, 2)}, "expected validation 'classes', found 'images'"),
        ({"validation": "classes", "fold": (2, 2)}, "fold must lie in 0 … 1, found 2"),
        ({"validation": "classes", "fold": (0, 5)}, "2 … 4, the number of training classes, found 5"),
    ],
)
def test_impossible_folds(evaluation, sentence):
    config = replace(CONFIG, evaluation=replace(CONFIG.evaluation, **evaluation))
    with pytest.raises(ValueError, match=sentence):
        open_data(config)


# The search


def test_what_is_found(tmp_path):
    run = FakeRun()
    result = found_in(tmp_path, run=run, trials=5, folds=3)
    assert len(result.trials) == 5
    assert len(run.trained) == 15
    for trial in result.trials:
        chosen = replace_at(replace_at(CONFIG, LR, trial.settings[LR]), ALPHA, trial.settings[ALPHA])
        expected = [score_of(fold_config(chosen, number, 3)) for number in range(3)]
        assert trial.folds == pytest.approx(expected, abs=0)
        assert trial.score == pytest.approx(sum(expected) / 3)
        assert 1e-6 <= trial.settings[LR] <= 0.1
    best = max(result.trials, key=lambda trial: trial.score)
    assert (result.score, result.settings) == (best.score, best.settings)
    assert result.config == replace_at(replace_at(CONFIG, LR, best.settings[LR]), ALPHA, best.settings[ALPHA])
    for config in run.trained:
        assert config.evaluation.best_by == "MAP@R"
        assert config.seed == CONFIG.seed
    assert not list(tmp_path.rglob("weights.pt"))
    assert len(list(tmp_path.rglob("record.json"))) == 15


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The trials of a search that nobody interrupted; of a shorter one they are the beginning of these."""
    return found_in(tmp_path_factory.mktemp("whole"), trials=20, folds=2).trials


def test_the_same_seed_proposes_the_same(tmp_path, whole):
    assert found_in(tmp_path, trials=11, folds=2, name="again").trials == whole[:11]
    assert found_in(tmp_path, trials=1, folds=2, name="other", seed=1).trials[0].settings != whole[0].settings


def test_in_parts_as_in_one(tmp_path, whole):
    """Parts end before, at and after the ten random trials with which the sampler begins."""
    run = FakeRun()
    for total in (4, 10, 12):
        in_parts = found_in(tmp_path, run=run, trials=total, folds=2)
        assert in_parts.trials == whole[:total]
    assert len(run.trained) == 12 * 2
    assert found_in(tmp_path, run=run, trials=5, folds=2) == in_parts  # done already
    assert len(run.trained) == 12 * 2


def test_logarithms(whole):
    """Were the numbers uniform and not their logarithms, one in a thousand draws would lie below 10⁻⁴."""
    below = sum(trial.settings[LR] < 1e-4 for trial in whole[:10])
    assert 1 <= below <= 9


def test_it_learns(whole):
    tried = [trial.score for trial in whole]
    assert sum(tried[14:]) / 6 > sum(tried[:10]) / 10 + 0.1


def test_kinds_of_ranges(tmp_path):
    kinds = {
        "batches.size": Categorical((4, 8)),
        "phases.0.epochs": UniformInteger(1, 3),
        "phases.0.optimizer.clip_value": Categorical((None, 10.0)),
        ALPHA: Uniform(0, 0.1),
    }
    result = found_in(tmp_path, space=kinds, trials=8, folds=2)
    tried = {path: {trial.settings[path] for trial in result.trials} for path in kinds}
    assert tried["batches.size"] == {4, 8}
    assert tried["phases.0.epochs"] == {1, 2, 3}
    assert tried["phases.0.optimizer.clip_value"] == {None, 10.0}
    assert all(0 <= alpha <= 0.1 for alpha in tried[ALPHA])


KILLED = """
import sys, time
from pathlib import Path
from tests.test_search import FakeRun, found_in

class Hangs(FakeRun):
    def __call__(self, config, **options):
        if len(self.trained) == 5:
            print("hangs", flush=True)
            time.sleep(600)
        return super().__call__(config, **options)

found_in(Path(sys.argv[1]), run=Hangs(), trials=5, folds=2)
"""


def test_killed_in_the_middle(tmp_path, root, whole):
    """Killed in the second fold of the third trial: two trials and one fold are kept, the rest is as uninterrupted."""
    import optuna

    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "hangs\n"
    process.kill()  # SIGKILL
    process.wait()
    process.stdout.close()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("record.json")}
    assert len(before) == 5

    run = FakeRun()
    assert found_in(tmp_path, run=run, trials=5, folds=2).trials == whole[:5]
    assert len(run.trained) == 5 * 2 - 5
    assert {path: path.stat().st_mtime_ns for path in before} == before
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{(tmp_path / 's.db').as_posix()}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 2 + ["FAIL"] + ["COMPLETE"] * 3
    assert study.trials[2].params == study.trials[3].params


def test_interrupted_by_the_reader(tmp_path, whole):
    class Interrupted(FakeRun):
        def __call__(self, config, **options):
            if len(self.trained) == 3:
                raise KeyboardInterrupt
            return super().__call__(config, **options)

    first, second = Interrupted(), FakeRun()
    with pytest.raises(KeyboardInterrupt):
        found_in(tmp_path, run=first, trials=3, folds=2)
    assert found_in(tmp_path, run=second, trials=3, folds=2).trials == whole[:3]
    assert (len(first.trained), len(second.trained)) == (3, 3)


def test_divergence(tmp_path):
    """Most trials lose their second run; the search goes on, and the sampler keeps away from there."""
    too_large = FakeRun(lambda config: config.phases[0].optimizer.lr > 1e-5 and config.evaluation.fold[0] == 1)
    result = found_in(tmp_path, run=too_large, trials=16, folds=2)
    diverged = [trial for trial in result.trials if trial.settings[LR] > 1e-5]
    assert len(result.trials) == 16
    assert 3 < len(diverged)
    assert all(trial.score is None and trial.folds == () for trial in diverged)
    assert {trial.reason for trial in diverged} == {"the loss is not finite in epoch 1"}
    assert result.settings[LR] <= 1e-5
    shares = [sum(t.score is None for t in part) / len(part) for part in (result.trials[:10], result.trials[10:])]
    assert shares[1] < shares[0]
    # What the diverged runs left is gone, and counts when the search is called again.
    assert not list(tmp_path.rglob("weights.pt"))
    again = FakeRun()
    assert found_in(tmp_path, run=again, trials=16, folds=2) == result
    assert again.trained == []


def test_all_diverged(tmp_path):
    with pytest.raises(FloatingPointError, match="all 2 trials diverged, the last one: the loss is not finite"):
        found_in(tmp_path, run=FakeRun(lambda config: True), trials=2)


def test_another_search_of_the_same_name(tmp_path):
    others = [
        {"folds": 3},
        {"metric": "P@1"},
        {"seed": 1},
        {"space": {**SPACE, LR: LogUniform(1e-6, 1e-2)}},
        {"space": {LR: SPACE[LR]}},
        {"config": replace_at(CONFIG, "phases.1.epochs", 9)},
    ]
    found_in(tmp_path, trials=1, name="mine")
    for other in others:
        with pytest.raises(DataError, match="holds a search 'mine' with other settings: give this one another name"):
            found_in(tmp_path, trials=1, name="mine", **other)
    assert len(found_in(tmp_path, trials=1, name="another", **others[0]).trials) == 1  # in the same file


def test_any_folder(tmp_path):
    folder = tmp_path / "50% ä #1"
    folder.mkdir()
    found_in(folder, trials=1)
    assert sorted(path.name for path in folder.iterdir()) == ["s-runs", "s.db"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_not_a_file_of_searches(tmp_path):
    (tmp_path / "s.db").write_text("a note of mine, longer than the header of a database would be, and no database")
    with pytest.raises(DataError, match=r"s\.db cannot be used as a search's file \(file is not a database\)"):
        found_in(tmp_path)
    assert (tmp_path / "s.db").read_text().startswith("a note of mine")


def test_one_search_at_a_time(tmp_path):
    run = FakeRun()
    with locked(tmp_path / "s.db"), pytest.raises(DataError, match="another process"):
        found_in(tmp_path, run=run)
    assert run.trained == []


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"space": {}}, ValueError, "space is empty"),
        ({"space": {LR: (0, 1)}}, TypeError, "found tuple"),
        ({"trials": 0}, ValueError, "trials must be at least 1, found 0"),
        ({"trials": 2.0}, TypeError, "trials must be an integer, found float"),
        ({"folds": 1}, ValueError, "folds must be at least 2, found 1"),
        ({"metric": "NMI"}, ValueError, "metric must be one of 'MAP@R', .*found 'NMI'"),
        ({"config": recipe("silhouette/CE", "cifar10", scale="smoke")}, ValueError, "a search needs 'retrieval'"),
    ],
)
def test_refused_before_any_work(options, error, sentence, tmp_path):
    run = FakeRun()
    with pytest.raises(error, match=sentence):
        found_in(tmp_path, run=run, **{"space": {LR: SPACE[LR]}, **options})
    assert run.trained == []
    assert not any(tmp_path.iterdir())


def test_other_errors_end_the_search(tmp_path):
    """Bad data is no bad setting: nothing is noted against it, and it is tried again."""

    def without_data(config, **options):
        raise DataError("cub200 is not there")

    with pytest.raises(DataError, match="not there"):
        found_in(tmp_path, run=without_data, trials=2)
    assert len(found_in(tmp_path, trials=2).trials) == 2


def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ModuleNotFoundError, match=r'^a search needs Optuna: pip install "dmlkit\[search\]"$'):
        found_in(tmp_path)


def test_optuna_keeps_its_voice(tmp_path, capfd):
    import optuna

    before = optuna.logging.get_verbosity()
    found_in(tmp_path, trials=1)
    assert optuna.logging.get_verbosity() == before
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_options_reach_the_run(tmp_path):
    seen = []

    class Listens(FakeRun):
        def __call__(self, config, **options):
            seen.append((options["device"], options["workers"]))
            return super().__call__(config, **options)

    found_in(tmp_path, run=Listens(), trials=1, folds=2, device="cpu", workers=3)
    assert seen == [("cpu", 3)] * 2


# Scores


def embeddings(widths, rows=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, generator=generator) * (7.0 ** (i - 1)) for i, width in enumerate(widths)]


def test_ensemble_by_loop():
    members = embeddings((3, 5, 2))
    found = ensemble(members)
    assert found.shape == (12, 10)
    for i in range(12):
        expected = []
        for rows in members:
            length = math.sqrt(sum(float(h) ** 2 for h in rows[i]))
            expected += [float(h) / length for h in rows[i]]
        assert found[i].tolist() == pytest.approx(expected, abs=1e-6)


def test_cosine_of_an_ensemble():
    members = embeddings((3, 5, 2))
    cosines = [torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=2) for rows in members]
    together = ensemble(members)
    found = torch.nn.functional.cosine_similarity(together[:, None], together[None], dim=2)
    assert torch.allclose(found, sum(cosines) / 3, atol=1e-6)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [([], "members is empty"), ([torch.ones(2, 3), torch.ones(3, 3)], r"as many rows each, found \[2, 3\]")],
)
def test_ensembles_refuse(members, sentence):
    with pytest.raises(ValueError, match=sentence):
        ensemble(members)


def by_loop(similarity, labels):
    """MAP@R, R-Precision and P@1 of one similarity matrix, query by query."""
    found = []
    for query in range(len(labels)):
        others = [i for i in range(len(labels)) if i != query]
        others.sort(key=lambda i: -similarity[query][i])
        relevant = [labels[i] == labels[query] for i in others]
        r = sum(relevant)
        precision = [sum(relevant[: i + 1]) / (i + 1) for i in range(r)]
        found.append(
            (sum(p for p, hit in zip(precision, relevant, strict=False) if hit) / r, precision[-1], relevant[0])
        )
    return [sum(column) / len(labels) for column in zip(*found, strict=True)]


def similarities(rows, distance):
    rows = rows.double()
    if distance == "euclidean":
        return (-torch.cdist(rows, rows)).tolist()
    return torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=2).tolist()


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_scores_by_loop(distance):
    labels = torch.arange(12) // 3
    repeats = [embeddings((4, 4, 4), seed=seed) for seed in range(3)]
    complete = [rows for seed in range(3) for rows in embeddings((6,), seed=10 + seed)]
    found = scores(repeats, labels, complete=complete, distance=distance)
    assert list(found) == ["aggregate", "ensemble", "complete"]
    y = labels.tolist()
    expected = {
        "aggregate": [
            [sum(column) / 3 for column in zip(*(by_loop(similarities(m, distance), y) for m in members), strict=True)]
            for members in repeats
        ],
        "ensemble": [by_loop(similarities(ensemble(members), "cosine"), y) for members in repeats],
        "complete": [by_loop(similarities(rows, distance), y) for rows in complete],
    }
    for score, many in expected.items():
        for column, measure in enumerate(("MAP@R", "R-Precision", "P@1")):
            interval = estimate(one[column] for one in many)
            assert found[score][measure].mean == pytest.approx(interval.mean, abs=1e-9), (score, measure)
            assert found[score][measure].half_width == pytest.approx(interval.half_width, abs=1e-9)
            assert found[score][measure].runs == 3


def test_scores_without_the_wide_network():
    labels = torch.arange(12) // 3
    repeats = [embeddings((4, 4), seed=seed) for seed in range(2)]
    assert list(scores(iter(repeats), labels)) == ["aggregate", "ensemble"]
    with pytest.raises(ValueError, match="'aggregate|'ensemble.* needs at least two repeats, found 1"):
        scores(repeats[:1], labels)
    with pytest.raises(ValueError, match="'complete' needs at least two repeats, found 1"):
        scores(repeats, labels, complete=repeats[0][:1])


@pytest.mark.parametrize(
    ("best", "epochs"),
    [
        ([10, 10], [10]),  # ends with the first phase
        ([10, 11], [12, 3]),
        ([1], [5]),
        ([12, 13, 13], [12, 3]),
        ([18, 20], [12, 8]),  # no more than there are
    ],
)
def test_complete_config(best, epochs):
    base = fold_config(replace_at(replace_at(CONFIG, "phases.0.epochs", 12), "phases.1.epochs", 8), 1, 4)
    wide = complete_config(base, best)
    assert [phase.epochs for phase in wide.phases] == epochs
    assert wide.network.embedding_dim == 512
    assert (wide.evaluation.validation, wide.evaluation.fold, wide.evaluation.best_by) == (None, None, None)
    assert wide.recipe == f"{CONFIG.recipe}/complete"
    assert wide.phases[0].optimizer == base.phases[0].optimizer


@pytest.mark.parametrize("best", [[], [0, 3]])
def test_complete_config_refuses(best):
    with pytest.raises(ValueError, match="at least one number from 1 on"):
        complete_config(CONFIG, best)


def test_an_unfinished_folder(tmp_path):
    with pytest.raises(DataError, match=r"has no record.json: finish its run first"):
        embeddings_of_test(tmp_path)


def test_final_scores_need_two():
    with pytest.raises(ValueError, match="repeats must be at least 2"):
        final_scores(CONFIG, "unused", repeats=1)


# The command line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=log:1e-6:1e-1", ("a.b", LogUniform(1e-6, 0.1))),
        ("a=uniform:-1:2", ("a", Uniform(-1.0, 2.0))),
        ("a=integer:1:5", ("a", UniformInteger(1, 5))),
        ("a=choice:4,0.5,adam,true,none", ("a", Categorical((4, 0.5, "adam", True, None)))),
    ],
)
def test_read_range(text, expected):
    assert command.read_range(text) == expected


@pytest.mark.parametrize(
    "text", ["a", "a=log:1", "a=log:1:2:3", "a=log:0:1", "a=integer:1:2.5", "a=normal:0:1", "a=choice:1"]
)
def test_ranges_that_cannot_be_read(text):
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)[1:-1]):
        command.read_range(text)


def test_really(tmp_path, capsys):
    """Two trials of two folds on the miniature, and the best settings' scores; called again, nothing is trained."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert "--range phases.0.optimizer.lr=log" in parser.format_help()
    told = ["cub200", "--scale", "smoke", "--range", f"{LR}=log:1e-4:1e-2", "--storage", str(tmp_path / "s.db")]
    told += ["--trials", "2", "--folds", "2", "--repeats", "2", "--device", "cpu"]
    assert main(parser.parse_args(told)) == 0
    said = capsys.readouterr().out
    assert "on held-out classes, best of 2 trials\n" in said
    assert f"  {LR} = 0.00" in said
    for score in ("aggregate", "ensemble", "complete"):
        assert f"  {score:<9}  MAP@R " in said
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name in ("record.json", "weights.pt")}
    assert sorted(path.name for path in kept) == ["record.json"] * 10 + ["weights.pt"] * 6

    assert main(parser.parse_args(told)) == 0
    assert capsys.readouterr().out == said
    assert {path: path.stat().st_mtime_ns for path in kept} == kept

    [folder] = tmp_path.glob("s-final/*/seed-0/fold-1")
    record = RunRecord.load(folder / "record.json")
    rows, labels = embeddings_of_test(folder, device="cpu")
    assert rows.shape == (len(labels), 16)
    found = scores([[rows], [rows]], labels, distance="euclidean")["aggregate"]
    assert found["MAP@R"].mean == pytest.approx(record.best["metrics"]["MAP@R"], abs=1e-12)
    assert record.config["evaluation"]["fold"] == [1, 2]

    # The head is linear and the last: twice its weights are twice the embeddings.
    saved = torch.load(folder / "weights.pt", weights_only=True)
    for name in ("head.weight", "head.bias"):
        saved["best network"][name] *= 2
    torch.save(saved, folder / "weights.pt")
    assert torch.equal(embeddings_of_test(folder, device="cpu")[0], 2 * rows)


@pytest.mark.parametrize("module", [space, trials, command, sys.modules["dmlkit.search.scores"], assembly])
def test_examples(module):
    globals_ = {**vars(module), "torch": torch}
    assert doctest.testmod(module, extraglobs=globals_, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
