"""A bound that moves: never more than it allows, first come first served, and no place lost."""

import asyncio

from synth.slots import Slots


def test_places_are_given_in_order_and_as_many_as_there_are_now() -> None:
    async def play() -> list[str]:
        limit, seen = [2], list[str]()
        slots = Slots(lambda: limit[0])

        async def take(name: str) -> None:
            await slots.acquire()
            seen.append(name)

        waiting = [asyncio.ensure_future(take(name)) for name in "abcdef"]
        for step in ("two", "one gives back", "more room", "less room"):
            limit[0] = {"more room": 4, "less room": 1}.get(step, limit[0])
            if step != "two":
                slots.release()
            for _ in range(10):
                await asyncio.sleep(0)
            seen.append(f"| {step}: {slots.held}")
        for task in waiting:
            task.cancel()
        return seen

    assert asyncio.run(play()) == [
        "a", "b", "| two: 2", "c", "| one gives back: 2", "d", "e", "f", "| more room: 4", "| less room: 3",
    ]  # fmt: skip


def test_one_that_gives_up_loses_no_place() -> None:
    async def play() -> int:
        slots = Slots(lambda: 1)
        await slots.acquire()
        first, second = (asyncio.ensure_future(slots.acquire()) for _ in range(2))
        await asyncio.sleep(0)
        slots.release()  # `first` has the place, and is told to go before it knows
        first.cancel()
        await asyncio.wait_for(second, 10)
        return slots.held

    assert asyncio.run(play()) == 1
