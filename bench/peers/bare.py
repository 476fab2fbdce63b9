"""No tool at all: aiohttp and a loop. Answers are decoded, and dropped."""

import asyncio
import json
import time

import aiohttp
from _given import given, report


async def main() -> None:
    to = given()
    texts = iter(to.texts())
    answers = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal answers
        for text in texts:
            body = {"model": "instant", "messages": [{"role": "user", "content": text}], "max_tokens": 256}
            async with session.post(f"{to.url}/chat/completions", json=body) as reply:
                found = json.loads(await reply.read())
            answers += bool(found["choices"][0]["message"]["content"])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(to.in_flight)))
        report(time.perf_counter() - started, answers)


asyncio.run(main())
