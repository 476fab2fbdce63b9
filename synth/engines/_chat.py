"""The chat protocol of OpenAI's API: how a request is written, and how an answer is read."""

import json
from functools import lru_cache
from typing import Any, Literal

from pydantic import AliasPath, BaseModel, Field

from synth import secrets
from synth.engines import EngineSettings, Request, RequestFailed, Response, Sampling


class Answer(BaseModel):
    """What is read of a chat completion."""

    id: str | None = None
    """`chatcmpl-` and the X-Request-Id, by vLLM; anything, by others."""
    text: str | None = Field(validation_alias=AliasPath("choices", 0, "message", "content"))
    finish: str | None = Field(validation_alias=AliasPath("choices", 0, "finish_reason"))
    prompt_tokens: int | None = Field(None, validation_alias=AliasPath("usage", "prompt_tokens"))
    cached_tokens: int | None = Field(
        None, validation_alias=AliasPath("usage", "prompt_tokens_details", "cached_tokens")
    )
    output_tokens: int | None = Field(None, validation_alias=AliasPath("usage", "completion_tokens"))

    @property
    def aborted(self) -> bool:
        """vLLM was told to stop or to pause: another try may be answered."""
        return self.finish == "abort"

    def response(self) -> Response:
        """Raises RequestFailed where no other try would end otherwise."""
        if self.text is None or self.finish not in ("stop", "length"):
            # The same seed would get the same again: a grammar that does not compile, a refusal, an empty turn.
            what = f"finish_reason {self.finish!r:.100}{', no content' if self.text is None else ''}"
            raise RequestFailed("engine_error", secrets.redact(what))
        finish: Literal["stop", "length"] = "length" if self.finish == "length" else "stop"
        return Response(self.text, finish, self.prompt_tokens or 0, self.cached_tokens or 0, self.output_tokens or 0)


def body(request: Request, settings: EngineSettings) -> bytes:
    """Return the body of a POST to /v1/chat/completions."""
    messages = [{"role": message.role, "content": message.content} for message in request.messages]
    template = json.dumps(settings.chat_template_kwargs) if settings.chat_template_kwargs else ""
    rest = _rest(request.schema, request.sampling, settings.model, template)
    return f'{{"messages": {json.dumps(messages)}, "seed": {request.seed}, {rest}'.encode()


@lru_cache(64)
def _rest(schema: str, sampling: Sampling, model: str, template: str) -> str:
    """Return what a run's requests have in common, as the end of a JSON object: it is written once."""
    wanted = {"name": "answer", "schema": json.loads(schema), "strict": True}
    body: dict[str, Any] = {
        "model": model,
        **sampling.model_dump(),
        "response_format": {"type": "json_schema", "json_schema": wanted},
    }
    if template:
        body["chat_template_kwargs"] = json.loads(template)
    return json.dumps(body)[1:]
