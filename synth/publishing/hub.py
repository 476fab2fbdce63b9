"""The Hub as a destination: all in one commit, upon the one that was looked at, and a tag.

huggingface_hub sends what is large before it commits, by content: what the Hub has is not sent again, so a killed upload
goes on where it stopped. A commit that somebody else made meanwhile makes ours fail (412): then it looks again.
"""

import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synth import __version__
from synth.errors import ConfigError, RefusedError, StoreError, SynthError
from synth.publishing.changes import Changes, There
from synth.publishing.contents import MANIFEST, Contents, Listed, hashed
from synth.publishing.passing import Passing
from synth.secrets import SHORTEST, redact

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_MAIN = "main"
_AGAIN = "run the same command again: what is uploaded is not sent again"
_PASSING = {408, 409, 412, 425, 429, 500, 502, 503, 504}
_FIXES = {
    400: "mend what it says",
    401: "log in with `hf auth login`, or set HF_TOKEN to a token that may write",
    403: "use a token that may write to this repository (huggingface.co/settings/tokens), or a name of your own",
    404: "check the name; the user or organisation must exist, and you be a member",
    409: f"somebody else is changing the repository: {_AGAIN}",
    412: f"somebody else committed meanwhile: {_AGAIN}",
    429: f"wait some minutes, then {_AGAIN}",
}


class Hub:
    def __init__(
        self, repo: str, *, private: bool = False, revision: str | None = None, tag: str | None = None
    ) -> None:
        self._repo, self._private, self._branch, self._tag = repo, private, revision or _MAIN, tag
        self.name = f"datasets/{repo}" + (f" ({revision})" if revision else "")

    @functools.cached_property
    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars

        if not sys.stderr.isatty():
            disable_progress_bars()
        return HfApi(library_name="synth", library_version=__version__)

    def look(self, wanted: Contents) -> There:
        with self._explained():
            from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

            makes = list[str]()
            try:
                try:
                    info = self._api.dataset_info(self._repo, revision=self._branch)
                except RevisionNotFoundError:
                    info = self._api.dataset_info(self._repo, revision=_MAIN)
                    makes.append(f"branch {self._branch}")
            except RepositoryNotFoundError:
                self._api.whoami()  # to who is not known, a private repository is not there either
                kind = "private repository" if self._private else "repository"
                makes = [f"{kind} {self._repo}", *([f"branch {self._branch}"] if self._branch != _MAIN else [])]
                return There({}, {}, None, lambda _: "", makes=(*makes, f"tag {self._tag or wanted.tag}"))
            if self._private and not info.private:
                raise RefusedError(
                    f"{self.name}: the repository is public",
                    fix="make it private in its settings, or publish without --private",
                )
            return self._there(wanted, str(info.sha), makes)

    def _there(self, wanted: Contents, commit: str, makes: list[str]) -> There:
        from huggingface_hub.hf_api import RepoFile

        tree = self._api.list_repo_tree(self._repo, recursive=True, revision=commit, repo_type="dataset")
        files = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
        data = self._read(MANIFEST, commit) if MANIFEST in files else b""
        listed = Listed.read(data)
        return There(
            files={path: file.size for path, file in files.items()},
            left={path: frozenset({digest}) for path, digest in (listed.files if listed else {}).items()},
            run=listed.run if listed else None,
            sha256=self._hasher(files, commit),
            is_listed_so=data == wanted.manifest(),
            makes=(*makes, *self._untagged(wanted)),
            revision=commit,
        )

    def _untagged(self, wanted: Contents) -> Iterator[str]:
        """Name the tag that is to be made, if it is not there. One that is another dataset's is not moved."""
        tag = self._tag or wanted.tag
        tags = {one.name for one in self._api.list_repo_refs(self._repo, repo_type="dataset").tags}
        if tag not in tags:
            yield f"tag {tag}"
            return
        from huggingface_hub.errors import EntryNotFoundError

        try:
            found = Listed.read(self._read(MANIFEST, tag))
        except EntryNotFoundError:
            found = None
        if found is None or found.dataset != wanted.digest:
            raise RefusedError(f"{self.name}: its tag {tag!r} is another dataset's", fix="give another name by --tag")

    def send(self, wanted: Contents, changes: Changes, there: There) -> str:
        with self._explained():
            from huggingface_hub import CommitOperationAdd, CommitOperationDelete

            api, commit = self._api, there.revision
            if not commit:
                api.create_repo(self._repo, repo_type="dataset", private=self._private or None, exist_ok=True)
                commit = str(api.dataset_info(self._repo, revision=_MAIN).sha)
            if any(made.startswith("branch ") for made in there.makes):
                api.create_branch(self._repo, branch=self._branch, revision=commit, repo_type="dataset", exist_ok=True)
            if changes:
                paths = (*changes.add, *changes.change)
                sources = {path: item.source for path, item in wanted.items.items()}
                add = [CommitOperationAdd(path, sources.get(path) or wanted.manifest()) for path in paths]
                remove = [CommitOperationDelete(path, is_folder=False) for path in changes.remove]
                commit = api.create_commit(
                    self._repo,
                    [*add, *remove],
                    commit_message=f"synth publish: {wanted.run}, {wanted.rows:,} rows",
                    commit_description=f"dataset {wanted.digest}",
                    repo_type="dataset",
                    revision=self._branch,
                    parent_commit=commit,
                ).oid
            if any(made.startswith("tag ") for made in there.makes):
                api.create_tag(self._repo, tag=self._tag or wanted.tag, revision=commit, repo_type="dataset")
            return f"{api.endpoint}/datasets/{self._repo}/tree/{commit}"

    def _read(self, path: str, revision: str) -> bytes:
        """Read a small file, by way of a cache that is thrown away: the usual one would fill with them."""
        with tempfile.TemporaryDirectory() as folder:
            found = self._api.hf_hub_download(
                self._repo, path, revision=revision, repo_type="dataset", cache_dir=folder
            )
            return Path(found).read_bytes()

    def _hasher(self, files: Mapping[str, Any], commit: str) -> Callable[[str], str]:
        @functools.cache
        def sha256(path: str) -> str:
            """The Hub knows the SHA-256 of what is large; what it keeps as a plain git file is small, and is read."""
            if files[path].lfs:
                return str(files[path].lfs.sha256)
            with self._explained():
                return hashed(self._read(path, commit))

        return sha256

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what huggingface_hub raises, which may be anything, into an error that says the fix."""
        try:
            yield
        except SynthError:
            raise
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> SynthError:
        from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

        chain = list(_chain(error))
        said = f"{self.name}: {self._redact(str(chain[-1]) or type(chain[-1]).__name__)}"
        for one in chain:
            response = getattr(one, "response", None)
            if response is not None:
                return self._answered(response, f"{self.name}: {self._redact(str(one))}")
        if any(isinstance(one, HFValidationError) for one in chain):
            return ConfigError(said, fix="--repo user/name: letters, digits, '-', '_' and '.'")
        if any(isinstance(one, OfflineModeIsEnabled) for one in chain):
            return StoreError(said, fix="unset HF_HUB_OFFLINE")
        if any(isinstance(one, LocalTokenNotFoundError) for one in chain):
            return StoreError(said, fix=_FIXES[401])
        if any(_is_of_the_network(one) for one in chain):
            return Passing(said, fix=f"is the network there? Then {_AGAIN}")
        return StoreError(said, fix=f"mend what it says, then {_AGAIN}")

    def _answered(self, response: Any, said: str) -> SynthError:
        status = int(response.status_code)
        fix = _FIXES.get(status, f"wait until the Hub is well (status.huggingface.co), then {_AGAIN}")
        if status in _PASSING:
            after = str(response.headers.get("Retry-After", ""))
            return Passing(said, fix=fix, after=float(after) if after.isdigit() else None)
        return StoreError(said, fix=fix)

    def _redact(self, text: str) -> str:
        """A token that `hf auth login` keeps is in no environment variable, so `secrets` does not know it."""
        from huggingface_hub import get_token

        token = get_token() or ""
        return redact(text.replace(token, "***HF_TOKEN***") if len(token) >= SHORTEST else text)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_of_the_network(error: BaseException) -> bool:
    """The client's own errors of transport are no built-in ones in every version: told by their module."""
    return isinstance(error, ConnectionError | TimeoutError) or type(error).__module__.startswith("httpx")
