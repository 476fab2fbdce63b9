"""The one place around every question to a model: template → request → journal or engine → answer.

Tasks only see `await ask(step, answer, **variables)`. What ends a row is raised as `Unanswered`; what ends the run
(a dead engine, a full disk) passes through.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from synth.engines import Engine, EngineSettings, Request, RequestFailed, Response
from synth.errors import ConfigError
from synth.prompts import Prompts
from synth.schemas import FAILED, REJECTED, stable_seed
from synth.stop import Stop
from synth.tasks import Answer


class Answers(Protocol):
    """Where answers are kept: the journal, or nothing."""

    async def get(self, key: str) -> Response | None: ...

    async def put(self, key: str, response: Response) -> None: ...


class Unanswered(Exception):
    """No usable answer: the row ends here, `rejected` for what the model wrote or `failed` for what the engine did."""

    def __init__(self, status: str, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.status, self.reason, self.detail = status, reason, detail


@dataclass(frozen=True)
class Asked:
    """One question and its answer, as they went over the wire: what `synth preview` shows."""

    step: str
    request: Request
    response: Response
    shared: bool = False
    """Whether other rows ask it, too."""


@dataclass(frozen=True)
class Line:
    """What all rows of a run share: where questions go, and where answers are kept."""

    engine: Engine
    settings: EngineSettings
    prompts: Prompts
    journal: Answers
    stop: Stop = field(default_factory=Stop)
    """Once it is requested, nothing more is asked: `Stopped` ends each row at its next question."""
    answered: Callable[[Response, bool], None] = lambda response, fresh: None
    """Told of every answer, and whether the engine was asked for it."""
    seed: int = 0
    """The run's: of questions that rows share."""
    pending: dict[str, asyncio.Future[Response]] = field(default_factory=dict)
    """Questions that are being asked, by key: a row that has the same one waits for its answer."""


@dataclass
class RowAsk:
    """The `ask` of one row. Remembers what was asked."""

    line: Line
    seed: int
    prefix: str = ""
    """See Request.prefix."""
    asked: list[Asked] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def __call__(self, step: str, answer: type[Answer], *, share: str = "", **variables: Any) -> Answer:
        try:
            messages = self.line.prompts.render(step, variables)
        except ConfigError as error:  # of this row's values: what is wrong for all was found before the first
            raise Unanswered(FAILED, "template", error.what) from error
        seed = stable_seed(
            *(("shared", self.line.seed, share) if share else (self.seed,)), step, 0 if share else len(self.keys)
        )
        request = Request(messages, schema_of(answer), self.line.settings.sampling, seed, self.prefix)
        key = request.key(self.line.settings.identity)
        self.keys.append(key)
        response = await self.line.journal.get(key)
        fresh = response is None and key not in self.line.pending
        if response is None:
            response = await self._shared(key, request)
        self.line.answered(response, fresh)
        self.asked.append(Asked(step, request, response, bool(share)))
        return parse(response, answer)

    async def _shared(self, key: str, request: Request) -> Response:
        """Ask the engine, unless another row is asking it the same: then wait for what that one gets."""
        if key in self.line.pending:
            return await asyncio.shield(self.line.pending[key])
        self.line.stop.check()
        self.line.pending[key] = answer = asyncio.get_running_loop().create_future()
        try:
            response = await self._complete(request)
            await self.line.journal.put(key, response)
            answer.set_result(response)
        except BaseException as error:
            # What ends the row ends those that wait with it; what is cancelled (`CancelledError`) they see themselves.
            answer.set_exception(error) if isinstance(error, Exception) else answer.cancel()
            raise
        finally:
            answer.cancelled() or answer.exception()  # seen: nobody need wait for it
            del self.line.pending[key]
        return response

    async def _complete(self, request: Request) -> Response:
        deadline = self.line.settings.deadline
        try:
            async with asyncio.timeout(deadline):
                return await self.line.engine.complete(request)
        except RequestFailed as error:
            raise Unanswered(FAILED, error.reason, error.detail) from error
        except TimeoutError as error:
            raise Unanswered(FAILED, "deadline", f"no answer within {deadline:g} s") from error

    @property
    def examples(self) -> list[str]:
        """The worked answers that the prompts showed, each once."""
        shown = (
            message.content for asked in self.asked for message in asked.request.messages if message.role == "assistant"
        )
        return list(dict.fromkeys(shown))


def parse(response: Response, answer: type[Answer]) -> Answer:
    """Read a model's answer. Raises Unanswered `cut_off` or `unparsable`: an engine may ignore the schema it was given."""
    if response.finish == "length":
        raise Unanswered(REJECTED, "cut_off", f"{response.output_tokens} tokens")
    try:
        return answer.model_validate_json(response.text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Unanswered(REJECTED, "unparsable", f"{where}: {first['msg']}" if where else first["msg"]) from error


@cache
def schema_of(answer: type[BaseModel]) -> str:
    """Return the JSON schema of an answer model, without titles and descriptions: grammars have no use for them."""

    def strip(node: Any, *, names: bool = False) -> Any:
        if isinstance(node, dict):
            kept = node.items() if names else ((k, v) for k, v in node.items() if k not in ("title", "description"))
            return {key: strip(value, names=key == "properties" and not names) for key, value in kept}
        return [strip(item) for item in node] if isinstance(node, list) else node

    return json.dumps(strip(answer.model_json_schema()), sort_keys=False)
