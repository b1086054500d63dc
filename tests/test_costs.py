"""Costs: operations against the literature, images against a real run, throughputs against published ones."""

import dataclasses
import doctest
import importlib
import math

import pytest
import torch

from dmlkit import costs
from dmlkit.costs import counting, devices, estimates, tables
from dmlkit.costs import work as work_of_a_run
from dmlkit.costs.counting import forward_pass, loss_size
from dmlkit.costs.devices import DEVICES, Device, Range
from dmlkit.costs.estimates import seconds
from dmlkit.costs.work import reading_seconds, work
from dmlkit.data.catalogue import CATALOGUE
from dmlkit.data.entry import Count
from dmlkit.recipes import all_recipes, recipe
from dmlkit.recipes.config import Batches, LossTerm, Network, Optimizer, Phase
from dmlkit.training import evaluation
from dmlkit.training import run as run_function

T4, A100, H100 = DEVICES
# With a head of a thousand columns they are the classifiers of ImageNet.
RESNET = Network("resnet50", head="linear", embedding_dim=1000)
EFFICIENTNET = Network("efficientnet_b0", head="linear", embedding_dim=1000)


@pytest.fixture
def cub():
    return recipe("warped_softmax", "cub200")


def changed(config, **changes):
    """A config with other fields; those of its parts by the part's name."""
    parts = {
        name: dataclasses.replace(getattr(config, name), **change) if isinstance(change, dict) else change
        for name, change in changes.items()
    }
    return dataclasses.replace(config, **parts)


def unevaluated(config, epochs, **options):
    """One phase and no images beside those of training."""
    phase = Phase(epochs, Optimizer("adam", lr=1.0), **options)
    return changed(config, benchmark="ms1mv2", size=224, phases=(phase,), evaluation={"verification": ()})


@pytest.mark.parametrize(
    ("network", "multiplications", "parameters"),
    # He et al., 2016, and Tan and Le, 2019 (table 2), as torchvision counts them.
    [(RESNET, 4.09e9, 25_557_032), (EFFICIENTNET, 0.386e9, 5_288_548)],
)
def test_operations_and_parameters_are_those_of_the_literature(network, multiplications, parameters):
    counted = forward_pass(network, 224, 3)
    assert counted.flops == pytest.approx(3 * 2 * multiplications, rel=0.005)
    assert counted.backbone_parameters + counted.head_parameters == parameters


def test_counting_needs_no_weights(monkeypatch):
    def fetch(*arguments, **options):
        raise AssertionError("weights were asked for")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    monkeypatch.setattr(torch.hub, "get_dir", fetch)
    pretrained = dataclasses.replace(RESNET, pretrained=True)
    assert forward_pass(pretrained, 64, 2) == forward_pass(RESNET, 64, 2)


def test_a_frozen_backbone_saves_nothing_of_it():
    def saved(head):
        return forward_pass(dataclasses.replace(RESNET, head=head), 64, 4).saved_by_head

    features = 4 * 4 * 2048  # images × bytes × features: the head's input, and what is within "mlp"
    assert (saved("linear"), saved("mlp")) == (features, 2 * features)
    assert saved("linear") < forward_pass(RESNET, 64, 4).saved / 100


def test_activations_are_those_that_torch_keeps():
    # Convolution, batch normalisation and ReLU over (2, 32, 8, 8) maps …: counted on a CPU, where tensors have
    # addresses, and with another means than the storages of shapes alone.
    from dmlkit.models import build

    network = Network("resnet18", head="linear", embedding_dim=8)
    made = build(network)
    addresses = {}
    own = {held.data_ptr() for held in (*made.parameters(), *made.buffers())}

    def keep(tensor):
        addresses[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = made(torch.rand(2, 3, 64, 64))
    total = sum(t.untyped_storage().nbytes() for address, t in addresses.items() if address not in own)
    assert kept.shape == (2, 8) and forward_pass(network, 64, 2).saved == total


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ((LossTerm("ProxyAnchor"),), (100 * 64, 100)),
        ((LossTerm("LinearCrossEntropy", tap="features"),), (100 * 128 + 100, 100)),
        ((LossTerm("SupCon"),), (0, 0)),
        ((LossTerm("ProxyAnchor"), LossTerm("LinearCrossEntropy")), (2 * 100 * 64 + 100, 200)),
    ],
)
def test_what_losses_hold(terms, expected):
    assert loss_size(terms, 100, {"embeddings": 64, "features": 128}) == expected


# NVIDIA, DeepLearningExamples, PyTorch/Classification/ConvNets, README.md of resnet50v1.5 and efficientnet: images a
# second of one GPU, training at batch 256 (A100 of 80 GB with 2,039 GB/s; V100 of 16 GB), inference on a T4.
A100_80 = dataclasses.replace(A100, bandwidth=2039e9)
V100 = Device("V100", 15.7e12, 15.7e12, 125e12, 900e9, 16, workers=1)


@pytest.mark.parametrize(
    ("network", "device", "half", "passes", "published"),
    [
        (RESNET, A100_80, False, 3, 938),
        (RESNET, A100_80, True, 3, 2470),
        (RESNET, V100, False, 3, 367),
        (RESNET, V100, True, 3, 1200),
        (RESNET, T4, False, 1, 415),
        (RESNET, T4, True, 1, 1198),
        (EFFICIENTNET, A100_80, False, 3, 1078),
        (EFFICIENTNET, A100_80, True, 3, 2489),
    ],
)
def test_published_throughputs_lie_in_the_range(network, device, half, passes, published):
    taken = seconds(forward_pass(network, 224, 256), device, half=half)
    fewest, most = (256 / passes / bound for bound in (taken.high, taken.low))
    assert fewest < published < most
    assert most < 2.5 * fewest  # a range that holds everything says nothing


def test_every_full_recipe_has_an_estimate():
    for choice in all_recipes():
        for cost in costs.estimate(recipe(choice.name, choice.benchmark)):
            assert 0 < cost.minutes.low < cost.minutes.high < math.inf, choice
            assert 0 < cost.memory < math.inf and cost.limit in ("arithmetic", "launching", "reading images"), choice


def test_smaller_scales():
    assert all(cost.minutes.high < 10 for cost in costs.estimate(recipe("warped_softmax", "cub200", scale="small")))
    with pytest.raises(ValueError, match=r"^config must be of scale 'full' or 'small', found 'smoke': a miniature"):
        costs.estimate(recipe("warped_softmax", "cub200", scale="smoke"))


def test_what_cannot_be_is_refused(cub):
    with pytest.raises(TypeError, match=r"^config must be a dmlkit\.recipes\.Config, found str$"):
        costs.estimate("warped_softmax")
    with pytest.raises(ValueError, match=r"^benchmark must have a training split, found 'lfw', which has none$"):
        costs.estimate(changed(cub, benchmark="lfw"))
    with pytest.raises(ValueError, match="optimizer"):
        costs.estimate(changed(cub, phases=(Phase(1, Optimizer("adan", lr=1.0)),)))
    with pytest.raises(ValueError, match=r"^size must be given where the transforms 'plain' leave images as they are$"):
        costs.estimate(changed(cub, transforms="plain"))
    with pytest.raises(ValueError, match=r"^configs must name at least one config, found none$"):
        costs.table({})


def test_twice_the_epochs_take_twice_the_time(cub):
    once, twice = (costs.estimate(unevaluated(cub, epochs)) for epochs in (10, 20))
    for first, second in zip(once, twice, strict=True):
        assert second.minutes == pytest.approx(tuple(2 * bound for bound in first.minutes))
        assert second.memory == first.memory


def test_memory_grows_with_the_batch_and_time_with_the_views(cub):
    memory = [costs.estimate(changed(cub, batches={"size": size}))[0].memory for size in (32, 64, 128, 256)]
    steps = [(b - a) / n for a, b, n in zip(memory, memory[1:], (32, 64, 128), strict=False)]
    assert steps[0] > 0 and steps == pytest.approx([steps[0]] * 3, rel=0.01)
    # What a batch saves is most of it; 86 MB an image is ResNet-50's, counted over its maps.
    assert steps[0] == pytest.approx(0.0859 * devices.OVERHEAD, rel=0.01)
    one, two = (costs.estimate(changed(unevaluated(cub, 5), batches=Batches(64, views=v)))[1] for v in (1, 2))
    assert two.minutes.low == pytest.approx(2 * one.minutes.low, rel=0.02) and two.memory > 1.5 * one.memory


@pytest.mark.parametrize(
    ("how", "states"),
    [
        ({"name": "adam"}, 2),
        ({"name": "adamw"}, 2),
        ({"name": "sgd"}, 0),
        ({"name": "sgd", "momentum": 0.9}, 1),
        ({"name": "rmsprop"}, 1),
        ({"name": "rmsprop", "momentum": 0.9}, 2),
    ],
)
def test_memory_of_the_optimizer_is_what_the_optimizer_keeps(cub, how, states):
    from dmlkit.training.optimization import optimizer, parameter_groups

    rule = Optimizer(lr=0.1, **how)
    weight = torch.nn.Parameter(torch.ones(10, 3))
    made = optimizer(rule, parameter_groups(rule, [weight], []))
    weight.grad = torch.ones_like(weight)
    made.step()
    kept = [v for v in made.state[weight].values() if torch.is_tensor(v) and v.shape == weight.shape]
    assert len(kept) == states == estimates._states(rule)
    plain, found = (
        costs.estimate(changed(cub, phases=(Phase(1, o),)))[0].memory for o in (Optimizer("sgd", lr=0.1), rule)
    )
    weights = 23_508_032 + 2048 * 512 + 512 + 100 * 512
    assert found - plain == pytest.approx(devices.OVERHEAD * 4 * states * weights / 1e9)


def test_a_frozen_backbone_takes_a_third_of_the_time_and_little_memory(cub):
    trained, frozen = (costs.estimate(unevaluated(cub, 5, train_backbone=flag)) for flag in (True, False))
    t4 = [found[0] for found in (trained, frozen)]
    # The scores of 85,742 classes are compared, and pass backward, in both.
    assert 2.5 < t4[0].minutes.low / t4[1].minutes.low < 3
    assert t4[1].memory < t4[0].memory / 2
    both = changed(
        unevaluated(cub, 5), phases=unevaluated(cub, 5).phases + unevaluated(cub, 5, train_backbone=False).phases
    )
    (found, *_) = costs.estimate(both)
    assert found.memory == t4[0].memory
    assert found.minutes.low == pytest.approx(t4[0].minutes.low + t4[1].minutes.low)


def test_mixed_precision_takes_less_of_both(cub):
    full, half = (costs.estimate(changed(cub, precision=precision)) for precision in ("float32", "float16"))
    for before, after in zip(full, half, strict=True):
        assert after.minutes.high < before.minutes.high and after.memory < before.memory
    # A T4 has no TF32, an A100 has: mixed precision gains more on the former.
    gain = [before.minutes.low / after.minutes.low for before, after in zip(full, half, strict=True)]
    assert gain[0] > 1.2 * gain[1]


@pytest.mark.parametrize(
    ("device", "limit"),
    [
        (T4, "arithmetic"),
        (dataclasses.replace(T4, workers=1e-4), "reading images"),
        (Device("fast", 1e18, 1e18, 1e18, 1e18, 1, workers=10**6), "launching"),
    ],
)
def test_what_takes_longest_limits(cub, device, limit):
    (cost,) = costs.estimate(cub, (device,))
    assert cost.limit == limit
    assert cost.fits == (device.memory >= cost.memory)


CASES = {
    "plain": {},
    "every other epoch": {"evaluation": {"every": 2}},
    "an odd end": {"evaluation": {"every": 3}},
    "classes": {"evaluation": {"validation": "classes", "best_by": "R@1"}},
    "classes, no choice": {"evaluation": {"validation": "classes"}},
    "images": {"evaluation": {"validation": "images", "validation_share": 0.5, "best_by": "R@1"}},
    "a fold": {"evaluation": {"validation": "classes", "fold": (1, 4), "best_by": "R@1"}},
    "training images": {"evaluation": {"measures": ("retrieval", "proxy_distance")}},
    "corruptions": {"evaluation": {"measures": ("retrieval", "robustness"), "every": 4}},
    "two views": {"batches": {"views": 2}},
    "query and gallery": {"benchmark": "in-shop", "transforms": "proxy_anchor"},
}


@pytest.mark.parametrize("name", CASES)
def test_images_are_those_of_a_real_run(name, monkeypatch):
    config = recipe("warped_softmax", "cub200", scale="smoke")
    one = Phase(2, Optimizer("adam", lr=0.01))
    config = changed(
        config, batches=Batches(4), phases=(one, one), **{k: v for k, v in CASES[name].items() if k != "batches"}
    )
    config = changed(config, evaluation={"ks": (1,)}, **{k: v for k, v in CASES[name].items() if k == "batches"})
    embedded, batches = [], []
    embed = evaluation.embed_images

    def noting(network, images, **options):
        embedded.append(len(images))
        return embed(network, images, **options)

    module = importlib.import_module("dmlkit.training.run")
    descend = module._Phase.descend

    def step(self, images, labels, state, steps):
        batches.append((len(images), steps))
        return descend(self, images, labels, state, steps)

    monkeypatch.setattr(evaluation, "embed_images", noting)
    monkeypatch.setattr(module._Phase, "descend", step)
    record = run_function(config, device="cpu", progress=False)

    # The catalogue's counts are those of the real set, the run's those of its miniature.
    real = CATALOGUE[config.benchmark]
    sizes = {split: record.data[split] for split in ("test", "query", "gallery") if split in record.data}
    drawn = importlib.import_module("dmlkit.data").miniature(config.benchmark)
    counts = {split: Count(n, 1) for split, n in sizes.items()}
    counts["train"] = Count(len(drawn.train), drawn.train.num_classes)
    monkeypatch.setattr(work_of_a_run, "find", lambda name: dataclasses.replace(real, counts=counts))
    found = work(dataclasses.replace(config, scale="full"))
    assert found.train == record.data["train"] and found.classes == record.data["classes"]
    assert found.evaluated == sum(embedded)
    assert {steps for _, steps in batches} == {found.steps}
    assert len(batches) == config.epochs * found.steps
    assert {count for count, _ in batches} == {config.batches.size * config.batches.views}
    assert found.size == config.size


def test_reading_by_hand(monkeypatch):
    measured = {"crop": 1.0, "resized": 2.0, "colours": 4.0, "small": 0.5}
    monkeypatch.setattr(work_of_a_run, "_measured", lambda: measured)

    def reading(config):
        return reading_seconds(config, work(config))

    warped = recipe("warped_softmax", "cub200")  # 50 epochs of 91 × 64 images; 50 evaluations, each resized
    assert reading(warped) == 50 * 91 * 64 * 1.0 + 50 * 5924 * 2.0
    colours = recipe("cross_entropy", "cub200")  # 30 epochs of 45 × 128 images
    assert reading(colours) == 30 * 45 * 128 * 4.0 + 30 * 5924 * 2.0
    policy = recipe("silhouette/CE", "caltech101")  # 100 epochs of 27 × 256 images
    assert reading(policy) == 100 * 27 * 256 * 2.0 + 100 * 1735 * 2.0
    small = recipe("silhouette/CE", "cifar10")  # 100 epochs of 195 × 256 images of 32 × 32 pixels, AutoAugment
    decoded = 32 * 32 / (500 * 375)
    expected = 100 * 195 * 256 * (decoded + 2.8 * 0.5) + 100 * 10_000 * (decoded + 0.5)
    assert reading(small) == pytest.approx(expected)
    resident = recipe("silhouette/CE", "fashion-mnist")
    decoded = 28 * 28 / (500 * 375)
    assert work(resident).resident and reading(resident) == pytest.approx(100 * 10_000 * (decoded + 0.5))


def test_times_of_reading_are_the_recorded_ones():
    measured = work_of_a_run._measured()
    assert 1e-3 < measured["crop"] < measured["resized"] < measured["colours"] < 1e-2  # a photograph: milliseconds
    assert measured["small"] < measured["crop"] / 10


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        ((0.2, 0.99), "under 1 min"),
        ((0.5, 3), "0.5–3 min"),
        ((12.4, 24.4), "12–24 min"),
        ((9.96, 89.9), "10–90 min"),
        ((60, 90), "1–1.5 h"),
        ((1000, 4319), "17–72 h"),
        ((2880, 14400), "2–10 days"),
        ((119, 119.5), "2 h"),
    ],
)
def test_a_range_in_words(minutes, said):
    assert tables.span(Range(*minutes)) == said


def test_table():
    names = {"a|b": recipe("warped_softmax", "cub200"), "faces": recipe("faces", "ms1mv2")}
    head, rule, first, second, empty, under = costs.table(names).splitlines()
    assert head == "| estimated, one seed | GPU memory | T4 (16 GB) | A100 (40 GB) | H100 (80 GB) |"
    assert rule.count("|") == head.count("|") == second.count("|") and empty == ""
    cells = [cell.strip() for cell in second.strip("|").split("|")]
    found = costs.estimate(names["faces"])
    assert cells[2:4] == ["does not fit"] * 2 and [cost.fits for cost in found] == [False, False, True]
    assert cells[4] == f"{tables.span(found[2].minutes)}, {found[2].limit}" and cells[1].endswith(" GB")
    assert first.startswith("| a\\|b | ")
    assert under.startswith("Estimated by arithmetic, not measured.")


def test_every_assumption_is_in_the_words(monkeypatch):
    before = tables.assumptions()
    for name in ("ORDINARY_CORES", "TENSOR_CORES", "BANDWIDTH", "GROUPED", "LAUNCH", "READING"):
        with monkeypatch.context() as patch:
            patch.setattr(devices, name, Range(0.33e-6, 0.44e-6) if name == "LAUNCH" else Range(0.123, 0.321))
            assert tables.assumptions() != before, name
    for name in ("BACKWARD", "CUDA_MEMORY", "OVERHEAD"):
        with monkeypatch.context() as patch:
            patch.setattr(devices, name, 7.77)
            assert "7.77" in tables.assumptions(), name


def test_phrase(cub, monkeypatch):
    _, a100, h100 = costs.estimate(cub)
    assert costs.phrase(cub) == f"estimated {tables.span(a100.minutes)} on an A100, {a100.memory:.1f} GB"
    monkeypatch.setattr(tables, "estimate", lambda config: (a100, dataclasses.replace(a100, fits=False), h100))
    assert costs.phrase(cub) == f"estimated {tables.span(h100.minutes)} on an H100, {h100.memory:.1f} GB"
    big = dataclasses.replace(h100, fits=False, memory=123.4)
    monkeypatch.setattr(tables, "estimate", lambda config: (big, big, big))
    assert costs.phrase(cub) == "estimated to need 123 GB, more than one H100 has"


@pytest.mark.parametrize("module", [counting, estimates, tables])
def test_docstrings(module):
    done = doctest.testmod(module)
    assert done.attempted and not done.failed
