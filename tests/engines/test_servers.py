"""Several servers: where a passage's requests go, and what becomes of them when servers come, go and fail."""

import asyncio
import logging
import random
import socketserver
import threading
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from synth.engines import Request, Response, Sampling, _http, server
from synth.engines._servers import FAILURES, Server, Servers, listed
from synth.engines._window import Window
from synth.engines.server import ServerEngine, Settings
from synth.errors import ConfigError, ModelError
from synth.prompts import Message
from synth.settings import parse
from tests.llm_server import LlmServer

SCHEMA = '{"type": "object", "properties": {"sure": {"const": true}}}'


def request(passage: str, seed: int = 0) -> Request:
    return Request((Message("user", f"On {passage}"),), SCHEMA, Sampling(), seed, passage)


def settings(*servers: LlmServer, **changes: Any) -> Settings:
    return Settings(kind="server", model="m", **({"urls": [one.url for one in servers]} | changes))


async def ask(engine: ServerEngine, *requests: Request) -> list[Response]:
    return await asyncio.gather(*map(engine.complete, requests))


def ready(*urls: str) -> Servers:
    return Servers(lambda: urls, 100, 5.0, 1.0)


def test_a_passage_has_its_own_server_and_one_server_less_moves_only_its_passages() -> None:
    servers = ready("a", "b", "c")
    passages = [f"passage {n}" for n in range(300)]
    before = {passage: servers.choose(passage) for passage in passages}
    assert Counter(one.url for one in before.values() if one) == {"a": 107, "b": 98, "c": 95}
    servers.miss(servers.all["b"], "gone")
    after = {passage: servers.choose(passage) for passage in passages}
    assert [p for p in passages if before[p] is not after[p]] == [p for p in passages if before[p] is servers.all["b"]]


def test_a_server_that_has_clearly_more_to_do_passes_requests_on() -> None:
    servers = ready("a", "b")
    own = servers.choose("passage")
    assert own is not None
    [other] = [one for one in servers.all.values() if one is not own]
    own.held, other.held = 10, 8
    assert servers.choose("passage") is own
    own.held, other.held = 20, 4  # the mean is 12, and 1.25 x 12 + 4 = 19
    assert servers.choose("passage") is other
    assert servers.choose("") is other
    own.held, other.held = 32, 32  # all places are taken: it waits for its own
    assert servers.choose("passage") is own
    assert servers.choose("passage", avoid=own) is other
    own.window.size, other.window.size = 64, 16  # the shares are 51 and 13
    own.held, other.held = 60, 4
    assert servers.choose("passage") is own
    own.held, other.held = 4, 60
    assert servers.choose("") is own


def test_with_more_to_do_than_places_passages_stay_where_they_are() -> None:
    """Four servers of 32 places, always full, 400 passages of 8 requests each: where they were answered."""
    servers, draw = ready("a", "b", "c", "d"), random.Random(1)
    at: dict[str, set[str]] = defaultdict(set)
    load, held = Counter[str](), Counter[int]()

    async def one(passage: str, under_way: asyncio.Semaphore) -> None:
        async with servers.place(passage) as given:
            at[passage].add(given.url)
            load[given.url] += 1
            for _ in range(draw.randint(5, 15)):
                await asyncio.sleep(0)
            held[given.held] += 1
        under_way.release()

    async def play() -> None:
        for known in servers.all.values():
            known.window = Window(32)
        under_way = asyncio.Semaphore(servers.capacity)
        async with asyncio.TaskGroup() as group:
            for number in range(3200):
                await under_way.acquire()
                group.create_task(one(f"passage {number // 8}", under_way))

    asyncio.run(play())
    # One queue for all, the first to the first place: 8 of 400 stay at one server.
    assert Counter(map(len, at.values())) == {1: 241, 2: 130, 3: 27, 4: 2}
    assert load == {"a": 806, "b": 798, "c": 794, "d": 802}
    assert sum(places * times for places, times in held.items()) / held.total() > 28
    assert max(held) == 32


def test_a_server_with_places_to_spare_takes_what_waits_for_another() -> None:
    async def play() -> tuple[list[str], list[str]]:
        servers = ready("a", "b")
        for known in servers.all.values():
            known.window = Window(4)
        own = servers.choose("passage")
        assert own is not None
        [other] = [known for known in servers.all.values() if known is not own]
        other.held = 4  # so that all wait for their own
        turns = [asyncio.ensure_future(servers.take("passage", None)) for _ in range(7)]
        await asyncio.sleep(0)
        before = [turn.result().url for turn in turns if turn.done()]
        other.held = 2
        servers._fill(other)
        await asyncio.sleep(0)
        after = [turn.result().url for turn in turns if turn.done()]
        names = {own.url: "own", other.url: "other"}
        for turn in turns:
            turn.cancel()
        return [names[url] for url in before], [names[url] for url in after]

    before, after = asyncio.run(play())
    assert before == ["own"] * 4
    assert after == ["own"] * 4 + ["other"]  # up to three of its four places: one is kept for its own passages


def test_those_who_wait_for_a_server_that_goes_move_to_others_and_end_with_the_last() -> None:
    async def play() -> list[Any]:
        servers = ready("a", "b")
        for known in servers.all.values():
            known.window = Window(1)
            known.held = 1
        turns = [asyncio.ensure_future(servers.take(f"passage {n}", None)) for n in range(6)]
        await asyncio.sleep(0)
        assert [len(known.queue) for known in servers.all.values()] == [5, 1]  # as their passages fall
        servers.miss(servers.all["a"], "gone")
        assert [len(known.queue) for known in servers.all.values()] == [0, 6]
        servers.miss(servers.all["b"], "gone")
        assert len(servers._nowhere) == 6
        servers.all["b"].held = 0
        servers.back(servers.all["b"])
        await asyncio.sleep(0)
        assert [turn.done() for turn in turns].count(True) == 1
        servers.end(ModelError("over"))
        return await asyncio.gather(*turns, return_exceptions=True)

    ends = asyncio.run(play())
    assert Counter(str(getattr(end, "url", end)) for end in ends) == {"b": 1, "over": 5}


def test_all_requests_of_a_passage_are_answered_by_one_server() -> None:
    requests = [request(f"passage {n % 12}", seed=n) for n in range(48)]
    with LlmServer() as one, LlmServer() as two, server.open(settings(one, two)) as engine:
        for at in range(0, 48, 12):  # as rows do: a few at a time
            answers = asyncio.run(ask(engine, *requests[at : at + 12]))
            assert [answer.text for answer in answers] == ['{"sure": true}'] * 12
        assert one.answered.total() + two.answered.total() == 48
        assert one.answered.total() % 4 == 0  # four requests a passage
        assert min(one.answered.total(), two.answered.total()) > 0


def test_a_server_that_dies_costs_nothing_while_another_is_there(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "synth.engines.server")

    async def play(engine: ServerEngine, two: LlmServer) -> list[Response]:
        answers = await ask(engine, *(request(f"passage {n}") for n in range(20)))
        await asyncio.to_thread(two.stop)
        answers += await ask(engine, *(request(f"passage {n}", 1) for n in range(20)))
        await asyncio.to_thread(two.start)
        while len(caplog.records) < 2:  # it is looked for, and found
            await asyncio.sleep(0.01)
        return answers + await ask(engine, *(request(f"passage {n}", 2) for n in range(20)))

    with LlmServer() as one, LlmServer() as two:
        with server.open(settings(one, two, tries=2)) as engine:
            answers = asyncio.run(play(engine, two))
        assert [answer.text for answer in answers] == ['{"sure": true}'] * 60
        said = [record.getMessage() for record in caplog.records]
        assert said[0].startswith(f"engine server: {two.url} cannot be reached (ConnectionRefusedError: ")
        assert said[0].endswith("): 1 others go on")
        assert said[1].startswith(f"engine server: {two.url} answers again, after ")
        assert len(said) == 2


def test_servers_come_and_go_with_the_list(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    caplog.set_level(logging.WARNING, "synth.engines.server")
    monkeypatch.setattr(server, "LONGEST_WAIT", 0.05)
    file = tmp_path / "servers.txt"

    async def play(engine: ServerEngine, one: LlmServer, two: LlmServer) -> None:
        waiting = asyncio.ensure_future(ask(engine, *(request(f"passage {n}") for n in range(8))))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        file.write_text(f"# nodes of job 7\n{one.url}/\n\n")
        await waiting
        file.write_text(f"{one.url}\n{two.url}\n")
        while not any(record.getMessage().endswith("is there") for record in caplog.records):
            await asyncio.sleep(0.01)
        await ask(engine, *(request(f"passage {n}", 1) for n in range(20)))
        file.write_text(f"{two.url}\n")
        while not any(record.getMessage().endswith("listed no more") for record in caplog.records):
            await asyncio.sleep(0.01)
        before = one.answered.total()
        await ask(engine, *(request(f"passage {n}", 2) for n in range(20)))
        assert one.answered.total() == before

    with LlmServer() as one, LlmServer() as two:
        with server.open(settings(urls=[], servers=str(file))) as engine:
            asyncio.run(play(engine, one, two))
        assert one.answered.total() + two.answered.total() == 48
        assert two.answered.total() > 20


def test_a_server_with_another_model_is_left_out_and_all_such_end_the_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "synth.engines.server")
    with LlmServer() as one, LlmServer(rate=1, kinds=["401"]) as two:
        with server.open(settings(one, two)) as engine:
            asyncio.run(ask(engine, *(request(f"passage {n}") for n in range(20))))
        assert one.answered.total() == 20
        assert len(caplog.records) == 1
        assert caplog.records[0].getMessage().startswith(f"engine server: left out: engine server: {two.url}: HTTP 401")
    with LlmServer(rate=1, kinds=["401"]) as one, LlmServer(rate=1, kinds=["401"]) as two:
        with server.open(settings(one, two)) as engine, pytest.raises(ModelError, match="HTTP 401") as error:
            asyncio.run(engine.complete(request("x")))
        assert error.value.fix == "check engine.url, engine.model, and the key in $SYNTH_API_KEY"
        assert (one.asked.total(), two.asked.total()) == (1, 1)


def test_a_server_that_fails_time_after_time_is_left_alone() -> None:
    servers = ready("a", "b")
    failing = servers.all["a"]
    for _ in range(FAILURES - 1):
        servers.failed(failing, "HTTP 500")
    servers.answered(failing)
    for _ in range(FAILURES):
        assert failing.usable
        servers.failed(failing, "HTTP 500")
    assert failing.missing == "5 failures in a row, the last: HTTP 500"
    for _ in range(2 * FAILURES):  # the last one is not given up: its requests fail one by one
        servers.failed(servers.all["b"], "HTTP 500")
    assert servers.usable == [servers.all["b"]]


def test_requests_wait_in_order_for_a_place() -> None:
    async def play() -> list[int]:
        servers, order = ready("a"), list[int]()
        servers.all["a"].window = Window(2)

        async def hold(number: int) -> None:
            async with servers.place("passage"):
                order.append(number)
                await asyncio.sleep(0)

        impatient = asyncio.ensure_future(hold(-1))
        others = [asyncio.ensure_future(hold(number)) for number in range(20)]
        await asyncio.sleep(0)
        others[3].cancel()
        await asyncio.gather(impatient, *others, return_exceptions=True)
        assert servers.all["a"].held == 0
        return order

    assert asyncio.run(play()) == [-1, 0, 1, 2, *range(4, 20)]


def test_capacity_is_what_the_windows_hold_and_some_more() -> None:
    servers = ready("a", "b")
    assert servers.capacity == 80
    servers.miss(servers.all["a"], "gone")
    assert servers.capacity == 40


def test_counters_are_those_of_all_servers_since_they_were_first_seen() -> None:
    with LlmServer() as one, LlmServer() as two:
        one.before = 1000
        with server.open(settings(one, two)) as engine:

            async def play() -> None:
                await ask(engine, request("first"))
                while any(known.counted is None for known in engine._servers.all.values()):
                    await asyncio.sleep(0.01)
                seen.update({known.url: known.counted or {} for known in engine._servers.all.values()})
                await ask(engine, *(request(f"passage {n}", 1) for n in range(20)))

            seen: dict[str, dict[str, float]] = {}
            asyncio.run(play())
            first = 1 - sum(known["prefix_cache_queries"] for known in seen.values()) / 10 + 1000
            assert engine.counters() == {
                "prefix_cache_queries": 10 * (20 + first),
                "prefix_cache_hits": pytest.approx(6 * (20 + first)),
            }


def test_a_list_that_is_not_there_yet_is_empty_and_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert listed(tmp_path / "servers.txt") == []
    with pytest.raises(ConfigError, match=r"engine.servers: .* cannot be read"):
        listed(tmp_path)


def test_one_place_says_where_the_servers_are() -> None:
    with pytest.raises(ConfigError, match="url and servers both say where the servers are"):
        parse(Settings, {"kind": "server", "model": "m", "url": "http://a/v1", "servers": "s.txt"}, where="engine")
    assert Settings(kind="server", model="m").places() == ["http://127.0.0.1:8000/v1"]


def test_a_server_knows_whether_it_is_in_use() -> None:
    one = Server("a", Window(10))
    assert one.usable
    one.missing = "gone"
    assert not one.usable


def fail(servers: Servers, failing: Server) -> None:
    for _ in range(FAILURES):
        servers.failed(failing, "HTTP 500")


def test_a_server_that_is_healthy_and_fails_all_the_same_rests_longer_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    servers, rests = ready("a", "b"), list[float]()
    failing = servers.all["a"]
    for _ in range(8):
        fail(servers, failing)
        rests.append(failing.rested - now)
        servers.back(failing)  # what GET /health comes to
        assert not failing.usable
        now = failing.rested
        servers.back(failing)
        assert failing.usable
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]
    servers.answered(failing)
    fail(servers, failing)
    assert failing.rested - now == 1
    servers.miss(servers.all["b"], "gone")  # then it is better than none
    servers.back(failing)
    assert servers.usable == [failing]


def test_a_server_that_only_holds_requests_is_left_alone(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    caplog.set_level(logging.WARNING, "synth.engines.server")
    monkeypatch.setattr(server, "FIRST_PAUSE", 0.001)
    with LlmServer(rate=1, kinds=["hang"]) as one, LlmServer() as two:
        with server.open(settings(one, two, timeout=0.3)) as engine:
            answers = asyncio.run(ask(engine, *(request(f"passage {n}") for n in range(40))))
        assert [answer.text for answer in answers] == ['{"sure": true}'] * 40
        assert two.answered.total() == 40
        assert caplog.records[0].getMessage() == (
            f"engine server: {one.url} cannot be reached (5 failures in a row, the last: no whole answer within 0.3 s): "
            "1 others go on"
        )


def test_a_list_that_cannot_be_read_for_a_moment_is_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING, "synth.engines.server")
    monkeypatch.setattr(server, "LONGEST_WAIT", 0.02)
    file = tmp_path / "servers.txt"

    async def said(words: str) -> None:
        while not any(words in record.getMessage() for record in caplog.records):
            await asyncio.sleep(0.01)

    async def play(engine: ServerEngine, one: LlmServer, two: LlmServer) -> None:
        await ask(engine, request("first"))
        file.write_bytes(b"\xff")
        await said("cannot be read")
        assert [known.url for known in engine._servers.usable] == [one.url]
        file.write_text(f"{one.url}\n{two.url}\n")
        await said("is there")
        assert [known.url for known in engine._servers.usable] == [one.url, two.url]

    with LlmServer() as one, LlmServer() as two:
        file.write_text(one.url)
        with server.open(settings(urls=[], servers=str(file))) as engine:
            asyncio.run(play(engine, one, two))
    assert len(caplog.records) == 2  # said once, however often it was looked at


class Rude(socketserver.BaseRequestHandler):
    """Answers all requests with what its server was told to say."""

    def handle(self) -> None:
        self.request.recv(10_000)
        self.request.sendall(self.server.said)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nvllm:prefix_cache_hits_total{engine=\"0\"} 1.5e+06\n", {"prefix_cache_hits": 1_500_000.0}),
        (b"HTTP/1.0 200 OK\r\n\r\nvllm:prefix_cache_hits_total 1\nvllm:prefix_cache_hits_total{engine=\"1\"} 2\n",
         {"prefix_cache_hits": 3.0}),
        (b"HTTP/1.0 200 OK\r\n\r\nvllm:prefix_cache_hits_total 1.2.3\n", {}),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", {}),
        (b"HTTP/1.0 503 Loading\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH_9.6\r\n", {}),
        (b"", None),
    ],
)  # fmt: skip
def test_counters_are_read_from_a_page_and_what_is_none_breaks_nothing(
    said: bytes, counted: dict[str, float] | None
) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Rude) as rude:
        rude.said = said  # type: ignore[attr-defined]
        thread = threading.Thread(target=rude.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        assert _http.counted(f"http://127.0.0.1:{rude.server_address[1]}/v1") == counted
        rude.shutdown()
        thread.join()


def test_a_server_that_comes_late_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, counted = threading.Event(), _http.counted

    def look(url: str) -> dict[str, float] | None:
        found = counted(url)
        looked.set()
        return found

    monkeypatch.setattr(_http, "counted", look)

    async def play(engine: ServerEngine, late: LlmServer) -> None:
        asked = asyncio.ensure_future(engine.complete(request("first")))
        assert await asyncio.to_thread(looked.wait, 30)  # for its counters, before it is there
        await asyncio.to_thread(late.start)
        await asked
        [known] = engine._servers.all.values()
        while known.counted is None:
            await asyncio.sleep(0.01)
        await ask(engine, *(request(f"passage {n}", 1) for n in range(20)))

    with LlmServer() as late:
        late.stop()
        with server.open(settings(late)) as engine:
            asyncio.run(play(engine, late))
            assert engine.counters()["prefix_cache_queries"] in (200, 210)  # the first may have come before the look
