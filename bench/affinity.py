"""What it brings that a passage has its own server: simulated servers, in this process, whose caches are what is shared.

    python -m bench.affinity [--servers 8] [--places 32] [--passages 2000]

Each server computes `places` requests at once, 0.3 to 0.7 s each, and 0.25 s more for a passage that it has not seen. Passages
have four rows of two questions each. The engine is the real one, but for HTTP. Two sides, one after the other: requests that
name their passage, and the same without, which go to the server with the least to do. Real time passes: some 40 s a side.
"""

import argparse
import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from typing import Any

from synth.engines import Request, Response, Sampling
from synth.engines._servers import Server
from synth.engines.server import ServerEngine, Settings
from synth.prompts import Message
from synth.slots import Slots

ROWS, STEPS = 4, 2
SECONDS, SPREAD, ANEW = 0.5, 0.4, 0.25


class Simulated(ServerEngine):
    """Asks nobody: each server is a number of places and the passages that it has seen."""

    def __init__(self, settings: Settings, places: int) -> None:
        super().__init__(settings)
        self.places = {url: asyncio.Semaphore(places) for url in settings.urls}
        self.seen: dict[str, Counter[str]] = defaultdict(Counter)
        self.busy = 0.0
        self._draw = random.Random(1)

    async def _try(self, server: Server, body: bytes, identity: str) -> Response:
        passage = json.loads(body)["messages"][0]["content"].partition(":")[0]
        async with self.places[server.url]:
            seconds = SECONDS * self._draw.uniform(1 - SPREAD, 1 + SPREAD) + (
                0 if self.seen[passage][server.url] else ANEW
            )
            self.seen[passage][server.url] += 1
            self.busy += seconds
            await asyncio.sleep(seconds)
        return Response("{}", "stop")

    async def _connected(self) -> Any:
        return None

    def _watch(self) -> None:
        return None


async def play(engine: Simulated, passages: int, *, named: bool) -> float:
    """Ask as the generate stage does: rows in order, as many as the engine holds. Return the seconds it took."""
    slots = Slots(lambda: engine.capacity)

    async def row(passage: str, number: int) -> None:
        for step in range(STEPS):
            asked = (Message("user", f"{passage}: row {number}, question {step}"),)
            await engine.complete(Request(asked, "{}", Sampling(), number, passage if named else ""))
        slots.release()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(passages * ROWS):
            await slots.acquire()
            group.create_task(row(f"passage {number // ROWS}", number))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("servers", 8), ("places", 32), ("passages", 2000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    urls = [f"http://server-{number}/v1" for number in range(options.servers)]
    print(
        "| requests | at the passage's own server | a passage is computed | busiest / mean | requests/s | places busy |"
    )
    print("|---|---|---|---|---|---|")
    rates = []
    for side, named in (("name their passage", True), ("do not", False)):
        engine = Simulated(Settings(kind="server", model="simulated", urls=urls), options.places)
        seconds = asyncio.run(play(engine, options.passages, named=named))
        served = sum(engine.seen.values(), Counter())
        own = sum(max(one.values()) for one in engine.seen.values()) / served.total()
        computed = sum(map(len, engine.seen.values())) / len(engine.seen)
        uneven = max(served.values()) * options.servers / served.total()
        busy = engine.busy / (seconds * options.servers * options.places)
        rates.append(served.total() / seconds)
        print(
            f"| {side} | {own:.0%} | {computed:.2f} times | {uneven:.2f} | {rates[-1]:,.0f} | {busy:.0%} |", flush=True
        )
    print(f"\nratio: {rates[0] / rates[1]:.2f}")


if __name__ == "__main__":
    main()
