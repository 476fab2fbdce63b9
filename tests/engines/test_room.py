"""How many requests an engine gets, by what it says of itself."""

from synth.engines._room import Room


def test_in_flight_follows_what_the_engine_computes() -> None:
    room = Room(256)
    seen = [room.capacity]
    # Memory holds 100; then prompts get shorter, and none waits; then no more is to be done; then memory holds 2.
    for running, waiting in [(256, 128), (100, 284), (100, 50), (150, 0), (200, 0), (20, 0), (0, 0), (2, 90)]:
        room.look(running, waiting)
        seen.append(room.capacity)
    assert seen == [384, 384, 150, 150, 225, 300, 300, 300, 10]
