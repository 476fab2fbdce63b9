"""Publishing to the Hub, by huggingface_hub's own client, against a small Hub on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pytest

from synth import publishing
from synth.config import Config
from synth.errors import ConfigError, RefusedError, StoreError, SynthError
from synth.publishing import Outcome, contents
from synth.publishing.hub import Hub
from tests.hub_server import TOKEN, HubServer, instead
from tests.publishing import toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return toy.ran(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The same run with more documents."""
    return toy.ran(tmp_path_factory.mktemp("second"), limit=20)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with instead(monkeypatch) as server:
        yield server


def publish(
    config: Config, repo: str = "user/toy", waits: Any = (0.0, 0.0), accepted: Any = (), **options: Any
) -> Outcome:
    given = {name: options.pop(name) for name in ("private", "revision", "tag") if name in options}
    return publishing.publish(config, Hub(repo, **given), accepted=accepted, waits=waits, **options)


def files(config: Config) -> dict[str, bytes]:
    return {path: item.source.read_bytes() for path, item in contents.of(config).items.items()}


def test_all_is_one_commit_and_a_tag_and_again_is_nothing_to_do(run: Config, hub: HubServer) -> None:
    would = publish(run, dry_run=True)
    assert (would.state, hub.repos, hub.sent) == ("dry_run", {}, 0)
    done = publish(run)
    assert (done.add, done.make) == (would.add, would.make)
    assert {"README.md", "stats.json", "synth.json", "data/train-00000-of-00001.parquet"} <= {*done.add}
    repo = hub.repos["user/toy"]
    ours = {path: data for path, data in repo.files.items() if path not in (".gitattributes", "synth.json")}
    assert ours == files(run)
    assert (len(repo.commits), repo.tags) == (2, {contents.of(run).tag: repo.branches["main"]})
    hub.asked.clear()
    assert publish(run).state == "nothing_new"
    assert [step for step in hub.asked if step.startswith(("POST", "PUT"))] == []


def test_the_next_dataset_changes_what_differs_and_has_its_own_tag(run: Config, grown: Config, hub: HubServer) -> None:
    publish(run)
    found = publish(grown)
    assert "data/train-00000-of-00001.parquet" in found.change
    assert {path: hub.repos["user/toy"].files[path] for path in files(grown)} == files(grown)
    assert len(hub.repos["user/toy"].tags) == 2


def test_a_report_is_published_and_does_not_move_the_tag(run: Config, hub: HubServer) -> None:
    publish(run)
    report = run.folder / "report.html"
    report.write_text("<p>figures</p>")
    try:
        assert publish(run).add == ("report.html",)
        assert hub.repos["user/toy"].files["report.html"] == b"<p>figures</p>"
    finally:
        report.unlink()
    assert publish(run).remove == ("report.html",)
    assert len(hub.repos["user/toy"].tags) == 1


def test_a_branch_is_made_and_main_left_alone(run: Config, grown: Config, hub: HubServer) -> None:
    publish(run)
    before = hub.repos["user/toy"].branches["main"]
    assert publish(grown, revision="next").make[0] == "branch next"
    assert hub.repos["user/toy"].branches["main"] == before != hub.repos["user/toy"].branches["next"]


STRANGE = {
    "rows of somebody's": {"train.parquet": b"theirs"},
    "rows beside ours": {"data/train-00007-of-00009.parquet": b"theirs"},
    "a card of somebody's": {"README.md": b"# Theirs"},
    "a manifest that is none": {"synth.json": b"{}"},
}


@pytest.mark.parametrize("there", STRANGE.values(), ids=STRANGE)
def test_what_this_run_did_not_publish_is_not_overwritten(run: Config, hub: HubServer, there: dict[str, bytes]) -> None:
    huggingface_hub.HfApi().create_repo("user/toy", repo_type="dataset")
    repo = hub.repos["user/toy"]
    repo.commit(there)
    with pytest.raises(RefusedError, match=next(iter(there))):
        publish(run)
    assert repo.files == there
    assert publish(run, replace=True).state == "done"
    assert {path: repo.files[path] for path in files(run)} == files(run)
    assert publish(run).state == "nothing_new"


def test_rows_that_were_changed_since_are_not_overwritten(run: Config, grown: Config, hub: HubServer) -> None:
    publish(run)
    repo = hub.repos["user/toy"]
    repo.commit({**repo.files, "data/train-00000-of-00001.parquet": b"mended by hand"})
    with pytest.raises(RefusedError, match="changed since it was published"):
        publish(grown)


def test_the_dataset_of_another_run_is_not_overwritten(run: Config, grown: Config, hub: HubServer) -> None:
    publish(run)
    data = hub.repos["user/toy"].files["synth.json"].replace(b'"run": "toy"', b'"run": "other"')
    hub.repos["user/toy"].commit({**hub.repos["user/toy"].files, "synth.json": data})
    with pytest.raises(RefusedError, match="dataset of run 'other'"):
        publish(grown)


def test_a_tag_is_not_moved(run: Config, grown: Config, hub: HubServer) -> None:
    publish(run, tag="v1")
    assert publish(run, tag="v1").state == "nothing_new"
    with pytest.raises(RefusedError, match="another dataset's"):
        publish(grown, tag="v1")


def test_what_is_meant_to_be_private_is_not_made_public(run: Config, hub: HubServer) -> None:
    publish(run, private=True)
    assert hub.repos["user/toy"].private
    hub.repos["user/toy"].private = False
    with pytest.raises(RefusedError, match="is public"):
        publish(run, private=True)


FAULTS = {
    "too many requests": {"GET info": [429], "POST commit": [429]},
    "500 once": {"PUT upload": [500], "POST commit": [500], "POST tag": [500]},
    "cut in the middle of an upload": {"PUT upload": ["cut"]},
    "cut at the commit": {"POST commit": ["cut"]},
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
def test_what_passes_is_tried_again(run: Config, hub: HubServer, faults: dict[str, list[Any]]) -> None:
    hub.faults = {step: list(found) for step, found in faults.items()}
    assert publish(run).state == "done"
    assert not any(hub.faults.values())
    large = {data for path, data in files(run).items() if path.endswith(".parquet")}
    assert hub.sent == sum(map(len, large))
    assert len(hub.repos["user/toy"].commits) == 2


def test_a_commit_of_somebody_else_meanwhile_is_looked_at_before_ours(run: Config, hub: HubServer) -> None:
    publish(run)
    repo = hub.repos["user/toy"]
    (run.folder / "report.html").write_text("new")
    try:
        hub.faults = {"POST commit": [lambda: repo.commit({**repo.files, "LICENSE": b"CC"})]}
        assert publish(run).state == "done"
        assert repo.files["LICENSE"] == b"CC"
        assert repo.files["report.html"] == b"new"
    finally:
        (run.folder / "report.html").unlink()


def test_a_killed_upload_goes_on_where_it_stopped(run: Config, hub: HubServer) -> None:
    hub.faults = {"POST commit": [503] * 9}
    with pytest.raises(StoreError, match="tried 1 times") as failed:
        publish(run, waits=())
    assert "same command again" in failed.value.fix
    sent = hub.sent
    hub.faults = {}
    assert publish(run).state == "done"
    assert hub.sent == sent > 0


@pytest.mark.parametrize(
    ("repo", "faults", "kind", "fix"),
    [
        ("user/toy", {"GET info": [401], "GET whoami": [401]}, StoreError, "hf auth login"),
        ("user/toy", {"POST commit": [403]}, StoreError, "token that may write"),
        ("other/toy", {}, StoreError, "a name of your own"),
        ("user/toy", {"GET info": [404]}, StoreError, "check the name"),
        ("user/toy", {"POST tag": [409] * 9}, StoreError, "somebody else"),
        ("user/toy", {"GET info": [503] * 9}, StoreError, "wait until the Hub is well"),
        ("no such name!", {}, ConfigError, "user/name"),
    ],
)
def test_an_error_says_the_fix_and_no_key(
    run: Config, hub: HubServer, repo: str, faults: dict[str, list[int]], kind: type[SynthError], fix: str
) -> None:
    hub.faults = faults
    with pytest.raises(kind) as failed:
        publish(run, repo)
    assert fix in failed.value.fix
    assert TOKEN not in str(failed.value)


def test_a_hub_that_is_not_there(run: Config, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match="tried 3 times") as failed:
        publish(run)
    assert "network" in failed.value.fix


def test_a_licence_that_nobody_has_looked_at_is_refused(run: Config, hub: HubServer, tmp_path: Path) -> None:
    config = toy.settings(run.folder.parents[1], licence="unknown")
    with pytest.raises(RefusedError, match=r"corpus\.licence is 'unknown'") as failed:
        publish(config)
    assert "--accept-licence corpus" in failed.value.fix
    assert hub.asked.total() == 0
