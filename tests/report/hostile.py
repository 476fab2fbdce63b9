"""An engine plug-in that answers with what could harm the reader of a report, where a text is asked for."""

import contextlib
import json
from collections.abc import Iterator
from typing import Literal

from synth.engines import EngineSettings, Request, RequestFailed, Response
from synth.engines.scripted import ScriptedEngine
from synth.engines.scripted import Settings as Scripted

TEXTS = (
    "What is </script><script>window.hacked = 1</script> kelp?", "<img src=x onerror='window.hacked = 1'> otters sleep?",
    "javascript:window.hacked=1 otters", "otters a\u2028b\u2029c sleep", "\u202egnihtyna\u202c and \u200frtl otters",
)  # fmt: skip


class Settings(EngineSettings):
    """None of its own."""

    kind: Literal["tests.report.hostile"]
    model: str = "<script>window.hacked = 1</script>"


class HostileEngine:
    async def complete(self, request: Request) -> Response:
        if request.seed % 7 == 6:
            raise RequestFailed("refused", "<img src=x onerror='window.hacked = 1'>")
        if request.seed % 7 == 5:
            return Response("</script><script>window.hacked = 1</script> no JSON \ud800", "stop")
        if "query" not in json.loads(request.schema)["properties"]:
            return await ScriptedEngine(Scripted(kind="scripted")).complete(request)
        return Response(json.dumps({"query": TEXTS[request.seed // 7 % 5]}, ensure_ascii=False), "stop")


@contextlib.contextmanager
def open(settings: Settings) -> Iterator[HostileEngine]:
    yield HostileEngine()
