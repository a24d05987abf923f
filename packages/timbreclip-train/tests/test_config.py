import json

import pytest

from timbreclip_core.errors import UnknownNameError, UsageError
from timbreclip_train.config import TrainConfig, load_preset, preset_names, read_config


def test_every_preset_is_valid():
    assert "small" in preset_names()
    for name in preset_names():
        assert isinstance(load_preset(name), TrainConfig)


def test_saved_settings_come_back():
    config = load_preset("small", ["network.widths=[8, 16, 24, 32]", "run.seed=7"])
    assert read_config(config.as_json()) == config
    assert json.loads(config.as_json())["run"]["seed"] == 7


def test_a_change_takes_the_type_of_its_setting():
    config = load_preset("small", ["loss.temperature=1", "run.precision=float32"])
    assert config.loss.temperature == 1.0 and isinstance(config.loss.temperature, float)
    assert config.run.precision == "float32"
    assert load_preset("small", ["network.version=3"]).network.version == "3"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("optimiser.stepz=3", UnknownNameError, "optimiser.steps"),
        ("optimizer.steps=3", UnknownNameError, "optimiser"),
        ("optimiser.steps=many", UsageError, "must be int"),
        ("optimiser.steps=1.5", UsageError, "must be int"),
        ("steps=3", UsageError, "section.key=value"),
        ("optimiser.steps", UsageError, "section.key=value"),
        ("run.precision=float16", UsageError, "bfloat16 or float32"),
        ("optimiser.batch=0", UsageError, "at least 1"),
    ],
)
def test_a_wrong_change_says_what_is_right(change, error, words):
    with pytest.raises(error, match=words):
        load_preset("small", [change])


def test_an_unknown_preset_names_the_known():
    with pytest.raises(UnknownNameError, match="small"):
        load_preset("frist")
