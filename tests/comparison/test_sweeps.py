"""Sweeps: one number changes and nothing else; the file says all of it, and is gone on with."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch

from dmlkit import comparison
from dmlkit.comparison import (
    CANDIDATES,
    IMAGES,
    MEASURES,
    SWEEPS,
    Images,
    NetworkProtocol,
    Protocol,
    Rows,
    Sweep,
    SweepStudy,
    course,
    embeddings_of_test,
    measured,
    one_sweep,
    sweep,
)
from dmlkit.comparison import sweeps as module
from dmlkit.data.errors import DataError

SHORT = Protocol(embedding_dim=8, steps=6, batch=32, classes=8, seeds=2)
TEMPERATURE = "SupCon temperature"
PROTOCOLS = {"rows": Protocol(), **{name: source.protocol for name, source in IMAGES.items()}}


def clusters(seed=0, classes=10, width=16):
    generator = torch.Generator().manual_seed(seed)
    centers = 2 * torch.randn(2 * classes, width, generator=generator)
    rows = centers.repeat_interleave(10, dim=0) + 2 * torch.randn(20 * classes, width, generator=generator)
    labels = torch.arange(classes).repeat_interleave(10)
    return Rows("clusters", rows[: 10 * classes], labels, rows[10 * classes :], labels, "made for this test")


@pytest.fixture(scope="module")
def data():
    return clusters()


@pytest.fixture(scope="module")
def on(data):
    return course(data, SHORT)


@pytest.fixture
def few(monkeypatch):
    """Two values of two sweeps of one loss, which share their defaults, and of one of another loss."""
    for chosen in (
        Sweep("SupCon", "temperature", (0.1, 1.0)),
        Sweep("SupCon", "batch", (16, 32)),
        Sweep("EuclideanSoftmax", "scale", (1.0, 4.0)),
    ):
        monkeypatch.setitem(SWEEPS, chosen.name, chosen)
    return TEMPERATURE, "SupCon batch", "EuclideanSoftmax scale"


@pytest.fixture
def trainings(monkeypatch):
    """The loss, settings, batch and seed of each training that is made."""
    made, once = [], module.embeddings_of_test

    def noted(on, candidate, settings, protocol, *, seed):
        made.append((candidate, settings, protocol.batch, seed))
        return once(on, candidate, settings, protocol, seed=seed)

    monkeypatch.setattr(module, "embeddings_of_test", noted)
    return made


# what is swept


@pytest.mark.parametrize("name", SWEEPS)
def test_every_value_is_one_that_its_loss_takes(on, name):
    """Each trains two steps; no option is misspelt, none is refused."""
    chosen, how = SWEEPS[name], replace(SHORT, steps=2)
    assert chosen.name == name and list(chosen.values) == sorted(set(chosen.values))
    for value in chosen.values:
        settings, training = chosen.settings(value, how), replace(chosen.training(value, how), steps=2)
        assert embeddings_of_test(on, CANDIDATES[chosen.loss], settings, training).isfinite().all()


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("name", SWEEPS)
def test_the_default_is_among_the_values_and_is_trial_0(name, kind):
    chosen, protocol = SWEEPS[name], PROTOCOLS[kind]
    default = chosen.default(protocol)
    assert default in chosen.values
    assert chosen.settings(default, protocol) == protocol.settings(CANDIDATES[chosen.loss], 0)
    assert chosen.training(default, protocol) == protocol


@pytest.mark.parametrize("name", [name for name, chosen in SWEEPS.items() if chosen.knob not in ("batch", "rate")])
def test_the_knob_is_what_changes_and_all_that_does(name):
    """The default, put in by hand, makes the loss that trial 0 makes; another value makes another loss."""
    chosen, protocol = SWEEPS[name], Protocol()
    generator = torch.Generator().manual_seed(1)
    # Of so many lengths that the warp's r lies among the distances, whichever it is.
    rows = torch.randn(24, 8, generator=generator) * torch.logspace(-1, 1.5, 24).unsqueeze(1)
    base = protocol.settings(CANDIDATES[chosen.loss], 0)

    def slopes(settings):
        torch.manual_seed(0)
        embeddings = rows.clone().requires_grad_()
        CANDIDATES[chosen.loss].make(6, 8, settings)(embeddings, torch.arange(6).repeat(4)).backward()
        return embeddings.grad

    default = chosen.default(protocol)
    by_hand = {**base, **dict.fromkeys((chosen.knob, *chosen.also), default)}
    assert torch.equal(slopes(by_hand), slopes(base))
    for value in chosen.values:
        settings = chosen.settings(value, protocol)
        differs = {option for option in {*settings, *base} if settings.get(option) != base.get(option)}
        assert differs == (set() if value == default else {chosen.knob, *chosen.also})
        assert value == default or not torch.allclose(slopes(settings), slopes(base))


@pytest.mark.parametrize("kind", PROTOCOLS)
@pytest.mark.parametrize("name", [name for name, chosen in SWEEPS.items() if chosen.knob == "rate"])
def test_a_rate_is_a_factor_before_the_network_s_own_and_changes_no_other(name, kind):
    chosen, protocol = SWEEPS[name], PROTOCOLS[kind]
    base = protocol.settings(CANDIDATES[chosen.loss], 0)
    for value in chosen.values:
        settings = chosen.settings(value, protocol)
        assert settings.pop("lr") == pytest.approx(value * base["lr"])
        assert settings == {option: given for option, given in base.items() if option != "lr"}


def test_both_temperatures_of_the_silhouette_change():
    settings = SWEEPS["SoftSilhouette temperature"].settings(0.5, Protocol())
    assert settings["temperature"] == settings["nearest_temperature"] == 0.5


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_batches_of_any_size_show_as_many_images(kind):
    protocol = PROTOCOLS[kind]
    for value in SWEEPS["SupCon batch"].values:
        training = SWEEPS["SupCon batch"].training(value, protocol)
        assert training.steps * training.batch == protocol.steps * protocol.batch
        assert training.classes * 4 == training.batch == value
        if isinstance(protocol, NetworkProtocol):  # a rise of 40 steps would be most of 50
            assert training.warmup / training.steps == protocol.warmup / protocol.steps
        elsewhere = {"batch", "classes", "steps", "warmup"}
        assert {k: v for k, v in asdict(training).items() if k not in elsewhere} == {
            k: v for k, v in asdict(protocol).items() if k not in elsewhere
        }


def test_points_say_what_batches_were_where_there_are_too_few_classes(on):
    """Ten classes: 128 images are twelve of each."""
    points = one_sweep(on, SWEEPS["SupCon batch"], replace(SHORT, seeds=1))["points"]
    assert [(point["batch"], point["classes"], point["steps"]) for point in points] == [
        (16, 4, 12),
        (32, 8, 6),
        (60, 10, 3),
        (120, 10, 2),
    ]


# what is found


def test_every_value_sees_the_same_batches(on, monkeypatch):
    seen, once = [], type(on.whole).batches

    def noted(self, protocol, seed):
        for rows, labels in once(self, protocol, seed):
            seen.append((seed, rows.sum().item(), labels.tolist()))
            yield rows, labels

    monkeypatch.setattr(type(on.whole), "batches", noted)
    one_sweep(on, Sweep("SupCon", "temperature", (0.1, 1.0)), SHORT)
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert first == second and len(first) == SHORT.steps * SHORT.seeds
    assert first[: SHORT.steps] != first[SHORT.steps :]


def test_points_are_what_training_gives(on):
    chosen = Sweep("WarpedSoftmax", "r", (0.5, 8.0))
    found = one_sweep(on, chosen, SHORT)
    assert (found["loss"], found["knob"], found["default"]) == ("WarpedSoftmax", "r", 8.0)
    assert [point["value"] for point in found["points"]] == [0.5, 8.0] and found["seconds"] >= 0
    candidate = CANDIDATES["WarpedSoftmax"]
    for point in found["points"]:
        assert len(point["runs"]) == SHORT.seeds and "reason" not in point
        for seed, run in enumerate(point["runs"]):
            settings = {"lr": 3e-4, "loss_lr": 1e-2, "r": point["value"]}
            rows = embeddings_of_test(on, candidate, settings, SHORT, seed=seed)
            again = measured(rows, on.test_labels, "euclidean")
            assert set(run) == set(MEASURES)
            assert run == {name: round(value, 5) for name, value in again.items()}
    assert found["points"][0]["runs"] != found["points"][1]["runs"]


def test_the_default_is_what_a_study_has_of_the_defaults(data, tmp_path, few):
    studied = comparison.study(data, tmp_path / "a.json", names=["SupCon"], protocol=replace(SHORT, trials=1))
    swept = sweep(data, tmp_path / "b.json", names=[TEMPERATURE], protocol=SHORT, seeds=2)
    assert swept.curve(TEMPERATURE)[0.1] == studied.finals(kind="default")["SupCon"]
    for what in ("name", "data", "baselines", "versions", "device"):
        assert getattr(swept, what) == getattr(studied, what)


def test_weight_0_is_the_first_term_alone(on):
    how = replace(SHORT, seeds=1)
    for joined, alone in (("SupCon + Silhouette", "SupCon"), ("CE + Silhouette", "LinearCrossEntropy")):
        (point,) = one_sweep(on, Sweep(joined, "weight", (0.0,)), how)["points"]
        (single,) = one_sweep(on, Sweep(alone, "batch", (32,)), how)["points"]
        assert point["runs"] == single["runs"]


def test_a_value_that_diverges_keeps_its_reason(data, tmp_path, few, monkeypatch):
    once = module.embeddings_of_test

    def fails(on, candidate, settings, protocol, *, seed):
        if settings.get("temperature") == 1.0 and seed == 1:
            raise FloatingPointError("the loss is nan: lower the learning rate")
        return once(on, candidate, settings, protocol, seed=seed)

    monkeypatch.setattr(module, "embeddings_of_test", fails)
    found = sweep(data, tmp_path / "a.json", names=[TEMPERATURE], protocol=SHORT, seeds=2)
    fine, diverged = found.sweeps[TEMPERATURE]["points"]
    assert diverged["reason"] == "seed 1: the loss is nan: lower the learning rate" and diverged["runs"] == []
    assert len(fine["runs"]) == 2 and list(found.curve(TEMPERATURE)) == [0.1]


# the file


def without_seconds(found):
    return {name: {what: part[what] for what in part if what != "seconds"} for name, part in found.sweeps.items()}


def test_goes_on_where_it_was(data, tmp_path, few, trainings):
    whole = sweep(data, tmp_path / "whole.json", names=few, protocol=SHORT, seeds=2)
    assert list(whole.sweeps) == sorted(few, key=list(SWEEPS).index)
    # The defaults of SupCon stand in two of the sweeps and are trained once.
    assert len(trainings) == (2 + 1 + 2) * 2
    trainings.clear()
    path = tmp_path / "parts.json"
    sweep(data, path, names=few[2:], protocol=SHORT, seeds=2)
    sweep(data, path, names=few[1:2], protocol=SHORT, seeds=2)
    before, done = path.read_bytes(), len(trainings)
    assert without_seconds(sweep(data, path, names=few[1:], protocol=SHORT, seeds=2)).keys() == set(few[1:])
    assert path.read_bytes() == before and len(trainings) == done
    parts = sweep(data, path, names=few, protocol=SHORT, seeds=2)
    assert [settings for _, settings, *_ in trainings[done:]] == [{"lr": 3e-4, "temperature": 1.0}] * 2
    assert without_seconds(parts) == without_seconds(whole)
    assert list(parts.sweeps) == list(whole.sweeps) and SweepStudy.load(path) == parts
    assert {found.name for found in tmp_path.iterdir()} == {"whole.json", "parts.json"}


def test_a_point_is_taken_over_only_where_all_of_it_is_the_same(on, trainings):
    known = one_sweep(on, Sweep("SupCon", "batch", (16, 32)), SHORT)["points"]
    trainings.clear()
    for point in known:  # so that it shows where a point comes from
        point["runs"] = ["known", point["batch"]]
    taken, trained = one_sweep(on, Sweep("SupCon", "temperature", (0.1, 1.0)), SHORT, known=known)["points"]
    assert taken["runs"] == ["known", 32] and taken["value"] == 0.1
    assert len(trained["runs"]) == len(trainings) == 2
    trainings.clear()
    longer = replace(SHORT, steps=7)
    one_sweep(on, Sweep("SupCon", "temperature", (0.1,)), longer, known=known)
    assert len(trainings) == 2


def test_a_value_that_is_new_is_added(data, tmp_path, few, trainings, monkeypatch):
    path = tmp_path / "a.json"
    before = sweep(data, path, names=[TEMPERATURE], protocol=SHORT, seeds=1)
    trainings.clear()
    monkeypatch.setitem(SWEEPS, TEMPERATURE, Sweep("SupCon", "temperature", (0.1, 0.5, 1.0)))
    after = sweep(data, path, names=[TEMPERATURE], protocol=SHORT, seeds=1)
    assert [settings["temperature"] for _, settings, *_ in trainings] == [0.5]
    assert after.curve(TEMPERATURE).keys() == {0.1, 0.5, 1.0}
    assert {value: after.curve(TEMPERATURE)[value] for value in (0.1, 1.0)} == before.curve(TEMPERATURE)


def test_processes_share_a_file(data, tmp_path, few, monkeypatch):
    """Another process writes its sweep while this one trains: both are kept."""
    path, once = tmp_path / "a.json", module.one_sweep

    def meanwhile(on, chosen, protocol, *, known):
        monkeypatch.setattr(module, "one_sweep", once)
        sweep(data, path, names=few[2:], protocol=SHORT, seeds=1)
        return once(on, chosen, protocol, known=known)

    monkeypatch.setattr(module, "one_sweep", meanwhile)
    found = sweep(data, path, names=few[:1], protocol=SHORT, seeds=1)
    assert set(found.sweeps) == {few[0], few[2]}


def test_a_file_of_other_data_protocol_or_seeds_is_refused(data, tmp_path, few):
    path = tmp_path / "a.json"
    sweep(data, path, names=few[2:], protocol=SHORT, seeds=1)
    before = path.read_bytes()
    for given, how, seeds, what in (
        (clusters(1), SHORT, 1, "data"),
        (data, replace(SHORT, steps=7), 1, "protocol"),
        (data, SHORT, 2, "protocol"),
        (replace(data, name="others"), SHORT, 1, "name"),
    ):
        with pytest.raises(DataError, match=f"holds a study with another {what}: name another file"):
            sweep(given, path, names=few, protocol=how, seeds=seeds)
    assert path.read_bytes() == before


def test_a_file_of_something_else_is_refused(data, tmp_path, few):
    path = tmp_path / "a.json"
    comparison.study(data, path, names=["SupCon"], protocol=replace(SHORT, trials=1, seeds=1))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"a\.json is no file of sweeps"):
        sweep(data, path, names=few, protocol=SHORT, seeds=1)
    with pytest.raises(ValueError, match=r"b\.json is no file of sweeps"):
        SweepStudy.load(tmp_path / "b.json")
    assert path.read_bytes() == before
    path.write_text(json.dumps({"name": "x"}))
    with pytest.raises(ValueError, match=r"a\.json is no file of sweeps"):
        SweepStudy.load(path)


def test_what_is_not_there_is_told_in_a_sentence(data, tmp_path, few):
    with pytest.raises(ValueError, match=r"names must be among WarpedSoftmax alpha, .*, found 'SupCon'"):
        sweep(data, tmp_path / "a.json", names=["SupCon"], protocol=SHORT)
    with pytest.raises(ValueError, match="seeds must be at least 1, found 0"):
        sweep(data, tmp_path / "a.json", protocol=SHORT, seeds=0)
    with pytest.raises(TypeError, match="seeds must be an integer, found float"):
        sweep(data, tmp_path / "a.json", protocol=SHORT, seeds=2.0)
    assert not list(tmp_path.iterdir())
    found = sweep(data, tmp_path / "a.json", names=[TEMPERATURE], protocol=SHORT, seeds=1)
    with pytest.raises(ValueError, match="one of the file's sweeps, SupCon temperature; found 'SupCon batch'"):
        found.curve("SupCon batch")


def test_networks_are_swept_on_images(tmp_path, few):
    """A tiny network from random weights: the protocol is that of networks, and the batches are images."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (80, 3, 16, 16), generator=generator, dtype=torch.uint8)
    labels = torch.arange(8).repeat_interleave(5)
    images = Images("noise", pixels[:40], labels, pixels[40:], labels, "made for this test")
    how = NetworkProtocol(
        embedding_dim=8, steps=4, batch=32, warmup=2, backbone="tiny_cnn", pretrained=False, frozen=0, flip=0.0
    )
    found = sweep(images, tmp_path / "a.json", names=few[:2], protocol=how, seeds=1)
    assert found.protocol == asdict(replace(how, trials=1, seeds=1))
    batches = found.sweeps["SupCon batch"]["points"]
    assert [(point["batch"], point["steps"]) for point in batches] == [(16, 8), (32, 4)]
    assert batches[1]["runs"] == found.sweeps[TEMPERATURE]["points"][0]["runs"]
