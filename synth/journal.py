"""Every raw answer, on disk before it is used.

Keyed by the hash of the rendered request: whatever is changed in a run, a request that was answered is never sent again.
"""

import contextlib
import json
from dataclasses import dataclass, fields

from synth.engines import Response
from synth.kept import Keep

FILE = "responses/journal.sqlite"
"""Its place in a run's folder."""
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_FIELDS = tuple(field.name for field in fields(Response))


@dataclass(frozen=True)
class Journal:
    kept: Keep

    async def get(self, key: str) -> Response | None:
        """Return the answer to the request with this key, or null when it was never answered, or is damaged."""
        body = await self.kept.get(bytes.fromhex(key))
        if body is not None:
            with contextlib.suppress(TypeError):  # of another version: as good as damaged
                return Response(*json.loads(body))
        return None

    async def put(self, key: str, response: Response) -> None:
        """Return when the answer is on disk."""
        values = [getattr(response, name) for name in _FIELDS]  # astuple copies each: a tenth of a request's whole cost
        body = _encode(values).encode("utf-8", "surrogatepass")
        await self.kept.put(bytes.fromhex(key), body)
