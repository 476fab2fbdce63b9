"""Configs that are none: each is a ConfigError that says what, where and how to mend it, at once."""
# ruff: noqa: E501 (a case is one line)

import re
import time
from pathlib import Path

import pytest

from synth import config, yamls
from synth.errors import ConfigError

GOOD = """name: tiny
corpus: {path: docs.jsonl}
tasks: {retrieval: {}}
engine: {kind: scripted}
embedder: {kind: hashing}
"""


def load(tmp_path: Path, data: bytes | str = GOOD, *overrides: str) -> config.Config:
    path = tmp_path / "c.yaml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return config.load(path, overrides)


def refusal(tmp_path: Path, data: bytes | str = GOOD, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, data, *overrides)
    assert error.value.fix
    return error.value.what.replace(f"{tmp_path}/", "")


LAUGHS = "a0: &a0 [lol]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
MERGES = "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{x: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10))

FILES = {
    "empty": (b"", "c.yaml: expected a mapping of settings, got nothing: it is empty"),
    "only a comment": (b"# nothing\n", "c.yaml: expected a mapping of settings, got nothing: it is empty"),
    "null": (b"null\n", "c.yaml: expected a mapping of settings, got nothing: it is empty"),
    "list": (b"- name: a\n", "c.yaml: expected a mapping of settings, got list"),
    "string": (b"hello", "c.yaml: expected a mapping of settings, got str"),
    "number": (b"3.5", "c.yaml: expected a mapping of settings, got float"),
    "boolean": (b"yes", "c.yaml: expected a mapping of settings, got bool"),
    "empty mapping": (
        b"{}",
        (
            "the config is not valid:\n  name: field required\n  corpus: field required\n  tasks: field required"
            "\n  engine: field required\n  embedder: field required"
        ),
    ),
    "Latin-1": (b"name: caf\xe9\n", "c.yaml: not valid YAML: not UTF-8: byte 0xe9 at 9"),
    "UTF-16": ("name: a".encode("utf-16"), "c.yaml: not valid YAML: not UTF-8: byte 0xff at 0"),
    "NUL": (b"name: a\nseed: \0\n", "c.yaml: not valid YAML: line 2: the character U+0000 is not allowed"),
    "control character": (b"name: a\x07\n", "c.yaml: not valid YAML: line 1: the character U+0007 is not allowed"),
    "binary": (b"\x89PNG\r\n\x1a\n", "c.yaml: not valid YAML: not UTF-8: byte 0x89 at 0"),
    "tab": (
        b"a:\n\tb: 1\n",
        "c.yaml: not valid YAML: line 2, column 1: found character '\\t' that cannot start any token",
    ),
    "two documents": (
        b"name: a\n---\nname: b\n",
        "c.yaml: not valid YAML: line 2, column 1: but found another document",
    ),
    "open bracket": (
        b"a: [1, 2\n",
        "c.yaml: not valid YAML: line 2, column 1: expected ',' or ']', but got '<stream end>'",
    ),
    "open quote": (b"a: 'x\n", "c.yaml: not valid YAML: line 2, column 1: found unexpected end of stream"),
    "two colons": (b"a: b: c\n", "c.yaml: not valid YAML: line 1, column 5: mapping values are not allowed here"),
    "bad indent": (b"a: 1\n  b: 2\n", "c.yaml: not valid YAML: line 2, column 4: mapping values are not allowed here"),
    "bad escape": (
        b'a: "\\q"\n',
        "c.yaml: not valid YAML: line 1, column 6: found unknown escape character 'q'",
    ),
    "directive": (b"%YAML 3.0\n---\na: 1\n", "c.yaml: not valid YAML: line 1, column 1: found incompatible YAML document"),
    "duplicate key": (b"name: a\nseed: 1\nname: b\n", "c.yaml: not valid YAML: line 3, column 1: the key 'name' stands in line 1 already"),
    "duplicate key inside": (
        b"corpus:\n  path: a\n  limit: 1\n  path: b\n",
        "c.yaml: not valid YAML: line 4, column 3: the key 'path' stands in line 2 already",
    ),
    "duplicate key in quotes": (
        b'{a: 1, "a": 2}',
        "c.yaml: not valid YAML: line 1, column 8: the key 'a' stands in line 1 already",
    ),
    "duplicate merge": (
        b"a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n",
        "c.yaml: not valid YAML: line 4, column 3: the key '<<' stands in line 3 already",
    ),
    "merge of a number": (b"b: {<<: 1}\n", "c.yaml: not valid YAML: line 1, column 9: expected a mapping or list of mappings for merging, but found scalar"),
    "Norwegian": (b"l: {no: 1}\n", "c.yaml: not valid YAML: line 1, column 5: the key 'no' is read as bool, not as a string: quote it"),
    "number as key": (b"1: a\n", "c.yaml: not valid YAML: line 1, column 1: the key '1' is read as int, not as a string: quote it"),
    "null as key": (b"~: a\n", "c.yaml: not valid YAML: line 1, column 1: the key '~' is read as null, not as a string: quote it"),
    "list as key": (b"[a]: b\n", "c.yaml: not valid YAML: line 1, column 1: the key list or mapping is read as seq"),
    "mapping as key": (b"? {a: 1}\n: b\n", "c.yaml: not valid YAML: line 1, column 3: the key list or mapping is read as map"),
    "unknown alias": (b"a: *b\n", "c.yaml: not valid YAML: line 1, column 4: found undefined alias 'b'"),
    "anchor twice": (b"a: &x 1\nb: &x 2\n", "c.yaml: not valid YAML: line 2, column 4: second occurrence"),
    "alias in itself": (b"a: &a [*a]\n", "c.yaml: not valid YAML: line 1, column 8: an alias stands inside of what it stands for"),
    "mapping in itself": (b"&a {b: *a}\n", "c.yaml: not valid YAML: line 1, column 8: an alias stands inside of what it stands for"),
    "merge of itself": (b"a: &a\n  <<: *a\n", "c.yaml: not valid YAML: line 2, column 7: an alias stands inside of what it stands for"),
    "billion laughs": (LAUGHS.encode(), "c.yaml: not valid YAML: line 6, column 40: its aliases expand to more than 262,144 characters"),
    "billion laughs in mappings": (MERGES.encode(), "its aliases expand to more than 262,144 characters"),
    "a long text many times": (
        f"a: &a {'x' * 100_000}\nb: [*a, *a, *a]\n".encode(),
        "c.yaml: not valid YAML: line 2, column 9: its aliases expand to more than 262,144 characters",
    ),
    "deep brackets": (b"[" * 100_000, "c.yaml: not valid YAML: line 1, column 33: nested deeper than 32 levels"),
    "deep braces": (b"{a: " * 50_000, "c.yaml: not valid YAML: line 1, column 126: nested deeper than 32 levels"),
    "deep dashes": (b"- " * 50_000 + b"a", "c.yaml: not valid YAML: line 1, column 65: nested deeper than 32 levels"),
    "deep questions": (b"? " * 5_000 + b"a", "nested deeper than 32 levels"),
    "deep and indented": ("".join(" " * n + f"a{n}:\n" for n in range(60)).encode(), "c.yaml: not valid YAML: line 32, column 32: nested deeper than 32 levels"),
    "2 MB": (b"#" * 2_000_000, "c.yaml: larger than 262,144 bytes"),
    "object": (b"a: !!python/object/apply:os.system ['true']\n", "c.yaml: not valid YAML: line 1, column 4: the tag or value 'python/object/apply:os.system' is not for configs"),
    "name of Python": (b"a: !!python/name:os.system ''\n", "line 1, column 4: the tag or value 'python/name:os.system' is not for configs"),
    "own tag": (b"a: !env KEY\n", "c.yaml: not valid YAML: line 1, column 4: the tag or value '!env' is not for configs"),
    "binary tag": (b"a: !!binary aGk=\n", "c.yaml: not valid YAML: line 1, column 4: the tag or value 'binary' is not for configs"),
    "set tag": (b"a: !!set {x}\n", "c.yaml: not valid YAML: line 1, column 4: the tag or value 'set' is not for configs"),
    "timestamp tag": (b"a: !!timestamp 2024-01-01\n", "line 1, column 4: the tag or value 'timestamp' is not for configs"),
    "equals sign": (b"a: =\n", "c.yaml: not valid YAML: line 1, column 4: the tag or value 'value' is not for configs"),
    "int tag": (b"a: !!int x\n", "c.yaml: not valid YAML: line 1, column 4: not a number that can be read"),
    "float tag": (b"a: !!float x\n", "c.yaml: not valid YAML: line 1, column 4: not a number that can be read"),
    "5,000 digits": (b"seed: " + b"1" * 5000, "c.yaml: not valid YAML: line 1, column 7: not a number that can be read"),
    "no digits": (b"seed: 0x_\n", "c.yaml: not valid YAML: line 1, column 7: not a number that can be read"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_config(data: bytes, expected: str, tmp_path: Path) -> None:
    started = time.perf_counter()
    assert expected in refusal(tmp_path, data)
    assert time.perf_counter() - started < 2  # 2 cores that others use too; the slowest takes 0.1 s


RETRIEVAL = "tasks.retrieval"
VALUES = {
    # types
    "seed=true": "seed: input should be a valid integer (got True)",
    "seed=1.0": "seed: input should be a valid integer (got 1.0)",
    "seed='1'": "seed: input should be a valid integer (got '1')",
    "seed=[1]": "seed: input should be a valid integer (got [1])",
    "seed=": "seed: input should be a valid integer (got None)",
    "seed=9223372036854775808": "seed: a whole number of more than 63 bits",
    "seed=0x" + "f" * 5000: "seed: a whole number of more than 63 bits",
    "seed=.nan": "seed: nan is not a finite number",
    "name=5": "name: input should be a valid string (got 5: put it in quotes)",
    "name=''": "name: string should match pattern",
    "name=..": "name: string should match pattern",
    "name=a/b": "name: string should match pattern",
    'name="a\\n"': "name: string should match pattern",
    "name=" + "a" * 101: "name: string should have at most 100 characters",
    "outputs=''": "outputs: string should have at least 1 character",
    "outputs=s3://bucket/runs": "outputs: s3://bucket/runs is in a store: a run works on a disk, with locks, renames and a journal",
    "known=[gs://bucket/run]": "known: gs://bucket/run is in a store",
    'outputs="a\\0b"': "outputs: holds a NUL or half a character",
    'outputs="\\ud800"': "outputs: holds a NUL or half a character",
    'corpus.licence="\\ud83d"': "corpus.licence: holds a NUL or half a character",
    'engine.options={"a\\0": 1}': "engine.options.a\\x00: holds a NUL",
    "corpus=docs.jsonl": "corpus: input should be a valid dictionary or instance of Corpus (got 'docs.jsonl')",
    "corpus={}": "corpus: give exactly one of `path` and `dataset`",
    "corpus.path=[a, b]": "corpus.path: input should be a valid string (got ['a', 'b'])",
    "corpus.path=''": "corpus.path: string should have at least 1 character",
    "corpus.path=no": "corpus.path: input should be a valid string (got False: put it in quotes)",
    "corpus.revision=1234567": "corpus.revision: input should be a valid string (got 1234567: put it in quotes)",
    "corpus.limit=0": "corpus.limit: input should be greater than or equal to 1 (got 0)",
    "corpus.limit=1e3": "corpus.limit: input should be a valid integer (got 1000.0)",
    "corpus.limit=9000000000000000000": "corpus.limit: input should be less than or equal to 1000000000000",
    "corpus.columns=text": "corpus.columns: input should be a valid dictionary or instance of Columns",
    "corpus.columns.text=": "corpus.columns.text: input should be a valid string (got None)",
    "corpus.columns.text=''": "corpus.columns.text: string should have at least 1 character",
    "corpus.columns.titel=t": "corpus.columns.titel: unknown key; did you mean 'title'? (known: id, language, parallel, syntax, text, title)",
    "corpus.passages.max_tokens=8": "corpus.passages.max_tokens: input should be greater than or equal to 16",
    "corpus.passages.min_tokens=400": "corpus.passages: min_tokens (400) is more than max_tokens (350)",
    "corpus.passages.max_characters=1": "corpus.passages.max_characters: input should be greater than or equal to 1000",
    "personas.candidates=11": "personas.candidates: input should be less than or equal to 10",
    "personas.path=''": "personas.path: string should have at least 1 character",
    "score.min_cosine=.inf": "score.min_cosine: inf is not a finite number",
    "score.min_cosine=-.inf": "score.min_cosine: -inf is not a finite number",
    "score.min_cosine='0.5'": "score.min_cosine: input should be a valid number (got '0.5')",
    "score.min_cosine=true": "score.min_cosine: input should be a valid number (got True)",
    "score.min_quantile=1": "score.min_quantile: input should be less than 1 (got 1)",
    "score.candidates=1000000000": "score.candidates: input should be less than or equal to 10000",
    "dedup.threshold=0": "dedup.threshold: input should be greater than 0",
    "dedup.permutations=1000000000": "dedup.permutations: input should be less than or equal to 4096",
    "negatives.per_query=-1": "negatives.per_query: input should be greater than or equal to 0",
    "negatives.per_query=1000000000": "negatives.per_query: input should be less than or equal to 10000",
    "negatives.same_document='no'": "negatives.same_document: input should be a valid boolean (got 'no')",
    "publish.shard_mb=1e300": "publish.shard_mb: input should be less than or equal to 1000000",
    "publish.validation=1": "publish.validation: input should be less than 1",
    "shard_rows=100000000": "shard_rows: input should be less than or equal to 1000000",
    "max_failed=5%": "max_failed: input should be a valid number (got '5%')",
    # plug-ins
    "tasks=": "tasks: expected a mapping of names to settings, got None",
    "tasks=[retrieval]": "tasks: expected a mapping of names to settings, got ['retrieval']",
    "tasks.retrieval=false": "tasks: value should have at least 1 item",
    "tasks.retrieval=5": "tasks.retrieval: input should be a valid dictionary or instance of Settings (got 5)",
    "filters=false": "filters: expected a mapping of names to settings, got False",
    "filters.length=0": "filters.length: input should be a valid dictionary or instance of Settings (got 0)",
    "filters={.: {}}": "filters: cannot import '.': TypeError",
    "filters={a..b: {}}": "filters: cannot import 'a..b': No module named 'a'",
    "filters={os.path: {}}": "filters: 'os.path' is no plug-in: it has no class `Settings`",
    "filters.copyed=false": "filters: unknown name 'copyed'; did you mean 'copied'?",
    "negatives={minimum: 9, per_query: 2}": "negatives: minimum (9) is more than per_query (2)",
    "engine={kind: server, model: m, deadline: 60}": "engine: patience (300 s) is not below deadline (60 s)",
    "engine.kind=": "engine: `kind` is missing",
    "engine.kind=[vllm]": "engine: `kind` is missing",
    "engine.kind=nowhere.engine": "engines: cannot import 'nowhere.engine': No module named 'nowhere'",
    "engine.kind=../vllm": "engines: cannot import '../vllm'",
    "engine.sampling.temperature=-1": "engine.sampling.temperature: input should be greater than or equal to 0",
    "engine.sampling.temprature=1": "engine.sampling.temprature: unknown key; did you mean 'temperature'?",
    "embedder.dimensions=8.5": "embedder.dimensions: input should be a valid integer (got 8.5)",
    "embedder.dimension=8": "embedder.dimension: unknown key; did you mean 'dimensions'?",
    # the retrieval task
    f"{RETRIEVAL}.rows_per_passage=-1": f"{RETRIEVAL}.rows_per_passage: input should be greater than or equal to 0",
    f"{RETRIEVAL}.types={{}}": f"{RETRIEVAL}: types: name at least one (known: keywords, acquire_knowledge, summary, yes_or_no, background)",
    f"{RETRIEVAL}.types={{summary: -1}}": f"{RETRIEVAL}.types.summary.weight: input should be greater than or equal to 0 (got -1)",
    f"{RETRIEVAL}.types={{summary: 0}}": f"{RETRIEVAL}.types: expected weights from 0 to 1,000,000, at least one above 0, got {{'summary': 0.0}}",
    f"{RETRIEVAL}.types={{summary: 1e308}}": f"{RETRIEVAL}.types.summary.weight: input should be less than or equal to 1000000",
    f"{RETRIEVAL}.types={{sumary: 1}}": f"{RETRIEVAL}: types: 'sumary' has no definition; did you mean 'summary'? (known: keywords,",
    f"{RETRIEVAL}.by_language={{de: {{types: {{sumary: 1}}}}}}": f"{RETRIEVAL}: by_language.de.types: 'sumary' has no definition; did you mean 'summary'?",
    f"{RETRIEVAL}.by_language={{deu: {{types: {{summary: 1}}}}}}": f"{RETRIEVAL}.by_language: unknown language 'deu'; did you mean 'de'?",
    f"{RETRIEVAL}.by_language={{de: {{typs: {{summary: 1}}}}}}": f"{RETRIEVAL}.by_language.de.typs: unknown key; did you mean 'types'?",
    f"{RETRIEVAL}.cross_lingual=2": f"{RETRIEVAL}.cross_lingual: input should be less than or equal to 1",
    f"{RETRIEVAL}.examples=german": f"{RETRIEVAL}.examples: input should be 'english' or 'query_language'",
    f"{RETRIEVAL}.score={{min_cosin: 0.5}}": f"{RETRIEVAL}.score.min_cosin: unknown key; did you mean 'min_cosine'?",
    f"{RETRIEVAL}.types=[summary]": f"{RETRIEVAL}.types: input should be a valid dictionary (got ['summary'])",
    f"{RETRIEVAL}.difficulties={{phd: 0}}": f"{RETRIEVAL}.difficulties: expected weights from 0",
    f"{RETRIEVAL}.difficulties={{phd: true}}": f"{RETRIEVAL}.difficulties.phd: input should be a valid dictionary or instance of Option (got True)",
    f"{RETRIEVAL}.choose=0": f"{RETRIEVAL}.choose: input should be greater than or equal to 1",
    f"{RETRIEVAL}.lengths={{}}": f"{RETRIEVAL}: lengths: name at least one (known: short, medium, long)",
    f"{RETRIEVAL}.lengths={{a: {{words: [9, 3]}}}}": f"{RETRIEVAL}.lengths.a.words: expected the fewest and the most words, from 1 to 10,000, got [9, 3]",
    f"{RETRIEVAL}.lengths={{a: {{words: [0, 3]}}}}": f"{RETRIEVAL}.lengths.a.words: expected the fewest and the most words",
    f"{RETRIEVAL}.lengths={{a: {{words: [1, 100000]}}}}": f"{RETRIEVAL}.lengths.a.words: expected the fewest and the most",
    f"{RETRIEVAL}.lengths={{a: {{words: [3]}}}}": f"{RETRIEVAL}.lengths.a.words.1: field required",
    f"{RETRIEVAL}.lengths={{a: {{words: [1, 2, 3]}}}}": f"{RETRIEVAL}.lengths.a.words: tuple should have at most 2 items",
    f"{RETRIEVAL}.lengths={{a: {{words: 5}}}}": f"{RETRIEVAL}.lengths.a.words: input should be a valid tuple (got 5)",
    f"{RETRIEVAL}.lengths={{a: {{words: [true, 3]}}}}": f"{RETRIEVAL}.lengths.a.words.0: input should be a valid integer (got True)",
    f"{RETRIEVAL}.lengths={{a: {{words: [1, 3], weight: 0}}}}": f"{RETRIEVAL}.lengths: expected weights from 0 to 1,000,000, at least one above 0, got {{'a': 0.0}}",
    f"{RETRIEVAL}.lengths={{a: {{wordz: [1, 3]}}}}": f"{RETRIEVAL}.lengths.a.wordz: unknown key; did you mean 'words'? (known: definition, weight, words)",
    f"{RETRIEVAL}.query_languages={{german: 1}}": f"{RETRIEVAL}.query_languages: unknown language 'german'; did you mean 'de'?",
    f"{RETRIEVAL}.query_languages={{xx: 1}}": f"{RETRIEVAL}.query_languages: unknown language 'xx'",
    f"{RETRIEVAL}.query_languages={{de: 0, en: 0}}": f"{RETRIEVAL}.query_languages: expected weights from 0",
    f"{RETRIEVAL}.query_languages={{no: 1}}": f"--set {RETRIEVAL}.query_languages: not valid YAML: line 1, column 2: the key 'no' is read as bool",
    f"{RETRIEVAL}.query_languages=[de]": f"{RETRIEVAL}.query_languages: input should be a valid dictionary",
    "tasks={bitext: {}}": "tasks.bitext: no language to translate into",
    "tasks={bitext: {query_languages: {de: 1}, cross_lingual: 0.5}}": "tasks.bitext.cross_lingual: each of its rows is in two",
    "tasks={sts: {query_languages: {de: 1}}}": "tasks.sts.query_languages: its rows are in the language of their passage",
    "tasks={code: {cross_lingual: 0.5}}": "tasks.code.cross_lingual: code has no natural language",
    "tasks={sts: {score: {max_rank: 3}}}": "tasks.sts.score.max_rank: the task ranks no passage",
    f"{RETRIEVAL}.score={{min_margin: 0}}": f"{RETRIEVAL}.score.min_margin: the task has no negatives of its own",
    f"{RETRIEVAL}.cross_lingual=0.5": f"{RETRIEVAL}.cross_lingual: no other language to write in",
    f"{RETRIEVAL}.types={{a/b: {{definition: x}}}}": f"{RETRIEVAL}.types: 'a/b' is no name",
    f"{RETRIEVAL}.types={{'': {{definition: x}}}}": f"{RETRIEVAL}.types: '' is no name",
    "targets=[{type: [{summary: 2}], rows: 3}]": "targets.0.type: expected names, got {'summary': 2}: weights are written as",
    "targets=[{language: {en: 1.0e-200}, rows: 6}]": "targets.0.language: expected weights from 0.000001 to 1,000,000",
    "targets=[{language: [en, de, fr], rows: 2}]": "targets.0: 2 rows over 3 cells leave none for 'retrieval/fr'",
    # --set itself
    "=1": "--set '': expected KEY=VALUE",
    "a..b=1": "--set 'a..b': expected KEY=VALUE",
    "corpus.=1": "--set 'corpus.': expected KEY=VALUE",
    ".".join("a" * 2000) + "=1": "nested deeper than 32 levels",
    "corpus.path=&a [*a]": "--set corpus.path: not valid YAML: line 1, column 5: an alias stands inside",
    "corpus.path=" + "[" * 50: "--set corpus.path: not valid YAML: line 1, column 33: nested deeper than 32 levels",
    "corpus.path={a: 1, a: 2}": "--set corpus.path: not valid YAML: line 1, column 8: the key 'a' stands in line 1 already",
}  # fmt: skip


@pytest.mark.parametrize(("override", "expected"), VALUES.items(), ids=[re.sub(r"\W", "_", key[:70]) for key in VALUES])
def test_a_value_that_would_crash_later_is_named_now(override: str, expected: str, tmp_path: Path) -> None:
    assert expected in refusal(tmp_path, GOOD, override)


SECRET = "s3cr3tv4lu3"
SECRETS = {
    f"engine.api_key={SECRET}": "engine.api_key",
    f"engine.options={{api_key: {SECRET}}}": "engine.options.api_key",
    f"engine.options={{apiKey: {SECRET}}}": "engine.options.apiKey",
    f"engine.options={{api-key: {SECRET}}}": "engine.options.api-key",
    f"engine.options={{api_key: [{SECRET}]}}": "engine.options.api_key.0",
    f"engine.options={{hf_token: {SECRET}}}": "engine.options.hf_token",
    f"engine.options={{a: {{b: [{{token: {SECRET}}}]}}}}": "engine.options.a.b.0.token",
    f"engine.options={{headers: {{Authorization: Basic {SECRET}}}}}": "engine.options.headers.Authorization",
    f"engine.options={{X-Api-Key: {SECRET}}}": "engine.options.X-Api-Key",
    f"engine.chat_template_kwargs={{password: {SECRET}}}": "engine.chat_template_kwargs.password",
    f"engine.chat_template_kwargs={{client_secret: {SECRET}}}": "engine.chat_template_kwargs.client_secret",
    f"engine.url=http://me:{SECRET}@host/v1": "engine.url",
    f"engine.url=https://{SECRET}@host/v1": "engine.url",
    f"engine.url=https://host/v1?api_key={SECRET}": "engine.url",
    f"engine.url=https://host/v1?a=1&access_token={SECRET}": "engine.url",
    f"engine.api_key_env=sk-{SECRET * 2}": "engine.api_key_env",
    f"engine.api_key_env={SECRET}-1": "engine.api_key_env",
    f"engine.model=hf_{SECRET * 3}": "engine.model",
    f"corpus.path=s3://key:{SECRET}@bucket/docs": "corpus.path",
    f"corpus.dataset=https://u:{SECRET}@hub/x": "corpus.dataset",
    f"outputs=https://h/?sig={SECRET}": "outputs",
    f"engine.options={{x: Bearer {SECRET}}}": "engine.options.x",
}


@pytest.mark.parametrize(("override", "where"), SECRETS.items(), ids=range(len(SECRETS)))
def test_a_secret_is_refused_and_not_repeated(override: str, where: str, tmp_path: Path) -> None:
    found = refusal(tmp_path, GOOD.replace("scripted", "server, model: m"), override)
    assert found == f"{where}: looks like a secret, which has no place in a config"
    broken = refusal(tmp_path, GOOD, f"engine.api_key=[{SECRET}")
    assert SECRET not in found + broken


def test_what_only_looks_like_a_secret_stays(tmp_path: Path) -> None:
    options = "{pad_token: <pad>, max_tokens: 5, tokenizer: t, hf_token: true, api_key: null, key_value: 1}"
    found = load(
        tmp_path,
        GOOD.replace("scripted", "vllm, model: a/b@c"),
        f"engine.options={options}",
        "corpus.path=docs/a@b?c.jsonl",
    )
    assert found.engine.model_dump()["options"] == {
        "pad_token": "<pad>", "max_tokens": 5, "tokenizer": "t", "hf_token": True, "api_key": None, "key_value": 1,
    }  # fmt: skip


def test_honest_anchors_merges_dates_and_numbers(tmp_path: Path) -> None:
    text = (
        "a: &a {x: 1, y: [1e-3, 2.5E+3, .5, 1_000]}\nb: {<<: *a, x: 2024-01-01}\nc: [*a, *a]\nd: {<<: [*a, {z: no}]}\n"
    )
    first = {"x": 1, "y": [0.001, 2500.0, 0.5, 1000]}
    assert yamls.loads(text, "t") == {
        "a": first,
        "b": {**first, "x": "2024-01-01"},
        "c": [first, first],
        "d": {**first, "z": False},
    }


def test_an_override_changes_one_place_and_not_where_an_alias_put_it_too(tmp_path: Path) -> None:
    raw = yamls.loads("a: &a {x: 1}\nb: *a\n", "t")
    yamls.override(raw, "a.x=2")
    assert raw == {"a": {"x": 2}, "b": {"x": 1}}


def test_a_config_that_is_no_file(tmp_path: Path) -> None:
    for path, expected in ((tmp_path, "Is a directory"), (Path("a\0b"), "embedded null byte"), (Path("n" * 300), "File name too long")):  # fmt: skip
        with pytest.raises(ConfigError, match=expected):
            config.load(path)
