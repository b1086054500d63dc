"""Every value that a source states, transcribed here a second time."""

import math
from dataclasses import replace

import pytest

from dmlkit.data.transforms import RECIPES as TRANSFORMS
from dmlkit.losses import Center, ProxyNCAPlusPlus
from dmlkit.recipes import (
    cross_entropy,
    euclidean_softmax,
    faces,
    fashion_toy,
    pairwise_cross_entropy,
    proxy_anchor,
    proxy_nca_plus_plus,
    reality_check,
    silhouette,
    sup_con,
    warped_softmax,
)
from dmlkit.recipes.config import Optimizer, Schedule


def columns(text):
    """{column: {row: cell}} of a table whose first line names the columns."""
    head, *rows = [line.split() for line in text.strip().splitlines()]
    return {name: {row: cells[place] for row, *cells in rows} for place, name in enumerate(head)}


def whole(stated, row):
    return tuple(int(value) for value in stated[row].split(","))


SILHOUETTE_SETS = ["cifar10", "cifar100", "stanford-cars", "caltech101", "caltech256", "fgvc-aircraft", "flowers102"]
# Arm: losses, views.
SILHOUETTE_ARMS = {
    "CE": ({"LinearCrossEntropy"}, 1),
    "CE+Sil": ({"LinearCrossEntropy", "SoftSilhouette"}, 1),
    "SupCon": ({"SupCon"}, 1),
    "SupCon2": ({"SupCon"}, 2),
    "CE+Sil+SupCon2": ({"LinearCrossEntropy", "SoftSilhouette", "SupCon"}, 2),
    "Proxy-NCA": ({"ProxyNCA"}, 1),
    "Center": ({"LinearCrossEntropy", "Center"}, 1),
}


@pytest.mark.parametrize("benchmark", SILHOUETTE_SETS)
@pytest.mark.parametrize("arm", SILHOUETTE_ARMS)
def test_silhouette(arm, benchmark):
    config = silhouette(benchmark, arm=arm)
    losses, views = SILHOUETTE_ARMS[arm]
    assert {term.name for term in config.loss} == losses
    assert (config.batches.size, config.batches.views) == (256, views)
    # Several samples a class: balanced, or random with 10 classes in 256 images.
    assert config.batches.images_per_class == 4 or (config.batches.classes is None and benchmark == "cifar10")
    first = config.phases[0]
    assert (first.epochs, first.optimizer.lr, first.optimizer.weight_decay) == (100, 1e-3, 1e-4)
    assert (config.network.backbone, config.network.pretrained, config.network.dropout) == (
        "efficientnet_b0",
        False,
        0.2,
    )
    own = TRANSFORMS[config.transforms]
    assert own.get(benchmark, own[""]).policy is not None
    # The last checkpoint, top-1 and top-5.
    assert config.evaluation.best_by is None
    assert "accuracy" in config.evaluation.measures
    # What the loss reads: contrast, silhouette and proxies a projection, each of unit length inside; never CE.
    taps = {term.name: term.tap for term in config.loss}
    if "LinearCrossEntropy" in losses:
        reads_features = taps["LinearCrossEntropy"] == "features" or config.network.head == "none"
        assert reads_features
    if losses & {"SupCon", "SoftSilhouette", "ProxyNCA"}:
        assert config.network.head == "mlp"


@pytest.mark.parametrize("arm", ["SupCon", "SupCon2"])
def test_contrast_alone_is_followed_by_a_probe(arm):
    first, probe = silhouette("cifar100", arm=arm).phases
    assert first.terms is None
    assert [(term.name, term.tap) for term in probe.terms] == [("LinearCrossEntropy", "features")]
    assert first.train_backbone
    assert not probe.train_backbone


def test_the_other_arms_classify_by_themselves():
    for arm in set(SILHOUETTE_ARMS) - {"SupCon", "SupCon2"}:
        assert len(silhouette("cifar100", arm=arm).phases) == 1


@pytest.mark.parametrize("arm", ["CE", "SPCE", "PCE"])
@pytest.mark.parametrize("scale", ["small", "full"])
def test_pairwise_cross_entropy_trains_as_the_silhouette_does(arm, scale):
    """Every arm has network, rate, schedule, decay, batches and epochs of the silhouette's CE on this data set."""
    config, other = (
        pairwise_cross_entropy("fashion-mnist", arm=arm, scale=scale),
        silhouette("fashion-mnist", arm="CE", scale=scale),
    )
    assert (config.network, config.batches, config.transforms) == (other.network, other.batches, other.transforms)
    training, probe = config.phases
    assert (training.epochs, training.schedule) == (other.phases[0].epochs, other.phases[0].schedule)
    assert (training.optimizer.lr, training.optimizer.weight_decay) == (3e-3, 1e-4)
    # A classifier decays in none of the arms: PCE's would be kept from fitting.
    assert training.optimizer.loss_weight_decay == 0
    assert training.optimizer.loss_lr == (None if arm == "SPCE" else 10 * training.optimizer.lr)
    assert [term.name for term in config.loss] == {
        "CE": ["LinearCrossEntropy"],
        "SPCE": ["SimplifiedPairwiseCrossEntropy"],
        "PCE": ["FittedPairwiseCrossEntropy"],
    }[arm]
    assert [term.name for term in probe.terms] == ["LinearCrossEntropy"] and not probe.train_backbone


CROSS_ENTROPY = columns("""
                cub200        cars196       sop            in-shop
    epochs      30            100           100            100
    lr          .02           .05           .003           .003
    momentum    0             0             .99            .99
    nesterov    no            no            yes            yes
    batch_norm  no            yes           yes            yes
    ks          1,2,4,8,16,32 1,2,4,8,16,32 1,10,100,1000  1,10,20,30,40,50
    resize      256           (256,256)     (256,256)      (256,256)
    jitter      .25,.25,.25,0 .3,.3,.3,.1   none           none
    ratio       .75,1.3333333 1,1           .75,1.3333333  .75,1.3333333
""")


@pytest.mark.parametrize("benchmark", CROSS_ENTROPY)
def test_cross_entropy(benchmark):
    stated, config = CROSS_ENTROPY[benchmark], cross_entropy(benchmark)
    (phase,) = config.phases
    optimizer, network = phase.optimizer, config.network
    assert phase.epochs == int(stated["epochs"])
    assert (optimizer.name, optimizer.lr, optimizer.momentum) == (
        "sgd",
        float(stated["lr"]),
        float(stated["momentum"]),
    )
    assert optimizer.nesterov == (stated["nesterov"] == "yes")
    assert (optimizer.weight_decay, optimizer.decay_vectors) == (5e-4, False)
    assert optimizer.loss_lr is None
    assert optimizer.loss_weight_decay is None
    assert phase.schedule == Schedule("warmup cosine", warmup=100)
    assert network.norm == ("batch" if stated["batch_norm"] == "yes" else None)
    assert (network.backbone, network.pretrained, network.pool) == ("resnet50", True, "average")
    assert (network.dropout, network.head, network.frozen_batch_norm) == (0.5, "none", True)
    (term,) = config.loss
    assert (term.name, term.tap, term.weight) == ("LinearCrossEntropy", "embeddings", 1.0)
    assert term.options == {"bias": True, "label_smoothing": 0.1, "smoothing": "others"}
    assert (config.batches.size, config.batches.classes, config.batches.views) == (128, None, 1)
    assert config.evaluation.ks == whole(stated, "ks")
    # Chosen on the test set, as the authors do.
    assert (config.evaluation.best_by, config.evaluation.validation, config.evaluation.every) == ("R@1", None, 1)
    transform = TRANSFORMS[config.transforms][benchmark]
    sides = tuple(int(side) for side in stated["resize"].strip("()").split(","))
    assert transform.resize == transform.resize_train == (sides if len(sides) == 2 else sides[0])
    jitter = None if stated["jitter"] == "none" else tuple(float(value) for value in stated["jitter"].split(","))
    assert transform.jitter == jitter
    assert transform.ratio == pytest.approx([float(value) for value in stated["ratio"].split(",")], abs=1e-6)
    assert (transform.size, transform.scale, transform.flip) == (224, (0.16, 1.0), 0.5)


def test_cross_entropy_is_measured_by_both_distances():
    cosine, euclidean = cross_entropy("cub200"), cross_entropy("cub200", distance="euclidean")
    assert (cosine.evaluation.distance, euclidean.evaluation.distance) == ("cosine", "euclidean")
    assert (cosine.phases, cosine.network, cosine.loss) == (euclidean.phases, euclidean.network, euclidean.loss)
    assert cosine.recipe != euclidean.recipe


# Phase 1, then phase 2.
WARPED = columns("""
              cub200     cars196    sop
    classes   8          4          64
    images    8          16         3
    batch     64         64         192
    epochs    50         100        80
    of_them   30         50         20
    lr        .01,.001   .01,.001   .024,.0075
    proxies   1.0,.0005  1.0,.0005  225,.001
    T         4.525,1    5,1        3.7442,1
    r         28.40,24.68  30.15,23.25  13.025,5.8418
    alpha     .93,.95    .80,.50    .8563,.8024
    beta      1.15,1.20  1.15,1.55  1.1181,1.6175
    m         1.30       1.50       1.348
    ks        1,2,4      1,2,4      1,10,100,1000
""")


def two(stated, row):
    return tuple(float(value) for value in stated[row].split(","))


def check_both_phases(config, stated):
    assert config.batches.size == int(stated["batch"])
    assert config.batches.classes == int(stated["classes"])
    assert config.batches.images_per_class == int(stated["images"])
    first, second = config.phases
    assert (config.epochs, second.epochs) == (int(stated["epochs"]), int(stated["of_them"]))
    assert (first.optimizer.lr, second.optimizer.lr) == two(stated, "lr")
    assert (first.optimizer.loss_lr, second.optimizer.loss_lr) == two(stated, "proxies")
    for phase in config.phases:
        how = phase.optimizer
        assert (how.name, how.eps, how.weight_decay) == ("adam", 1.0, 1e-7)
        assert (how.clip_value, how.clip_norm) == (10.0, None)
        assert (phase.schedule, phase.train_backbone, phase.terms) == (Schedule("constant"), True, None)
    network = config.network
    assert (network.backbone, network.pretrained, network.pool) == ("resnet50", True, "average + max")
    assert (network.norm, network.head, network.embedding_dim) == ("layer", "linear", 512)
    assert (network.head_init, network.dropout, network.frozen_batch_norm) == ("kaiming fan-out", 0.0, False)
    assert (config.evaluation.distance, config.evaluation.ks) == ("euclidean", whole(stated, "ks"))
    assert first.loss_options == ()
    ((epoch, changes),) = second.loss_options
    assert (epoch, set(changes)) == (0, {0})
    return changes[0]


@pytest.mark.parametrize("benchmark", WARPED)
def test_warped_softmax(benchmark):
    stated, config = WARPED[benchmark], warped_softmax(benchmark)
    second = check_both_phases(config, stated)
    (term,) = config.loss
    assert (term.name, term.weight, term.proxy_std) == ("WarpedSoftmax", 1.0, None)
    names = {"T": "scale", "r": "r", "alpha": "alpha", "beta": "beta"}
    assert set(second) == set(names.values())
    for row, option in names.items():
        assert (term.options[option], second[option]) == two(stated, row), row
    assert term.options["margin"] == float(stated["m"])
    assert config.transforms == "warped"
    assert ("clustering" in config.evaluation.measures) == (benchmark != "sop")  # Table I has no NMI of SOP
    assert config.evaluation.validation is None


@pytest.mark.parametrize("benchmark", WARPED)
def test_euclidean_softmax_is_the_same_without_the_warp(benchmark):
    stated, config = WARPED[benchmark], euclidean_softmax(benchmark)
    second = check_both_phases(config, stated)
    (term,) = config.loss
    assert term.name == "EuclideanSoftmax"
    assert (term.options, second) == ({"scale": two(stated, "T")[0]}, {"scale": two(stated, "T")[1]})


def test_warped_in_large_and_with_validation():
    large = warped_softmax("cub200", large=True)
    general = TRANSFORMS[large.transforms][""]
    assert (general.size, general.resize) == (256, 288)
    small = TRANSFORMS[warped_softmax("cub200").transforms][""]
    assert (small.size, small.resize, small.flip, small.crop) == (224, 256, 0.5, "random resized")
    held = warped_softmax("cub200", validation=True).evaluation
    assert (held.validation, held.validation_share, held.best_by) == ("classes", 0.5, "R@1")


PROXY_NCA = columns("""
             cub200   cars196   sop    in-shop
    epochs   40       40        80     80
    batch    32       32        192    192
    classes  8        8         64     64
    images   4        4         3      3
    lr       4e-3     4e-3      .024   .024
    proxies  4e2      4e2       240    2400
    ks       1,2,4,8  1,2,4,8   1,10,100,1000  1,10,20,30,40,50
""")


@pytest.mark.parametrize("benchmark", PROXY_NCA)
def test_proxy_nca_plus_plus(benchmark):
    stated, config = PROXY_NCA[benchmark], proxy_nca_plus_plus(benchmark)
    warm, main = config.phases
    assert (warm.epochs, main.epochs) == (5, int(stated["epochs"]))
    assert (warm.train_backbone, main.train_backbone) == (False, True)
    lr, proxies = float(stated["lr"]), float(stated["proxies"])
    assert warm.optimizer == main.optimizer == Optimizer("adam", lr, proxies, eps=1.0, clip_value=10.0)
    batches = config.batches
    assert (batches.size, batches.classes) == (int(stated["batch"]), int(stated["classes"]))
    assert batches.images_per_class == int(stated["images"])
    network = config.network
    assert (network.backbone, network.pretrained, network.pool) == ("resnet50", True, "max")
    assert (network.norm, network.head, network.embedding_dim) == ("layer", "linear", 2048)
    (term,) = config.loss
    assert (config.evaluation.distance, config.evaluation.ks) == ("cosine", whole(stated, "ks"))
    assert config.evaluation.ks == proxy_anchor(benchmark).evaluation.ks
    assert (term.name, term.proxy_std) == ("ProxyNCAPlusPlus", None)
    assert term.options["temperature"] == pytest.approx(1 / 9)
    general = TRANSFORMS[config.transforms][""]
    assert (general.size, general.resize) == (256, 288)


def test_proxies_begin_as_the_authors_have_them():
    """A recipe that leaves `proxy_std` to the loss counts on the loss's own start."""
    assert ProxyNCAPlusPlus(4000, 64).proxies.std().item() == pytest.approx(1 / 8, rel=0.02)
    assert Center(4000, 64).centers.std().item() == pytest.approx(1, rel=0.02)


PROXY_ANCHOR = columns("""
            cub200  cars196  sop   in-shop
    lr      1e-4    1e-4     6e-4  6e-4
    gamma   .5      .5       .25   .25
    step    5       10       20    20
    frozen  yes     yes      no    no
""")


@pytest.mark.parametrize("benchmark", PROXY_ANCHOR)
def test_proxy_anchor(benchmark):
    stated, config = PROXY_ANCHOR[benchmark], proxy_anchor(benchmark)
    assert config.epochs == 60
    warm, main = config.phases
    assert (warm.epochs, warm.train_backbone, main.train_backbone) == (5, False, True)
    lr, gamma, every = float(stated["lr"]), float(stated["gamma"]), int(stated["step"])
    for phase in config.phases:
        how = phase.optimizer
        assert (how.name, how.lr, how.weight_decay) == ("adamw", lr, 1e-4)
        assert how.loss_lr == pytest.approx(100 * lr)
        assert (phase.schedule.name, phase.schedule.every, phase.schedule.gamma) == ("step", every, gamma)
    # One schedule over both phases.
    assert (warm.schedule.elapsed, main.schedule.elapsed) == (0, 5)
    network = config.network
    assert network.frozen_batch_norm == (stated["frozen"] == "yes")
    assert (network.backbone, network.pretrained, network.pool) == ("resnet50", True, "average + max")
    assert (network.norm, network.head, network.embedding_dim) == (None, "linear", 512)
    (term,) = config.loss
    assert (term.name, term.options) == ("ProxyAnchor", {"alpha": 32.0, "margin": 0.1})
    assert (config.batches.size, config.batches.classes) == (120, None)
    assert (config.evaluation.distance, config.evaluation.best_by) == ("cosine", "R@1")


@pytest.mark.parametrize("benchmark", ["cifar10", "cifar100"])
def test_sup_con(benchmark):
    config = sup_con(benchmark)
    first, probe = config.phases
    assert (first.epochs, probe.epochs) == (1000, 100)
    assert first.optimizer == Optimizer("sgd", 0.5, momentum=0.9, weight_decay=1e-4)
    assert first.schedule == Schedule("cosine", warmup=10 * (50_000 // 1024))
    assert (probe.optimizer.name, probe.optimizer.lr, probe.train_backbone) == ("sgd", 5.0, False)
    assert [(term.name, term.tap) for term in probe.terms] == [("LinearCrossEntropy", "features")]
    assert (config.batches.size, config.batches.classes, config.batches.views) == (1024, None, 2)
    network = config.network  # 2048-2048-128
    assert (network.backbone, network.pretrained, network.head, network.embedding_dim) == (
        "resnet50",
        False,
        "mlp",
        128,
    )
    (term,) = config.loss
    assert (term.name, term.options) == ("SupCon", {"temperature": 0.1})
    transform = TRANSFORMS[config.transforms][benchmark]
    assert (transform.scale, transform.jitter) == ((0.2, 1.0), (0.4, 0.4, 0.4, 0.1))
    assert (transform.jitter_chance, transform.grey_chance) == (0.8, 0.2)


# The rows of Tables VI, VII and VIII, by the names of `dmlkit.losses`.
REALITY = {
    "cub200": "Contrastive CosFace ArcFace ProxyAnchor ProxyNCAPlusPlus Hist WarpedSoftmax",
    "cars196": "MultiSimilarity CosFace SoftTriple ProxyAnchor ProxyNCAPlusPlus Hist WarpedSoftmax",
    "sop": "ProxyNCA NormSoftmax ArcFace ProxyAnchor ProxyNCAPlusPlus WarpedSoftmax",
}


@pytest.mark.parametrize(("benchmark", "loss"), [(name, loss) for name in REALITY for loss in REALITY[name].split()])
def test_reality_check(benchmark, loss):
    config = reality_check(benchmark, loss)
    assert config.loss[0].name == loss
    assert {phase.optimizer.name for phase in config.phases} == {"rmsprop"}
    normal, followup = config.phases
    assert followup.optimizer.lr < normal.optimizer.lr
    assert followup.optimizer.loss_lr < normal.optimizer.loss_lr
    network = config.network
    assert (network.pool, network.norm, network.embedding_dim) == ("average + max", "layer", 128)
    how = config.evaluation
    assert (how.validation, how.fold, how.best_by) == ("classes", (0, 4), "MAP@R")
    assert (how.measures, how.ks) == (("retrieval",), (1,))  # MAP@R, R-Precision, P@1
    assert how.distance == ("euclidean" if loss == "WarpedSoftmax" else "cosine")
    complete = reality_check(benchmark, loss, complete=True)
    assert complete.network.embedding_dim == 512
    assert (complete.evaluation.validation, complete.evaluation.fold, complete.evaluation.best_by) == (None,) * 3


def test_the_folds_of_the_reality_check():
    assert [reality_check("sop", "ArcFace", fold=fold).evaluation.fold for fold in range(4)] == [
        (0, 4),
        (1, 4),
        (2, 4),
        (3, 4),
    ]
    with pytest.raises(ValueError, match="fold must be one of 0, 1, 2, 3, found 4"):
        reality_check("sop", "ArcFace", fold=4)


def test_faces():
    config = faces()
    assert (config.benchmark, config.precision, config.size) == ("ms1mv2", "float16", 112)
    assert (config.network.backbone, config.network.pretrained, config.network.embedding_dim) == (
        "iresnet100",
        False,
        512,
    )
    (phase,) = config.phases
    assert phase.epochs == 25
    assert phase.optimizer == Optimizer(
        "sgd", 0.2, 10.0, momentum=0.9, weight_decay=7.15e-5, loss_weight_decay=1.275e-6, clip_norm=5.0
    )
    assert phase.schedule == Schedule("polynomial", power=2.0)
    assert config.batches.size == 1024
    (term,) = config.loss
    assert (term.name, term.weight, term.proxy_std) == ("WarpedSoftmax", 10.0, 0.01)
    assert term.options == {"alpha": 0.30, "beta": 1.075, "r": 15.75, "scale": 3.15, "margin": 1.0}
    assert dict(phase.loss_options) == {
        7: {0: {"scale": 2.70}},
        10: {0: {"scale": 2.20}},
        12: {0: {"scale": 1.70}},
        15: {0: {"scale": 1.20}},
        20: {0: {"alpha": 0.20, "beta": 1.03, "r": 12.25, "scale": 1.0}},
    }
    assert set(config.evaluation.verification) == {"lfw-bin", "cfp-fp", "agedb-30", "calfw", "cplfw"}


def test_no_stated_number_is_nan():
    """A slip of a float("nan") would equal nothing and be refused nowhere."""
    for benchmark in WARPED:
        assert all(math.isfinite(value) for value in warped_softmax(benchmark).loss[0].options.values())


def test_the_toy_differs_in_its_loss_alone():
    """Figure 10 of paper W: five layers, two dimensions, the plain loss beside the warped one."""
    plain, warped = (fashion_toy("fashion-mnist", arm=arm) for arm in ("Euclidean", "Warped"))
    assert [term.name for config in (plain, warped) for term in config.loss] == ["EuclideanSoftmax", "WarpedSoftmax"]
    assert (plain.network.backbone, plain.network.embedding_dim) == ("five_layer_cnn", 2)
    assert replace(warped, recipe=plain.recipe, loss=plain.loss, ours=plain.ours) == plain
    options = warped.loss[0].options
    assert 0 <= options["alpha"] < 1 < options["beta"] and options["r"] > 0
