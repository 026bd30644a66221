"""Decode damaged photos by the ten thousand: `make fuzz`, or `python -m tests.fuzz --inputs 20000 --seed 0`.

Each must be read or refused, by a processor time and in memory below the limits. Ends with status 1 if one was not,
and names its number, with which `tests.fuzz.inputs.make(number, seed)` gives the file again.
"""

import argparse
import sys
from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from tests.fuzz.decoding import Outcome, look_at_many

LIMIT_S = 1.0
LIMIT_MB = 300
CHUNK = 1_000


def run(inputs: int, seed: int) -> tuple[list[Outcome], list[str]]:
    """Look at that many damaged photos; the outcomes, and a sentence about each process that died."""
    chunks = [range(start, min(start + CHUNK, inputs)) for start in range(0, inputs, CHUNK)]
    outcomes, deaths = [], []
    for done, numbers in enumerate(chunks):
        # A process for each chunk: whoever dies takes no more with it, and memory starts low.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            try:
                outcomes += pool.submit(look_at_many, numbers, seed).result(timeout=CHUNK * 10)
            except BrokenProcessPool:
                deaths.append(f"the process died between numbers {numbers[0]} and {numbers[-1]}")
        if sys.stderr.isatty():
            print(f"\r{(done + 1) * CHUNK} of {inputs}", end="", file=sys.stderr)
    return outcomes, deaths


def print_table(outcomes: list[Outcome]) -> None:
    """Print what became of each kind, its slowest and its largest."""
    by_kind = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    print(f"{'kind':22} {'inputs':>7} {'slowest':>9} {'most memory':>12}  outcomes")
    for kind, some in by_kind.items():
        said = ", ".join(f"{name} {count}" for name, count in Counter(one.said for one in some).most_common(8))
        slowest, largest = max(one.seconds for one in some), max(one.megabytes for one in some)
        print(f"{kind:22} {len(some):7} {slowest:7.2f} s {largest:9.0f} MB  {said}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=20_000, help="how many damaged photos (20000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other damage (0)")
    arguments = parser.parse_args()
    outcomes, complaints = run(arguments.inputs, arguments.seed)
    print_table(outcomes)
    for one in outcomes:
        if one.defect or one.seconds > LIMIT_S or one.megabytes > LIMIT_MB:
            complaints.append(
                f"number {one.number}, {one.kind}: {one.said}, {one.seconds:.2f} s, {one.megabytes:.0f} MB"
            )
    print("\n".join(complaints) or f"Every one was read or refused within {LIMIT_S:.0f} s and {LIMIT_MB} MB.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
