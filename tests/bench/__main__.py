"""All measurements, one after another: ``python -m tests.bench`` (about two hours on 2 cores)."""

import runpy

for name in (
    "bench_help",
    "bench_model",
    "bench_extract",
    "bench_flow",
    "bench_train",
    "bench_storage",
    "bench_tune",
    "bench_publish",
    "bench_packs",
    "bench_score",
    "bench_nights",
    "bench_sizes",
):
    print(f"== {name}", flush=True)
    runpy.run_module(f"tests.bench.{name}", run_name="__main__")
