"""What the smaller scales change, and what they must not."""

from dataclasses import replace

import pytest

from dmlkit.recipes import all_recipes, at_scale, recipe
from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule

CHOICES = list(all_recipes())
SMALLER = ["small", "smoke"]

STAND_INS = {
    "cub200": "cub50",
    "cars196": "cars196-train-half",
    "cifar10": "cifar10-jpeg",
    "caltech101": "caltech101-50",
}


@pytest.mark.parametrize("scale", SMALLER)
def test_what_stays(scale):
    """Losses, heads, optimizers, clipping, the number of phases: a smoke run goes through all of them."""
    for choice in CHOICES:
        full, found = recipe(choice.name, choice.benchmark), recipe(choice.name, choice.benchmark, scale=scale)
        assert (found.loss, found.transforms, found.source) == (full.loss, full.transforms, full.source)
        assert len(found.phases) == len(full.phases)
        for short, long in zip(found.phases, full.phases, strict=True):
            assert replace(short.optimizer, lr=long.optimizer.lr, loss_lr=long.optimizer.loss_lr) == long.optimizer
            assert (short.terms, short.train_backbone) == (long.terms, long.train_backbone)
            same = ("name", "gamma", "power")
            assert all(getattr(short.schedule, name) == getattr(long.schedule, name) for name in same)
            assert bool(short.schedule.warmup) == bool(long.schedule.warmup)
            assert bool(short.loss_options) == bool(long.loss_options)
        kept = ("pool", "dropout", "head", "head_init", "frozen_batch_norm")
        assert all(getattr(found.network, name) == getattr(full.network, name) for name in kept)
        # The pack's network has no normalisation of its own, and Adam's steps are as long whatever they do to it.
        adam = any(phase.optimizer.name != "sgd" and phase.optimizer.eps < 1 for phase in full.phases)
        added = found.network.backbone == "mobilenet_v2_pack" and adam and full.network.norm is None
        assert found.network.norm == ("layer" if added else full.network.norm)
        kept = ("measures", "distance", "validation", "fold", "best_by")
        assert all(getattr(found.evaluation, name) == getattr(full.evaluation, name) for name in kept)
        assert found.batches.views == full.batches.views
        assert (found.batches.classes is None) == (full.batches.classes is None)
        assert {**full.ours, "scale": found.ours["scale"]} == found.ours


def test_small():
    for choice in CHOICES:
        found = recipe(choice.name, choice.benchmark, scale="small")
        assert found.benchmark == STAND_INS.get(choice.benchmark, choice.benchmark)
        grey = choice.benchmark in ("fashion-mnist", "omniglot", "omniglot-rezipped")
        thumbnails = choice.benchmark.startswith("cifar") or grey
        if choice.recipe == "faces":
            assert found.evaluation.verification == ("lfw-a-96",)
        elif grey:
            assert (found.network.backbone, found.network.pretrained, found.size) == ("five_layer_cnn", False, 28)
        elif thumbnails:
            assert (found.network.backbone, found.network.pretrained, found.size) == ("small_cnn", False, 32)
        else:
            assert (found.network.backbone, found.network.pretrained, found.size) == ("mobilenet_v2_pack", True, 160)
        assert all(phase.epochs <= 6 for phase in found.phases)
        assert found.batches.size <= (128 if thumbnails or choice.recipe == "faces" else 32)
        assert found.precision == "float32"


def test_rates_stay_but_for_the_small_pretrained_network():
    for choice in CHOICES:
        full = recipe(choice.name, choice.benchmark)
        for scale in SMALLER:
            found = recipe(choice.name, choice.benchmark, scale=scale)
            for short, long in zip(found.phases, full.phases, strict=True):
                limit = float("inf")
                if found.network.backbone == "mobilenet_v2_pack":
                    # With an ε of 1 Adam's steps are those of momentum descent.
                    limit = 0.002 if long.optimizer.name == "sgd" or long.optimizer.eps == 1 else 1e-4
                assert short.optimizer.lr == min(long.optimizer.lr, limit)
                # What proxies and classifiers are given does not change, whether it had a rate of its own or not.
                own = long.optimizer.lr if long.optimizer.loss_lr is None else long.optimizer.loss_lr
                kept = short.optimizer.lr if short.optimizer.loss_lr is None else short.optimizer.loss_lr
                assert kept == own


def test_smoke():
    for choice in CHOICES:
        found = recipe(choice.name, choice.benchmark, scale="smoke")
        assert found.benchmark == choice.benchmark  # its miniature
        assert (found.network.backbone, found.network.pretrained, found.size) == ("tiny_cnn", False, 32)
        assert all(phase.epochs <= (2 if phase.train_backbone else 1) for phase in found.phases)
        assert found.batches.size == (6 if choice.arm.endswith("validation") and choice.benchmark == "sop" else 8)
        if found.batches.classes is not None:
            assert found.batches.classes == (2 if found.evaluation.validation else 4)
        assert found.precision == "float32"
        # In-Shop's miniature has 12 images in its gallery.
        assert found.evaluation.ks
        assert max(found.evaluation.ks) < 12
        full = recipe(choice.name, choice.benchmark)
        assert set(found.evaluation.ks) <= set(full.evaluation.ks)
        assert found.evaluation.verification == full.evaluation.verification


def config(*phases, **changes):
    settings = {
        "recipe": "a test",
        "benchmark": "cub200",
        "scale": "full",
        "transforms": "warped",
        "network": Network("resnet50"),
        "loss": (LossTerm("SupCon"),),
        "batches": Batches(64, 4),
        "phases": phases or (Phase(100, Optimizer("sgd", 0.1)),),
        "evaluation": Evaluation(("retrieval",)),
    }
    return Config(**{**settings, **changes})


def test_full_is_left_as_it_is():
    found = config()
    assert at_scale(found, "full") is found


def test_only_a_full_config_is_scaled():
    small = at_scale(config(), "small")
    with pytest.raises(ValueError, match="config must be at the full scale, found 'small'"):
        at_scale(small, "smoke")
    with pytest.raises(ValueError, match="scale must be one of 'smoke', 'small', 'full', found 'large'"):
        at_scale(config(), "large")


def test_steps_of_a_schedule_move_in_proportion():
    long = Phase(100, Optimizer("sgd", 0.1), Schedule("step", every=50, gamma=0.5, elapsed=25))
    (found,) = at_scale(config(long), "small").phases
    assert (found.epochs, found.schedule) == (4, Schedule("step", every=2, gamma=0.5, elapsed=1))
    (found,) = at_scale(config(replace(long, schedule=Schedule("step", every=5, gamma=0.5))), "small").phases
    assert found.schedule.every == 1


def test_changes_of_options_move_in_proportion_and_the_later_hold():
    changes = ((0, {0: {"a": 1, "b": 1}}), (10, {0: {"a": 2}, 1: {"a": 9}}), (60, {0: {"a": 3}}), (99, {0: {"b": 4}}))
    (found,) = at_scale(config(Phase(100, Optimizer("sgd", 0.1), loss_options=changes)), "smoke").phases
    assert found.loss_options == ((0, {0: {"a": 2, "b": 1}, 1: {"a": 9}}), (1, {0: {"a": 3, "b": 4}}))
    assert changes[0] == (0, {0: {"a": 1, "b": 1}})  # the recipe's own are not written to


def test_short_phases_and_rises_are_not_made_longer():
    short = Phase(1, Optimizer("sgd", 0.001), Schedule("cosine", warmup=1))
    for scale in SMALLER:
        assert at_scale(config(short), scale).phases == (short,)
    assert at_scale(config(batches=Batches(4, 2)), "small").batches == Batches(4, 2)
    assert at_scale(config(batches=Batches(4)), "small").batches == Batches(4)


@pytest.mark.parametrize(
    ("full", "small", "smoke"),
    [
        (Batches(64, 8), Batches(32, 8), Batches(8, 4)),
        (Batches(64, 4), Batches(32, 4), Batches(8, 4)),
        (Batches(192, 64), Batches(24, 8), Batches(8, 4)),
        (Batches(256, views=2), Batches(32, views=2), Batches(8, views=2)),
    ],
)
def test_batches(full, small, smoke):
    assert at_scale(config(batches=full), "small").batches == small
    assert at_scale(config(batches=full), "smoke").batches == smoke


def test_what_is_measured_at_the_end_stays_so():
    long = Phase(100, Optimizer("sgd", 0.1))
    for every, expected in ((200, 8), (1, 1), (3, 3)):
        found = at_scale(config(long, long, evaluation=Evaluation(("retrieval",), every=every)), "small")
        assert found.evaluation.every == expected


def test_heads_become_narrower_only():
    wide = config(network=Network("resnet50", embedding_dim=2048))
    assert at_scale(wide, "small").network.embedding_dim == 512
    assert at_scale(wide, "smoke").network.embedding_dim == 16
    narrow = config(network=Network("resnet50", embedding_dim=8))
    assert at_scale(narrow, "smoke").network.embedding_dim == 8
    none = config(network=Network("resnet50", head="none", embedding_dim=None))
    assert at_scale(none, "smoke").network.embedding_dim is None
