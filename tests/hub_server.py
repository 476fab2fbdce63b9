"""A small Hub on loopback: datasets, branches, tags, large files and commits, as huggingface_hub's own client asks for them.

In a test:    with HubServer() as hub: … hub.url, hub.repos, hub.asked, hub.sent
`hub.faults` maps "METHOD step" (as in `hub.asked`) to what befalls the next such requests, first come, first served: a
status, or "cut" (the connection is reset in the middle), or a function, which is called before the request is answered.
Files that end in .parquet are large. Only the LFS way of upload is here, not xet: set HF_HUB_DISABLE_XET.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import huggingface_hub.constants
import pytest

TOKEN = "hf_a-token-of-the-tests"


@dataclass
class Repo:
    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files by path, by commit."""
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def at(self, revision: str) -> str | None:
        return (
            self.branches.get(revision) or self.tags.get(revision) or (revision if revision in self.commits else None)
        )

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.branches["main"]]


class HubServer:
    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        """What was uploaded, by SHA-256, committed or not."""
        self.asked: Counter[str] = Counter()
        self.sent = 0
        """Bytes of large files that came."""
        self.faults: dict[str, list[Any]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "HubServer":
        hub = self

        class Handler(_Handler):
            def __init__(self, *args: Any) -> None:
                self.hub = hub
                super().__init__(*args)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def instead(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Have huggingface_hub speak to a server of its own instead of the Hub."""
    with HubServer() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True, "ENDPOINT": server.url, "HUGGINGFACE_CO_URL_TEMPLATE": template,
        }.items():  # fmt: skip
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        huggingface_hub.close_session()
        yield server
        huggingface_hub.close_session()


_PAGES = [
    (step, re.compile(pattern))
    for step, pattern in (
        ("whoami", r"/api/whoami-v2"),
        ("validate", r"/api/validate-yaml"),
        ("create", r"/api/repos/create"),
        ("batch", r"/datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch"),
        ("upload", r"/large/(?P<oid>\w+)"),
        ("tree", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)"),
        ("refs", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/refs"),
        ("info", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)"),
        ("preupload", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)"),
        ("commit", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)"),
        ("branch", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/branch/(?P<revision>[^/]+)"),
        ("tag", r"/api/datasets/(?P<repo>[^/]+/[^/]+)/tag/(?P<revision>[^/]+)"),
        ("file", r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"),
    )
]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        step, found = next(((step, match) for step, page in _PAGES if (match := page.fullmatch(path))), (None, None))
        if step is None or found is None:
            return self._say(404, {"error": f"no such page: {path}"})
        self.hub.asked[f"{self.command} {step}"] += 1
        waiting = self.hub.faults.get(f"{self.command} {step}") or [None]
        fault = waiting.pop(0)
        length = int(self.headers.get("Content-Length") or 0)
        if fault == "cut":
            self.rfile.read(length // 2)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return None
        body = self.rfile.read(length) if length else self._chunks()
        if isinstance(fault, int):
            echo = self.headers.get("Authorization", "")
            return self._say(fault, {"error": f"you sent {echo}"}, {"Retry-After": "0"})
        if fault:
            fault()
        if step not in ("upload", "validate") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._say(401, {"error": "Invalid username or password."})
        names = {name: unquote(value) for name, value in found.groupdict().items()}
        if "repo" in names:
            repo = self.hub.repos.get(names.pop("repo"))
            if repo is None:
                return self._say(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            return getattr(self, f"_{step}")(repo, body, **names)
        return getattr(self, f"_{step}")(body, **names)

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815

    def _chunks(self) -> bytes:
        data = b""
        if self.headers.get("Transfer-Encoding", "") == "chunked":
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return data

    def _say(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _whoami(self, _: bytes) -> None:
        self._say(200, {"name": "user", "type": "user", "orgs": []})

    def _validate(self, _: bytes) -> None:
        self._say(200, {"errors": [], "warnings": []})

    def _create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'user'}/{asked['name']}"
        if name in self.hub.repos:
            return self._say(
                409, {"error": "You already created this dataset repo", "url": f"{self.hub.url}/datasets/{name}"}
            )
        if not name.startswith("user/"):
            return self._say(403, {"error": "You don't have the rights to create a dataset under this namespace"})
        self.hub.repos[name] = Repo(asked.get("visibility") == "private" or bool(asked.get("private")))
        self.hub.repos[name].commit({".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})
        return self._say(200, {"url": f"{self.hub.url}/datasets/{name}", "name": name})

    def _info(self, repo: Repo, _: bytes, revision: str) -> None:
        if not (commit := repo.at(revision)):
            return self._say(404, {"error": f"Invalid rev id: {revision}"}, {"X-Error-Code": "RevisionNotFound"})
        return self._say(200, {"id": "user/toy", "sha": commit, "private": repo.private, "siblings": [], "tags": []})

    def _tree(self, repo: Repo, _: bytes, revision: str) -> None:
        entries = []
        for path, data in repo.commits[repo.at(revision) or ""].items():
            entry = {"type": "file", "path": path, "size": len(data), "oid": _git(data)}
            if path.endswith(".parquet"):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            entries.append(entry)
        self._say(200, entries)

    def _refs(self, repo: Repo, _: bytes) -> None:
        kinds = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags)}
        said = {
            kind: [{"name": name, "ref": f"refs/{refs}/{name}", "targetCommit": oid} for name, oid in named.items()]
            for kind, (refs, named) in kinds.items()
        }
        self._say(200, {**said, "converts": []})

    def _preupload(self, repo: Repo, body: bytes, revision: str) -> None:
        there = repo.commits[repo.at(revision) or ""]
        said = []
        for file in json.loads(body)["files"]:
            large = file["path"].endswith(".parquet")
            data = there.get(file["path"])
            oid = None if data is None else hashlib.sha256(data).hexdigest() if large else _git(data)
            said.append(
                {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}
            )
        self._say(200, {"files": said})

    def _batch(self, _: Repo, body: bytes) -> None:
        said = []
        for one in json.loads(body)["objects"]:
            new = one["oid"] not in self.hub.large
            said.append(
                {**one, **({"actions": {"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}}} if new else {})}
            )
        self._say(200, {"transfer": "basic", "objects": said})

    def _upload(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.large[oid] = body
        self.hub.sent += len(body)
        self._say(200, {})

    def _commit(self, repo: Repo, body: bytes, revision: str) -> None:
        head, *operations = map(json.loads, body.splitlines())
        parent = repo.branches[revision]
        if head["value"].get("parentCommit", parent) != parent:
            return self._say(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = dict(repo.commits[parent])
        for operation in operations:
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.hub.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        oid = repo.commit(files, revision)
        return self._say(200, {"commitUrl": f"{self.hub.url}/datasets/user/toy/commit/{oid}", "commitOid": oid})

    def _branch(self, repo: Repo, body: bytes, revision: str) -> None:
        repo.branches[revision] = repo.at(json.loads(body)["startingPoint"]) or ""
        self._say(200, {})

    def _tag(self, repo: Repo, body: bytes, revision: str) -> None:
        tag = json.loads(body)["tag"]
        if tag in repo.tags:
            return self._say(409, {"error": "Tag reference exists already"})
        repo.tags[tag] = repo.at(revision) or ""
        return self._say(200, {})

    def _file(self, repo: Repo, _: bytes, revision: str, path: str) -> None:
        commit = repo.at(revision)
        if not commit or path not in repo.commits[commit]:
            return self._say(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        data = repo.commits[commit][path]
        return self._say(200, data, {"X-Repo-Commit": commit, "ETag": f'"{_git(data)}"'})


def _git(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
