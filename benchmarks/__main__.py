"""Measures engines, a whole request, throughput, start and memory; prints a table and writes results.json.

Every speed is a ratio of times taken in turn in this one run, so that a busy or slow machine changes both sides alike.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from benchmarks import networks, photos, throughput
from benchmarks.site import Site
from model_store import bundle, cpus
from model_store.comparison import processor
from model_store.engines import cache

RESULTS = Path(__file__).parent / "results.json"
CLIENTS = (1, 2, 4, 8, 16)
# Key: what it may be at most (or, where said, at least).
LIMITS = {
    "engine_over_direct": ("at most", 1.10),
    "request_1mp_over_network": ("at most", 1.8),
    "request_12mp_over_network": ("at most", 4.0),
    "throughput_8_over_direct": ("at least", 0.85),
    "speedup_over_keras_predict": ("at least", 4.0),
    "ready_s": ("at most", 5.0),
    "resident_mb": ("at most", 700.0),
}


def main() -> int:
    """Measure and write; 1 where a figure is beyond its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--bundle", default=bundle.DEFAULT_NAME, help="NAME, NAME/VERSION or a directory")
    parser.add_argument("--cache", type=Path, default=cache.DEFAULT_ROOT, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=30, help="how often each thing is timed (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="a round of throughput (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FILE.json")
    options = parser.parse_args()

    results = measure(bundle.find(options.bundle), options.cache, options.rounds, options.seconds)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(table(results))
    return 0 if all(is_within(key, results[key]) for key in LIMITS) else 1


def is_within(key: str, figure: float) -> bool:
    """Say whether a figure keeps its limit."""
    direction, limit = LIMITS[key]
    return figure <= limit if direction == "at most" else figure >= limit


def measure(path: Path, cache_root: Path, rounds: int, seconds: float) -> dict:
    """Give all figures, as they go into results.json. The keys of `LIMITS` are ratios, seconds and megabytes."""
    found = bundle.read(path)
    folder = cache.get(path / bundle.MODEL, cache_root)
    alone = networks.Networks(path / bundle.MODEL, folder)
    network_ms = alone.times_ms(rounds)
    rates = _rates(alone, seconds, lambda clients: throughput.of_queue(alone.engine, alone.photo[0], clients, seconds))
    # The libraries of the reference stay in this process, whose memory is not measured.
    with tempfile.TemporaryDirectory() as home:
        ready_s = [_ready_s(path, cache_root, home) for _ in range(3)]
        site = Site(path, cache_root, Path(home))
        try:
            requests = {
                name: _request(site, alone, photos.jpeg(megapixels), rounds)
                for name, megapixels in (("1mp", 1), ("12mp", 12))
            }
            idle_mb = site.resident_mb()
            photo = photos.jpeg(1)
            site_rates = _rates(alone, seconds, lambda clients: throughput.of_site(site, photo, clients, seconds))
            loaded_mb = site.resident_mb()
        finally:
            site.stop()
    return {
        "engine_over_direct": network_ms["openvino"] / network_ms["openvino_direct"],
        "request_1mp_over_network": requests["1mp"]["over_network"],
        "request_12mp_over_network": requests["12mp"]["over_network"],
        "throughput_8_over_direct": rates["8"]["over_direct"],
        "speedup_over_keras_predict": network_ms["keras_predict"] / network_ms["openvino"],
        "ready_s": statistics.median(ready_s),
        "resident_mb": max(idle_mb, loaded_mb),
        "network_ms": network_ms,
        "requests": requests,
        # Prepared photos that wait in the site's queue; then whole requests, whose clients share the processors.
        "throughput": rates,
        "site_throughput": site_rates,
        "resident_idle_mb": idle_mb,
        "resident_loaded_mb": loaded_mb,
        "bundle": f"{found.name}/{found.version}",
        "bundle_id": found.id,
        "processor": processor(),
        "cpus": cpus.available(),
        "load_before": os.getloadavg()[2],
        "versions": {name: version(name) for name in ("tensorflow", "keras", "openvino")},
    }


def _ready_s(path: Path, cache_root: Path, home: str) -> float:
    site = Site(path, cache_root, Path(home))
    site.stop()
    return site.ready_s


def _request(site: Site, alone: networks.Networks, photo: bytes, rounds: int) -> dict:
    """Time a whole request and the network alone in turn; milliseconds, medians, and means of the site's own stages."""
    before = site.stages()
    whole, network = [], []
    for _ in range(rounds):
        whole.append(site.time_page_ms(photo))
        network.append(alone.time_ms("openvino"))
    after = site.stages()
    return {
        "bytes": len(photo),
        "request_ms": statistics.median(whole),
        "network_ms": statistics.median(network),
        "over_network": statistics.median(whole) / statistics.median(network),
        "stages_ms": {
            name: 1000 * (after[name][0] - before.get(name, (0, 0))[0]) / (after[name][1] - before.get(name, (0, 0))[1])
            for name in after
            if after[name][1] > before.get(name, (0, 0))[1]
        },
    }


def _rates(alone: networks.Networks, seconds: float, throughput: Callable[[int], tuple[float, float]]) -> dict:
    """Give photos a second by number of clients, each beside the direct rate taken just before and just after it."""
    rates = {}
    direct = alone.direct_rate(seconds)
    for clients in CLIENTS:
        answered, refused = throughput(clients)
        again = alone.direct_rate(seconds)
        mean = (direct + again) / 2
        rates[str(clients)] = {
            "per_second": answered, "refused_per_second": refused, "direct_per_second": mean,
            "over_direct": answered / mean,
        }  # fmt: skip
        direct = again
    return rates


def table(results: dict) -> str:
    """Lay the figures out for people."""
    lines = [f"{results['bundle']} on {results['processor']}, {results['cpus']} processors", ""]
    for name, milliseconds in results["network_ms"].items():
        lines.append(f"network alone, {name:17} {milliseconds:8.1f} ms")
    for name, request in results["requests"].items():
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in request["stages_ms"].items())
        lines += ["", f"one request, {name:5} {request['request_ms']:21.1f} ms  ({stages})"]
    for name, rates in (("queue", results["throughput"]), ("site", results["site_throughput"])):
        lines.append("")
        for clients, rate in rates.items():
            lines.append(
                f"{name:5} {clients:>2} clients {rate['per_second']:18.1f} photos/s  "
                f"({rate['over_direct']:.2f} of the direct rate; {rate['refused_per_second']:.1f} refused)"
            )
    idle, loaded = results["resident_idle_mb"], results["resident_loaded_mb"]
    lines += ["", f"resident {idle:25.0f} MB idle, {loaded:.0f} MB under load"]
    lines.append("")
    for key, (direction, limit) in LIMITS.items():
        verdict = "ok" if is_within(key, results[key]) else "BEYOND"
        lines.append(f"{key:28} {results[key]:8.2f}  {direction} {limit:g}  {verdict}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
