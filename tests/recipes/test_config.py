"""Configs: to JSON and back without loss, a fingerprint that tells them apart, and what is refused."""

import json
from dataclasses import fields, replace

import pytest

from dmlkit.recipes.config import (
    Batches,
    Config,
    Evaluation,
    LossTerm,
    Network,
    Optimizer,
    Phase,
    Schedule,
    from_json,
    to_json,
)


def full_of_everything(**changes):
    """No field has its default, so that none can get lost unnoticed."""
    network = Network("resnet18", True, "max", "layer", 0.3, "mlp", 64, "kaiming fan-out", True)
    terms = (LossTerm("Center", {"reduction": "sum"}, 0.5, "features", 0.01), LossTerm("SupCon"))
    optimizer = Optimizer("sgd", 0.1, 1.0, 0.9, True, 1.0, 1e-4, 1e-5, False, 10.0, 5.0)
    phase = Phase(
        3,
        optimizer,
        Schedule("step", 7, 2, 0.5, 1, 2.0),
        False,
        ((0, {0: {"scale": 2.0}}), (2, {1: {"temperature": 0.2}, 0: {"scale": 1.0}})),
        (LossTerm("LinearCrossEntropy", tap="features"),),
    )
    evaluation = Evaluation(
        ("retrieval", "clustering"),
        ks=(1, 10),
        distance="euclidean",
        every=2,
        validation="classes",
        validation_share=0.25,
        fold=(1, 4),
        best_by="R@1",
        verification=("lfw",),
    )
    settings = {
        "recipe": "a test",
        "benchmark": "cub200",
        "scale": "small",
        "transforms": "warped",
        "network": network,
        "loss": terms,
        "batches": Batches(16, 4, 2),
        "phases": (phase, Phase(1, Optimizer("adam", 0.01))),
        "evaluation": evaluation,
        "size": 64,
        "seed": 3,
        "precision": "bfloat16",
        "source": "a paper",
        "ours": {"size": "ours: for speed"},
    }
    return Config(**{**settings, **changes})


def parts(config):
    return [config, config.network, config.batches, config.evaluation, *config.loss, *config.phases] + [
        part for phase in config.phases for part in (phase.optimizer, phase.schedule)
    ]


def test_the_example_leaves_no_field_at_its_default():
    """Else a field that JSON drops would come back by itself."""
    config = full_of_everything()
    for part in (config, config.network, config.batches, config.evaluation, config.loss[0], config.phases[0]):
        for item in fields(part):
            assert getattr(part, item.name) != item.default, (type(part).__name__, item.name)
    for part in (config.phases[0].optimizer, config.phases[0].schedule):
        for item in fields(part):
            assert getattr(part, item.name) != item.default, (type(part).__name__, item.name)


def test_json_and_back():
    config = full_of_everything()
    text = json.dumps(to_json(config))
    found = from_json(json.loads(text))
    assert found == config
    assert [type(part) for part in parts(found)] == [type(part) for part in parts(config)]
    assert found.fingerprint == config.fingerprint
    # Equality would pass a list for a tuple nowhere, but a number's place of a term must be one again.
    assert list(found.phases[0].loss_options[1][1]) == [1, 0]
    assert hash(found.evaluation) == hash(config.evaluation)


def test_a_part_on_its_own():
    network = full_of_everything().network
    assert from_json(to_json(network), Network) == network


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"size": None},
        {"scale": "full"},
        {"ours": {}},
        {"network": Network("resnet18")},
        {"batches": Batches(16, 4)},
        {"loss": (LossTerm("SupCon", {"temperature": 0.1}),)},
        {"loss": (LossTerm("SupCon", {"temperature": 0.100001}),)},
        {"phases": (Phase(1, Optimizer("adam", 0.01)),)},
        {"phases": (Phase(1, Optimizer("adam", 0.01), Schedule("cosine")),)},
        {"evaluation": Evaluation(("retrieval",))},
    ],
)
def test_the_fingerprint_changes_with_any_setting(changes):
    assert full_of_everything(**changes).fingerprint != full_of_everything().fingerprint


def test_the_fingerprint_does_not_depend_on_the_order_of_options():
    one = full_of_everything(loss=(LossTerm("WarpedSoftmax", {"alpha": 0.5, "beta": 1.5}),))
    other = full_of_everything(loss=(LossTerm("WarpedSoftmax", {"beta": 1.5, "alpha": 0.5}),))
    assert one.fingerprint == other.fingerprint
    assert len(one.fingerprint) == 16


def test_unknown_and_missing_fields_are_named():
    content = to_json(full_of_everything())
    with pytest.raises(ValueError, match="Config has no field 'sead'"):
        from_json({**content, "sead": 1})
    with pytest.raises(ValueError, match="Network has no field 'depth'"):
        from_json({**content, "network": {**content["network"], "depth": 3}})
    phases = [{**phase, "optimizer": {**phase["optimizer"], "rate": 1}} for phase in content["phases"]]
    with pytest.raises(ValueError, match="Optimizer has no field 'rate'"):
        from_json({**content, "phases": phases})
    del content["benchmark"]
    with pytest.raises(ValueError, match="benchmark"):
        from_json(content)


def test_what_a_config_refuses():
    with pytest.raises(ValueError, match="scale must be one of 'smoke', 'small', 'full', found 'tiny'"):
        full_of_everything(scale="tiny")
    with pytest.raises(ValueError, match="at least one loss term"):
        full_of_everything(loss=())
    with pytest.raises(ValueError, match="one phase"):
        full_of_everything(phases=())


def test_what_follows_from_the_fields():
    assert full_of_everything().epochs == 4
    assert Batches(12, 4).images_per_class == 3
    assert Batches(12).images_per_class is None


def test_a_config_cannot_be_changed_but_replaced():
    config = full_of_everything()
    with pytest.raises(AttributeError):
        config.seed = 1
    assert replace(config, seed=1).seed == 1
