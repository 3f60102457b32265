"""The default number of workers, and the wrapper of a model that several workers train."""

from __future__ import annotations

import pytest
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from tests.loop.groups import together
from wsvad.loop.group import DDP_OPTIONS, Distributed, SingleWorker, max_workers


@pytest.mark.parametrize(
    ("places", "pairs", "videos", "workers"),
    [
        (8, 32, 1000, 8),
        (8, 30, 1000, 6),  # Sultani's batch on a node of eight GPUs
        (4, 30, 1000, 3),
        (8, 32, 5, 4),  # each needs a training video to predict
        (8, 7, 1000, 7),
        (2, 7, 1000, 1),
        (1, 32, 1000, 1),
    ],
)
def test_the_default_number_of_workers_divides_the_batch(places, pairs, videos, workers):
    """An idle GPU is better than a refused run."""
    assert max_workers(places, pairs=pairs, videos=videos) == workers


def test_models_of_several_workers_are_wrapped_by_ddp():
    """Which broadcasts the first one's weights; the model of a single worker is not wrapped."""

    def work(group):
        model = nn.BatchNorm1d(3)
        nn.init.constant_(model.weight, float(group.rank + 5))
        wrapped = group.parallel(model)
        if group.world_size == 1:
            return wrapped is model
        assert isinstance(wrapped, DistributedDataParallel)
        return wrapped.module is model, model.weight.tolist(), wrapped.will_sync_module_buffers()

    assert together(2, work) == [(True, [5.0, 5.0, 5.0], False)] * 2
    assert together(1, work) == [True]
    assert work(SingleWorker())


def test_on_ray_models_are_wrapped_by_ray_train():
    """By ``prepare_model``, with the options that keep the gradient buckets."""

    def work(group):
        from wsvad.loop import ray_train

        asked = []
        ray_train.ray.train.torch.prepare_model = lambda model, **options: asked.append(options) or model
        on_ray = ray_train._RayGroup()
        assert isinstance(on_ray, Distributed)
        on_ray.parallel(nn.Linear(1, 1))
        return asked

    expected = [{"move_to_device": False, "parallel_strategy_kwargs": DDP_OPTIONS}]
    assert together(2, work) == [expected, expected]


def test_all_workers_report_to_ray_at_the_same_steps():
    """Reports are barriers, scheduled by the first worker's clock. All have the newest values; measures persist."""

    def work(group):
        from wsvad.loop import ray_train

        ray_train._REPORT_EVERY_S = 0.0 if group.rank == 0 else 1e9
        reports = []
        ray_train.ray.train.report = reports.append
        reporter = ray_train._Reporter(None, group, "cpu")
        reporter._sent = float("inf")  # there is no coordinator here
        stops = []
        for step in range(1, 5):
            reporter.add({"step": float(step), "total": 0.5, "val_auc": 0.75 if step == 2 else float("nan")})
            if step == 3:
                reporter._stop = group.rank == 0
            if step > 1:
                stops.append(reporter.should_stop())
        reporter.report()  # there is no new row
        return reports, stops

    reports = [{"step": float(step), "total": 0.5, "val_auc": 0.75} for step in (2, 3, 4)]
    assert together(2, work) == [(reports, [False, True, True])] * 2
