"""A whole run: the same record again and after any interruption, nothing lost, bad input refused before any work."""

import copy
import dataclasses
import json
import math
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import ADAM, config, eventful

from dmlkit import losses
from dmlkit.data import DataError
from dmlkit.data.transforms import UNIT
from dmlkit.recipes.config import Batches, Evaluation, LossTerm, Network, Optimizer, Phase, to_json
from dmlkit.records import RunRecord
from dmlkit.training import checkpoints
from dmlkit.training import run as run_function
from dmlkit.training.assembly import build_loss, open_data, set_options
from dmlkit.training.batches import training_batches
from dmlkit.training.run import _Phase

FOLDER = Path(__file__).parent


def run(config, **options):
    return run_function(config, progress=False, device="cpu", **options)


def result(record):
    """All of a record that must not depend on the clock or on the working tree."""
    content = dataclasses.asdict(record)
    for name in ("seconds", "speed", "code"):
        del content[name]
    return content


@pytest.fixture(scope="module")
def undisturbed():
    """The record and weights of the eventful run, never interrupted."""
    return result(run(eventful()))


def test_the_same_seed_gives_the_same_record(undisturbed):
    state = torch.get_rng_state()
    torch.rand(3)
    before = torch.get_rng_state()
    assert result(run(eventful())) == undisturbed
    assert torch.equal(torch.get_rng_state(), before)  # and leaves the caller's random numbers alone
    torch.set_rng_state(state)


def test_points_of_the_record_are_those_that_were_measured(tmp_path):
    how = Evaluation(("train_accuracy", "proxy_distance", "points"), distance="euclidean")
    record = run(config(network=Network("tiny_cnn", embedding_dim=2), evaluation=how), folder=tmp_path)
    assert set(record.metrics) == {"train top-1", "AvgDTP"}
    kept = RunRecord.load(tmp_path / "record.json")
    (rows, labels), (proxies, _) = kept.points_of("train"), kept.points_of("proxies")
    apart = torch.cdist(torch.tensor(rows), torch.tensor(proxies))
    assert len(labels) == record.data["train"]  # fewer than would be kept: all of them
    assert apart[torch.arange(len(labels)), labels].mean().item() == pytest.approx(record.metrics["AvgDTP"], rel=1e-3)
    assert len(kept.points_of("test")[0]) == record.data["test"]
    assert run(config()).points == {}


def test_another_seed_gives_another_record(undisturbed):
    assert result(run(eventful(seed=1)))["curves"]["loss"] != undisturbed["curves"]["loss"]


@pytest.mark.parametrize(
    ("asked", "device", "processes", "readers"),
    [
        (None, "cpu", 1, 0),
        (None, "cuda", 1, 8),
        (None, "cuda", 4, 2),
        (None, "cuda", 16, 1),
        (3, "cuda", 1, 3),
        (0, "cuda", 1, 0),
    ],
)
def test_beside_a_gpu_all_cores_read(monkeypatch, asked, device, processes, readers):
    module = sys.modules["dmlkit.training.run"]
    monkeypatch.setattr(module, "cores", lambda: 8)
    monkeypatch.setattr(module, "world_size", lambda: processes)
    assert module._readers(asked, torch.device(device)) == readers


def test_workers_do_not_matter(undisturbed):
    assert result(run(eventful(), workers=1)) == undisturbed


def test_the_record_tells_what_was_run(undisturbed):
    record = run(config())
    assert record.config["network"]["backbone"] == "tiny_cnn"
    assert record.data["name"] == "cub200 (miniature)" and record.data["checksum"].startswith("sha256:")
    assert (record.data["train"], record.data["classes"], record.data["test"]) == (24, 4, 24)
    assert len(record.curves["loss"]) == 2 and record.curves["evaluated after epoch"] == [1, 2]
    assert record.curves["R@1"][-1] == record.metrics["R@1"]
    assert record.speed["images per second"] > 0 and record.versions["torch"] == torch.__version__


class Stopped(Exception):
    pass


STEPS = 4 * 3


@pytest.mark.parametrize("step", range(STEPS))
def test_a_run_interrupted_at_any_step_goes_on_bit_by_bit(undisturbed, step, tmp_path, monkeypatch):
    """Stopped in the middle of a step, where the checkpoint of the one before is the newest."""
    done, descend = 0, _Phase.descend

    def stumbling(self, *arguments):
        nonlocal done
        if done == step:
            raise Stopped
        done += 1
        return descend(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_Phase, "descend", stumbling)
        with pytest.raises(Stopped):
            run(eventful(), folder=tmp_path, minutes=0)
    assert (tmp_path / "checkpoint.pt").exists() == (step > 0)
    assert result(run(eventful(), folder=tmp_path, resume=True)) == undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record.json", "weights.pt"]


PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from small import eventful
from dmlkit.training import run
module = sys.modules["dmlkit.training.run"]
import time
descend = module._Phase.descend
def slowly(self, *arguments):
    print("step", flush=True)
    time.sleep(0.05)
    return descend(self, *arguments)
module._Phase.descend = slowly
run(eventful(), folder=sys.argv[2], minutes=0, resume=True, progress=False, device="cpu")
"""


def test_a_killed_process_loses_nothing(undisturbed, tmp_path):
    """SIGKILL at a random moment, three times; then the run is finished."""
    chance = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(FOLDER), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "step\n"
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        process.wait()
    assert result(run(eventful(), folder=tmp_path, resume=True)) == undisturbed


def test_ctrl_c_ends_after_the_step_with_a_checkpoint(undisturbed, tmp_path, monkeypatch):
    """Although the next checkpoint was ten minutes away."""
    done, descend = 0, _Phase.descend

    def interrupting(self, *arguments):
        nonlocal done
        done += 1
        if done == 4:
            signal.raise_signal(signal.SIGINT)
        return descend(self, *arguments)

    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(_Phase, "descend", interrupting)
        with pytest.raises(KeyboardInterrupt):
            run(eventful(), folder=tmp_path)
    assert done == 4 and (tmp_path / "checkpoint.pt").exists()
    assert signal.getsignal(signal.SIGINT) is before
    assert result(run(eventful(), folder=tmp_path, resume=True)) == undisturbed


def test_a_finished_run_of_other_settings_is_not_returned(tmp_path):
    run(config(), folder=tmp_path)
    with pytest.raises(DataError, match="is of a run with other settings"):
        run(config(seed=1), folder=tmp_path, resume=True)


def test_a_finished_run_is_not_run_again(tmp_path, monkeypatch):
    first = run(config(), folder=tmp_path)
    monkeypatch.setattr(_Phase, "descend", None)
    assert run(config(), folder=tmp_path, resume=True) == first == RunRecord.load(tmp_path / "record.json")


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    run(config(), folder=tmp_path)
    with pytest.raises(DataError, match="holds a run already: resume it, or name another folder"):
        run(config(), folder=tmp_path)


def interrupted(settings, folder, monkeypatch, after=2):
    """A folder with a checkpoint."""
    done, descend = 0, _Phase.descend

    def stumbling(self, *arguments):
        nonlocal done
        done += 1
        if done > after:
            raise Stopped
        return descend(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(_Phase, "descend", stumbling)
        with pytest.raises(Stopped):
            run(settings, folder=folder, minutes=0)


def test_a_checkpoint_of_another_config_is_refused(tmp_path, monkeypatch):
    interrupted(config(), tmp_path, monkeypatch)
    with pytest.raises(DataError, match="belongs to a run with other settings"):
        run(config(seed=1), folder=tmp_path, resume=True)


@pytest.mark.parametrize("damage", [lambda raw: raw[:100], lambda raw: b"", lambda raw: b"x" * 1000])
def test_a_damaged_checkpoint_is_refused(tmp_path, monkeypatch, damage):
    interrupted(config(), tmp_path, monkeypatch)
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="is not a checkpoint of dmlkit") as error:
        run(config(), folder=tmp_path, resume=True)
    assert "\n" not in str(error.value)


class Hostile:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_checkpoint_that_would_run_something_is_refused(tmp_path, capsys):
    torch.save({"fingerprint": config().fingerprint, "network": Hostile()}, tmp_path / "checkpoint.pt")
    with pytest.raises(DataError, match="is not a checkpoint of dmlkit"):
        run(config(), folder=tmp_path, resume=True)
    assert "this ran" not in capsys.readouterr().out


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    checkpoints.save(path, "a", {"step": 1})

    def full(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DataError, match="is full"):
        checkpoints.save(path, "a", {"step": 2})
    assert checkpoints.load(path, "a")["step"] == 1
    assert [item.name for item in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    descend, done = _Phase.descend, 0

    def diverging(self, *arguments):
        nonlocal done
        done += 1
        return descend(self, *arguments) * (math.nan if done == 5 else 1)

    monkeypatch.setattr(_Phase, "descend", diverging)
    with pytest.raises(FloatingPointError, match="is not finite in phase 1, epoch 2, step 2; lower the learning rate"):
        run(config(), folder=tmp_path, minutes=0)
    kept = checkpoints.load(tmp_path / "checkpoint.pt", config().fingerprint)
    assert kept["progress"]["step"] == 1
    assert all(value.isfinite().all() for value in kept["network"].values())
    record = RunRecord.load(tmp_path / "record.json")
    assert re.search("is not finite in phase 1, epoch 2, step 2; lower the learning rate", record.stopped)
    assert record.metrics == {} and len(record.curves["loss"]) == 1 and record.curves["evaluated after epoch"] == [1]
    assert record.seconds > 0 and record.config == to_json(config())
    with pytest.raises(FloatingPointError, match=re.escape(record.stopped)):  # and says so again, without any work
        run(config(), folder=tmp_path, resume=True)


def test_weights_that_the_last_step_spoilt_end_the_run_too(tmp_path):
    """The loss before that step was finite."""
    huge = config(batches=Batches(24), phases=(Phase(1, Optimizer("sgd", lr=1e38)),))
    with pytest.raises(FloatingPointError, match="embeddings that are not finite: lower the learning rate"):
        run(huge, folder=tmp_path)
    assert "embeddings that are not finite" in RunRecord.load(tmp_path / "record.json").stopped


def test_a_run_that_was_finished_was_not_stopped(undisturbed):
    assert undisturbed["stopped"] == ""


def test_the_best_weights_are_kept(tmp_path):
    how = Evaluation(("retrieval",), ks=(1,), validation="images", validation_share=1 / 3, best_by="MAP@R")
    settings = config(evaluation=how, phases=(Phase(3, ADAM),), batches=Batches(8))
    record = run(settings, folder=tmp_path)
    kept = checkpoints.load(tmp_path / "weights.pt", settings.fingerprint)
    same = all(torch.equal(kept["network"][name], value) for name, value in kept["best network"].items())
    assert same == (record.best["epoch"] == 3)


# Bad input, refused before any step.


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"benchmark": "cub-200"}, ValueError, "did you mean 'cub200'"),
        ({"transforms": "warpd"}, ValueError, "did you mean 'warped'"),
        ({"loss": (LossTerm("WarpedSoftMax"),)}, ValueError, "no loss 'WarpedSoftMax': did you mean WarpedSoftmax"),
        ({"loss": (LossTerm("SupCon", {"temprature": 1}),)}, TypeError, "SupCon.*its options are temperature"),
        ({"network": Network("tiny_cn")}, ValueError, "tiny_cnn"),
        ({"batches": Batches(50)}, ValueError, "batch_size must be at most 24"),
        ({"batches": Batches(16, classes=8)}, ValueError, "at most 4, the number of classes"),
        ({"batches": Batches(9, classes=4)}, ValueError, "9 images cannot have 4 classes"),
        ({"evaluation": Evaluation(("recall",))}, ValueError, "measure must be one of"),
        ({"evaluation": Evaluation(("retrieval",), best_by="R@3")}, ValueError, "best_by must be one of .*found 'R@3'"),
        (
            {"evaluation": Evaluation(("spread",), best_by="ratio")},
            ValueError,
            "best_by must be one of .*found 'ratio'",
        ),
        ({"evaluation": Evaluation(("points",))}, ValueError, "embedding_dim must be at most 3 for points.*found 8"),
        (
            {"loss": (LossTerm("SupCon"),), "evaluation": Evaluation(("proxy_distance",))},
            ValueError,
            "proxy_distance needs a loss that holds proxies .*found SupCon",
        ),
        ({"phases": (Phase(1, dataclasses.replace(ADAM, name="adan")),)}, ValueError, "optimizer must be one of"),
        ({"precision": "float8"}, ValueError, "precision must be one of"),
        ({"phases": (Phase(1, ADAM, loss_options=((0, {0: {"gama": 1}}),)),)}, ValueError, "no option 'gama'"),
    ],
)
def test_bad_settings(changes, error, message, monkeypatch):
    monkeypatch.setattr(_Phase, "descend", None)
    with pytest.raises(error, match=message):
        run(config(**changes))


def test_a_full_run_asks_for_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="needs a GPU, and none is here"):
        run_function(config(scale="full"))


def test_missing_data(tmp_path):
    with pytest.raises(DataError, match="Birds-200-2011 is not here"):
        run(config(scale="full"), root=tmp_path)


# What a phase does.


def step_of(phase, **changes):
    """The network, before and after one step of a phase."""
    settings = config(phases=(phase,), network=Network("tiny_cnn", embedding_dim=8), **changes)
    data = open_data(settings)
    torch.manual_seed(0)
    from dmlkit.models import build

    network = build(settings.network)
    loss = build_loss(settings.loss, data.num_classes, {"embeddings": 8, "features": network.num_features})
    before = copy.deepcopy(network), copy.deepcopy(loss)
    made = _Phase(settings, 0, phase, network, loss, torch.device("cpu"), False)
    images = torch.rand(8, 3, 32, 32)
    from dmlkit.training.run import Progress

    made.descend(images, torch.arange(8) % 4, Progress(), 3)
    return before, (network, loss)


def moved(before, after):
    return {name for (name, a), b in zip(before.named_parameters(), after.parameters(), strict=True) if not a.equal(b)}


def test_a_frozen_backbone_stays():
    before, after = step_of(Phase(1, ADAM, train_backbone=False))
    backbone = {name for name, _ in after[0].named_parameters() if name.startswith("backbone")}
    assert backbone and not backbone & moved(before[0], after[0])
    assert moved(before[0], after[0]) and moved(before[1], after[1])


def test_everything_trains_otherwise():
    before, after = step_of(Phase(1, ADAM))
    assert moved(before[0], after[0]) == {name for name, _ in after[0].named_parameters()}


def test_gradients_of_the_network_are_clipped_and_the_losses_are_not():
    limit = 1e-6
    _, after = step_of(Phase(1, Optimizer("sgd", lr=0.0, clip_value=limit)))
    assert max(p.grad.abs().max() for p in after[0].parameters()) <= limit
    assert max(p.grad.abs().max() for p in after[1].parameters()) > 100 * limit
    _, after = step_of(Phase(1, Optimizer("sgd", lr=0.0, clip_norm=limit)))
    assert torch.cat([p.grad.flatten() for p in after[0].parameters()]).norm() <= 1.001 * limit


def test_options_are_set_at_their_epoch_and_kept():
    settings = config(
        phases=(
            Phase(3, ADAM, loss_options=((0, {0: {"scale": 5.0}}), (2, {0: {"scale": 3.0}}))),
            Phase(2, ADAM, loss_options=((1, {0: {"r": 2.0}}),)),
        )
    )
    loss = build_loss(settings.loss, 4, {"embeddings": 8})
    seen = []
    for phase, epochs in enumerate((3, 2)):
        for epoch in range(epochs):
            set_options(loss, settings, phase, epoch)
            term = loss.losses["WarpedSoftmax"]
            seen.append((term.scale, term.r))
    assert seen == [(5.0, 1.0), (5.0, 1.0), (3.0, 1.0), (3.0, 1.0), (3.0, 2.0)]


def test_a_phase_may_bring_other_losses(tmp_path, monkeypatch):
    """A linear probe after contrastive pre-training; also when the run is resumed inside it."""
    settings = config(
        benchmark="cifar10",
        loss=(LossTerm("SupCon"),),
        batches=Batches(8, classes=4, views=2),
        phases=(
            Phase(1, ADAM),
            Phase(1, ADAM, train_backbone=False, terms=(LossTerm("LinearCrossEntropy", tap="features"),)),
        ),
        evaluation=Evaluation(("accuracy",), every=2),
    )
    record = run(settings)
    assert 0 <= record.metrics["top-1"] <= 1
    steps = 48 // 8
    interrupted(settings, tmp_path, monkeypatch, after=steps + 2)
    assert result(run(settings, folder=tmp_path, resume=True)) == result(record)


# Data.


def test_classes_are_held_out():
    data = open_data(config(evaluation=Evaluation(("retrieval",), validation="classes", validation_share=0.25)))
    assert data.train.labels.unique().tolist() == [0, 1, 2] and data.num_classes == 3
    assert data.validation.labels.unique().tolist() == [3]


def test_images_are_held_out():
    data = open_data(config(evaluation=Evaluation(("retrieval",), validation="images", validation_share=1 / 3)))
    assert (len(data.train), len(data.validation)) == (16, 8)
    assert data.validation.labels.bincount().tolist() == [2, 2, 2, 2]
    assert not set(data.train.places.tolist()) & set(data.validation.places.tolist())


@pytest.mark.parametrize(("how", "share"), [("classes", 0.05), ("classes", 1.0), ("images", 0.01), ("images", 1.0)])
def test_a_share_that_leaves_nothing(how, share):
    with pytest.raises(ValueError, match="validation_share"):
        open_data(config(evaluation=Evaluation(("retrieval",), validation=how, validation_share=share)))


def test_the_best_epoch_on_validation_is_measured_on_the_test_split():
    how = Evaluation(("retrieval",), ks=(1,), validation="images", validation_share=1 / 3, best_by="MAP@R")
    record = run(config(evaluation=how, phases=(Phase(4, ADAM),), batches=Batches(8)))
    assert record.best["chosen on"] == "validation"
    assert record.best["validation metrics"]["MAP@R"] == max(record.curves["MAP@R"])
    assert record.curves["MAP@R"].index(max(record.curves["MAP@R"])) + 1 == record.best["epoch"]
    json.dumps(record.best)


def test_the_best_epoch_on_the_test_split_says_so():
    how = Evaluation(("retrieval",), ks=(1,), best_by="MAP@R")
    record = run(config(evaluation=how, phases=(Phase(3, ADAM),)))
    assert record.best["chosen on"] == "test"
    assert record.best["metrics"]["MAP@R"] == max(record.curves["MAP@R"])


def test_query_and_gallery():
    record = run(config(benchmark="in-shop"))
    assert record.data["query"] == 12 and record.data["gallery"] == 12
    assert 0 <= record.metrics["R@1"] <= 1


def test_verification():
    how = Evaluation((), verification=("lfw-bin", "agedb-30"))
    record = run(config(benchmark="ms1mv2", transforms="plain", evaluation=how, batches=Batches(8)))
    assert 0 <= record.metrics["lfw-bin accuracy"] <= 1 and "agedb-30 TAR@0.001" in record.metrics


@pytest.mark.parametrize("precision", ["bfloat16"])
def test_mixed_precision(precision):
    record = run(config(precision=precision))
    assert math.isfinite(record.curves["loss"][-1])


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_step_trains_the_same():
    torch._dynamo.reset()
    settings = config(network=Network("tiny_cnn", embedding_dim=8))  # a compiled step draws other numbers for dropout
    plain, compiled = run(settings), run(settings, compile=True)
    assert compiled.curves["loss"] == pytest.approx(plain.curves["loss"], rel=1e-3)
    assert plain.curves["loss"][-1] != plain.curves["loss"][0]


def test_losses_get_the_classes_and_widths_that_they_need():
    loss = build_loss(
        (LossTerm("ProxyAnchor", {"margin": 0.2}), LossTerm("LinearCrossEntropy", tap="features"), LossTerm("SupCon")),
        5,
        {"embeddings": 8, "features": 16},
    )
    assert loss.losses["ProxyAnchor"].proxies.shape == (5, 8) and loss.losses["ProxyAnchor"].margin == 0.2
    assert loss.losses["LinearCrossEntropy"].weight.shape == (5, 16)
    assert isinstance(loss.losses["SupCon"], losses.SupCon)


def test_a_stand_in_has_the_transforms_of_what_it_stands_in_for():
    assert open_data(config(benchmark="cub50", transforms="mutual_information")).stands_for == "cub200"


def test_a_small_set_is_kept_on_the_device_and_a_large_one_is_read():
    small, large = (
        training_batches(open_data(settings).train, name, settings, UNIT, torch.device("cpu"))
        for name, settings in (
            ("fashion-mnist", config(benchmark="fashion-mnist", transforms="plain", size=None)),
            ("cub200", config()),
        )
    )
    assert type(small).__name__ == "_ResidentBatches" and type(large).__name__ == "_ReadBatches"
    for batches in (small, large):
        batches.set_epoch(1, start=1)
        rest = list(batches)
        assert len(rest) == batches.steps - 1 and rest[0][0].dtype == torch.float32
        batches.set_epoch(1)
        assert torch.equal(list(batches)[1][0], rest[0][0])


def test_a_small_set_goes_on_bit_by_bit_too(tmp_path, monkeypatch):
    settings = config(benchmark="fashion-mnist", transforms="plain", size=None)
    interrupted(settings, tmp_path, monkeypatch, after=5)
    assert result(run(settings, folder=tmp_path, resume=True)) == result(run(settings))
