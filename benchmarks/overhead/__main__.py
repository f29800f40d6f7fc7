"""Overhead of recording.

    python -m benchmarks.overhead --instructions [--workloads mlp]

Instructions of a step, by callgrind (`instructions`).
"""

from __future__ import annotations

import argparse

from . import instructions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="mlp")
    parser.add_argument("--instructions", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.workloads.split(","):
        print(instructions.table(name, instructions.count(name)))


if __name__ == "__main__":
    main()
