"""The `openai` package and a loop. Answers are parsed, and dropped."""

import asyncio
import time

import httpx
from _given import given, report
from openai import AsyncOpenAI


async def main() -> None:
    to = given()
    texts = iter(to.texts())
    answers = 0

    async def work(client: AsyncOpenAI) -> None:
        nonlocal answers
        for text in texts:
            found = await client.chat.completions.create(
                model="instant", messages=[{"role": "user", "content": text}], max_tokens=256
            )
            answers += bool(found.choices[0].message.content)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=to.in_flight)
    async with AsyncOpenAI(base_url=to.url, api_key="none", http_client=httpx.AsyncClient(limits=limits)) as client:
        started = time.perf_counter()
        await asyncio.gather(*(work(client) for _ in range(to.in_flight)))
        report(time.perf_counter() - started, answers)


asyncio.run(main())
