"""Kill runs at random instants of all stages, resume them, and say whether anything was lost, doubled or changed.

    python bench/kill.py --kills 200 [--seed 1]

Run it in the checkout, with the environment of `make test`. Prints how many kills came in which stage, how many requests were
asked twice (only those in flight at a kill may be), and each file that is not that of the undisturbed run. Exits 1 when
there is one. About two seconds a kill on two cores.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.killing import IN_FLIGHT, Killer, Report
from tests.llm_server import LlmServer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    report, started = Report(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, LlmServer(latency=0.005) as server:
        killer = Killer(Path(folder), server, random.Random(arguments.seed))
        wanted, times = killer.reference()
        while report.kills.total() < arguments.kills:
            killer.trial(f"trial-{report.trials}", 5, wanted, times, report)
            print(f"\r{report.kills.total()} kills, {len(report.differences)} differences", end="", file=sys.stderr)
    print(f"\n{report.kills.total()} kills in {report.trials} runs, {time.monotonic() - started:,.0f} s")
    print(
        "by the stage that was under way:", ", ".join(f"{name} {number}" for name, number in report.kills.most_common())
    )
    print(
        f"requests asked twice: {report.asked_twice}; at most {report.most_asked_twice} per kill, {IN_FLIGHT} in flight"
    )
    print(f"{len(wanted)} files compared per run, {len(report.differences)} differences")
    print("\n".join(report.differences))
    return int(bool(report.differences))


if __name__ == "__main__":
    sys.exit(main())
