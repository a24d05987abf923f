import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from timbreclip_core.errors import UsageError
from timbreclip_core.windows import Windowing


@st.composite
def windowings(draw):
    length = draw(st.integers(1, 60))
    return Windowing(
        length=length,
        hop=draw(st.integers(1, length)),
        fill=draw(st.booleans()),
        minimum=draw(st.integers(1, length)),
    )


def counted(samples):
    """Samples that say where they were, none of them 0."""
    return torch.arange(1.0, samples + 1)


@settings(max_examples=300)
@given(windowings(), st.integers(1, 300), st.lists(st.integers(0, 70), min_size=1, max_size=20))
def test_windows_of_a_stream_are_those_of_the_whole(windowing, samples, sizes):
    audio, blocks, start = counted(samples), [], 0
    while start < samples:
        for size in [*sizes, 1]:
            blocks.append(audio[start : start + size])
            start += size
    streamed = torch.stack(list(windowing.stream(blocks)))
    assert torch.equal(streamed, windowing.cut(audio[None])[0])


@given(windowings(), st.integers(1, 300))
def test_every_sample_lies_in_a_window_and_no_window_is_all_padding(windowing, samples):
    windows = windowing.cut(counted(samples)[None])[0]
    assert set(windows.flatten().tolist()) - {0.0} == set(counted(samples).tolist())
    assert (windows != 0).any(1).all()
    assert len(windows) == windowing.count(samples)


@given(windowings(), st.integers(1, 300))
def test_no_window_lies_wholly_within_the_one_before(windowing, samples):
    windows = windowing.cut(counted(samples)[None])[0]
    last = windows.amax(1)
    assert (last.diff() > 0).all()


@given(windowings(), st.integers(1, 300))
def test_windows_start_a_hop_apart_and_have_one_length(windowing, samples):
    windows = windowing.cut(counted(samples)[None])[0]
    starts = windows[:, 0]
    assert torch.equal(starts, 1.0 + windowing.hop * torch.arange(len(windows)))
    if len(windows) > 1 or windowing.fill:
        assert windows.shape[1] == windowing.length
    else:
        assert windows.shape[1] == max(samples, windowing.minimum)


@given(windowings(), st.integers(1, 300), st.integers(1, 4))
def test_items_of_a_batch_are_cut_alone(windowing, samples, batch):
    audio = counted(samples) * torch.arange(1.0, batch + 1)[:, None]
    together = windowing.cut(audio)
    assert together.shape[0] == batch
    for item, windows in zip(audio, together, strict=True):
        assert torch.equal(windows, windowing.cut(item[None])[0])


@pytest.mark.parametrize(
    ("samples", "count"), [(1, 1), (99, 1), (100, 1), (101, 2), (150, 2), (151, 3), (200, 3)]
)
def test_windows_of_100_every_50_are_counted(samples, count):
    assert Windowing(length=100, hop=50).count(samples) == count


def test_short_audio_passes_at_its_own_length_unless_filled():
    audio = counted(30)[None]
    assert Windowing(100, 50).cut(audio).shape == (1, 1, 100)
    assert Windowing(100, 50, fill=False, minimum=7).cut(audio).shape == (1, 1, 30)
    assert Windowing(100, 50, fill=False, minimum=40).cut(audio).shape == (1, 1, 40)


@pytest.mark.parametrize(
    "numbers", [{"hop": 0}, {"hop": 101}, {"hop": 50, "minimum": 0}, {"hop": 50, "minimum": 101}]
)
def test_windows_that_leave_gaps_or_never_end_are_refused(numbers):
    with pytest.raises(UsageError, match="hop"):
        Windowing(length=100, **numbers)


def test_gradients_pass_through_cutting():
    audio = counted(130)[None].requires_grad_()
    Windowing(100, 50).cut(audio).sum().backward()
    assert audio.grad[0].tolist() == [1.0] * 50 + [2.0] * 50 + [1.0] * 30


def test_a_stream_is_read_no_further_than_a_window_needs():
    read = []

    def blocks():
        for start in range(0, 1_000, 10):
            read.append(start)
            yield counted(10)

    next(Windowing(100, 50).stream(blocks()))
    assert len(read) == 11
