"""What holds for every recipe, arm, benchmark and scale."""

import doctest
import importlib
import inspect
import json
from dataclasses import replace

import pytest
import torch

from dmlkit import losses, recipes
from dmlkit.data.catalogue import CATALOGUE
from dmlkit.data.transforms import train_transform
from dmlkit.models import build
from dmlkit.recipes import RECIPES, Choice, all_recipes, arms, benchmarks, recipe
from dmlkit.recipes.config import SCALES, from_json, to_json

CHOICES = list(all_recipes())
ALL = [(choice, scale) for choice in CHOICES for scale in SCALES]


@pytest.fixture(scope="module")
def configs():
    return {(choice, scale): recipe(choice.name, choice.benchmark, scale=scale) for choice, scale in ALL}


def test_every_recipe_is_there():
    counted = {name: sum(choice.recipe == name for choice in CHOICES) for name in RECIPES}
    assert counted == {
        "silhouette": 7 * 8,
        "cross_entropy": 4 * 2,
        "pairwise_cross_entropy": 3,
        "warped_softmax": 3 * 4,
        "euclidean_softmax": 3 * 4,
        "proxy_nca_plus_plus": 4,
        "proxy_anchor": 4,
        "sup_con": 2,
        "reality_check": 2 * (7 + 7 + 6),
        "one_protocol": 4 * 15,
        "function_ablation": 5 * 8,
        "fashion_toy": 2,
        "faces": 1,
    }
    assert len(set(CHOICES)) == len(CHOICES)


def test_names_and_scales_stand_in_the_config(configs):
    for (choice, scale), config in configs.items():
        assert (config.recipe, config.scale) == (choice.name, scale)
        assert config.benchmark == choice.benchmark or scale == "small"
        assert config.benchmark in CATALOGUE


def test_json_and_back(configs):
    for config in configs.values():
        assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_no_two_have_the_same_fingerprint(configs):
    found = {config.fingerprint: key for key, config in configs.items()}
    assert len(found) == len(configs) == len(ALL)


def test_seeds_have_fingerprints_of_their_own():
    for choice in CHOICES:
        one, other = (recipe(choice.name, choice.benchmark, seed=seed) for seed in (0, 1))
        assert (one.seed, other.seed) == (0, 1)
        assert one.fingerprint != other.fingerprint
        assert replace(other, seed=0) == one


def terms_of(config):
    return [*config.loss, *(term for phase in config.phases for term in phase.terms or ())]


def test_every_loss_can_be_made(configs):
    """By its signature: an option that the loss does not know is an error."""
    made = set()
    for config in configs.values():
        for term in terms_of(config):
            made.add(term.name)
            kind = getattr(losses, term.name)
            sizes = {"num_classes": 3, "embedding_dim": 2}
            known = inspect.signature(kind).parameters
            module = kind(**{name: size for name, size in sizes.items() if name in known}, **term.options)
            embeddings = torch.eye(2).repeat(3, 1) + torch.arange(6).unsqueeze(1) / 10
            assert module(embeddings, torch.tensor([0, 1, 0, 1, 2, 2])).isfinite()
    assert {"WarpedSoftmax", "SoftSilhouette", "LinearCrossEntropy", "Hist"} <= made


def test_an_option_set_anew_is_one_that_the_loss_has(configs):
    changed = 0
    for config in configs.values():
        for phase in config.phases:
            terms = phase.terms or config.loss
            for epoch, changes in phase.loss_options:
                assert 0 <= epoch < phase.epochs
                for place, options in changes.items():
                    assert set(options) <= set(inspect.signature(getattr(losses, terms[place].name)).parameters)
                    changed += len(options)
    assert changed > 0


def test_epochs_of_changes_rise(configs):
    for config in configs.values():
        for phase in config.phases:
            begins = [epoch for epoch, _ in phase.loss_options]
            assert begins == sorted(set(begins))


def test_every_network_can_be_built(configs):
    """With no memory for its weights; the weights themselves are the models' own tests."""
    for network, size in {(config.network, config.size) for config in configs.values()}:
        with torch.device("meta"):
            built = build(replace(network, pretrained=False), size=size)
        assert built.embedding_dim == (network.embedding_dim or built.num_features)


def test_every_transform_exists(configs):
    for config in configs.values():
        entry = CATALOGUE[config.benchmark]
        train_transform(config.transforms, entry.stands_in_for or entry.name, size=config.size, channels=3)


def test_batches_fit_the_data(configs):
    for (choice, scale), config in configs.items():
        entry, how = CATALOGUE[config.benchmark], config.batches
        images, classes = entry.counts["train"].images, entry.counts["train"].classes
        if scale == "smoke":
            classes = entry.miniature.classes // (2 if entry.zero_shot else 1)
            images = 16  # of the smallest miniatures
        if config.evaluation.validation == "classes":
            share = 1 / config.evaluation.fold[1] if config.evaluation.fold else config.evaluation.validation_share
            classes, images = round(classes * (1 - share)), round(images * (1 - share))
        assert how.size <= images, choice
        if how.classes is not None:
            assert how.classes <= classes, choice
            assert how.classes * how.images_per_class == how.size, choice
            assert how.images_per_class >= 2, choice


def test_accuracy_is_not_asked_of_a_loss_without_classes(configs):
    """Contrast alone cannot classify: such a config is measured once its probe is trained."""
    for config in configs.values():
        if "accuracy" not in config.evaluation.measures:
            continue
        terms, done = config.loss, 0
        for phase in config.phases:
            terms = terms if phase.terms is None else phase.terms
            classifies = any(
                "num_classes" in inspect.signature(getattr(losses, term.name)).parameters for term in terms
            )
            for _ in range(phase.epochs):
                done += 1
                assert classifies or (done % config.evaluation.every and done < config.epochs)


def test_what_is_ours_is_said(configs):
    for config in configs.values():
        assert config.source
        for field, why in config.ours.items():
            assert field
            assert why.startswith("ours: "), (config.recipe, field)
            assert not why.endswith("."), (config.recipe, field)


def test_what_is_ours_names_fields_that_exist(configs):
    """The first word of a key is a field of the config, so that nothing is said of a field that is gone."""
    from dataclasses import fields

    from dmlkit.recipes.config import Config

    known = {item.name for item in fields(Config)}
    for config in configs.values():
        for field in config.ours:
            assert field.split(".")[0].split("[")[0] in known, (config.recipe, field)


@pytest.mark.parametrize("name", RECIPES)
def test_docstrings_name_the_source_and_what_is_ours(name):
    text = inspect.getdoc(RECIPES[name])
    assert "arXiv" in text or "et al." in text
    assert "Ours is" in text or "Ours are" in text
    assert "Raises:" in text
    assert "Example:" in text


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("warped_sofmax", "cub200"), {}, "recipe must be one of .* did you mean 'warped_softmax'"),
        (
            ("warped_softmax", "cifar10"),
            {},
            "benchmark must be one of cub200, cars196, sop for warped_softmax, found 'c",
        ),
        (("silhouette", "cifar"), {}, "for silhouette, found 'cifar': did you mean 'cifar10'"),
        (("silhouette/CE+Sill", "cifar10"), {}, "arm must be one of .* for silhouette on cifar10, .*'CE.Sil'"),
        (("silhouette", "cifar10"), {"arm": "CE-Sil"}, "arm must be one of .* for silhouette, found 'CE-Sil'"),
        (("silhouette/CE", "cifar10"), {"arm": "CE"}, "arm must be left out where the recipe is 'silhouette/CE'"),
        (("silhouette", "cifar10"), {"arms": "CE"}, "option must be one of arm, .* did you mean 'arm'"),
        (("faces", "ms1mv2"), {"benchmark": "lfw"}, "multiple values|option must be one of"),
        (
            ("reality_check", "sop"),
            {"loss_name": "Hist"},
            "loss_name must be .* for reality_check on sop, found 'Hist'",
        ),
        (("cross_entropy", "sop"), {"distance": "cosinus"}, "distance must be .*did you mean 'cosine'"),
        (("sup_con", "cifar10"), {"scale": "big"}, "scale must be one of 'smoke', 'small', 'full', found 'big'"),
        (("", "cifar10"), {}, "recipe must be one of"),
    ],
)
def test_what_is_refused(arguments, options, says):
    with pytest.raises((ValueError, TypeError), match=says) as caught:
        recipe(*arguments, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_names_its_benchmarks(name):
    with pytest.raises(ValueError, match="benchmark must be one of") as caught:
        RECIPES[name]("imagenet")
    for benchmark in benchmarks(name):
        assert benchmark in str(caught.value)


def test_functions_and_names_give_the_same():
    assert recipe("silhouette/CE+Sil", "cifar10", seed=3) == recipes.silhouette("cifar10", arm="CE+Sil", seed=3)
    assert recipe("warped_softmax", "sop", large=True) == recipe("warped_softmax/large", "sop")
    assert recipe("reality_check/Hist/complete", "cub200") == recipes.reality_check("cub200", "Hist", complete=True)
    assert Choice("faces", "", "ms1mv2").name == "faces"
    assert set(arms("silhouette", "cifar10")) == {
        "CE",
        "CE+Sil",
        "SupCon",
        "SupCon2",
        "CE+Sil+SupCon2",
        "Proxy-NCA",
        "Center",
    }


MODULES = [
    "silhouette",
    "mutual_information",
    "pairwise_ce",
    "warped",
    "baselines",
    "reality_check",
    "fashion_toy",
    "faces",
    "function_ablation",
    "scales",
    "names",
]


@pytest.mark.parametrize("module", ["dmlkit.recipes", *(f"dmlkit.recipes.{name}" for name in MODULES)])
def test_examples(module):
    done = doctest.testmod(importlib.import_module(module))
    assert done.attempted > 0
    assert done.failed == 0
