"""Templates that are broken, endless, huge or on their way out: each a ConfigError that names the template."""

import os
import time
from pathlib import Path

import pytest

from synth.errors import ConfigError
from synth.prompts import Message, Prompts

HEADER = "{{#- task: any; step: t\nvariables: passage, many -#}}"
USER = HEADER + "{{% call user() %}}{}{{% endcall %}}"


def templates(folder: Path, files: dict[str, str | bytes]) -> Prompts:
    inside = folder / "templates"
    inside.mkdir(exist_ok=True)
    (folder / "secret.j2").write_text("outside")
    for name, text in files.items():
        (inside / f"{name}.j2").write_bytes(text if isinstance(text, bytes) else text.encode())
    return Prompts((inside,))


CHECKED: dict[str, tuple[dict[str, str | bytes], str]] = {
    "open call": ({"t": "{% call user() %}"}, "template t.j2, line 1: Unexpected end of template"),
    "open brace": ({"t": "a\n{{ passage"}, "template t.j2, line 2: unexpected end of template"),
    "unknown tag": ({"t": "{% cal user() %}"}, "template t.j2, line 1: Encountered unknown tag 'cal'"),
    "unknown filter": ({"t": "{{ passage|uper }}"}, "template t.j2, line 1: No filter named 'uper'"),
    "unknown test": ({"t": "{{ passage is evil }}"}, "template t.j2, line 1: No test named 'evil'"),
    "random filter": ({"t": "{{ passage|random }}"}, "template t.j2, line 1: No filter named 'random'"),
    "lipsum": ({"t": "{{ lipsum() }}"}, "template t.j2: unknown variable 'lipsum'"),
    "self": ({"t": "{{ config }}"}, "template t.j2: unknown variable 'config'"),
    "break outside": ({"t": "{% break %}"}, "template t.j2, line 1: Encountered unknown tag 'break'"),
    "includes itself": ({"t": "{% include 't.j2' %}"}, "template t.j2: includes itself: t.j2 → t.j2"),
    "imports itself": ({"t": "{% import 't.j2' as t %}"}, "template t.j2: includes itself: t.j2 → t.j2"),
    "extends itself": ({"t": "{% extends 't.j2' %}"}, "template t.j2: includes itself: t.j2 → t.j2"),
    "from itself": ({"t": "{% from 't.j2' import a %}"}, "template t.j2: includes itself: t.j2 → t.j2"),
    "each other": (
        {"t": "{% include 'a.j2' %}", "a": "{% import 'b.j2' as b %}", "b": "{% extends 'a.j2' %}"},
        "template a.j2: includes itself: a.j2 → b.j2 → a.j2",
    ),
    "dynamic include": ({"t": "{% include passage %}"}, "template t.j2: includes a template by a variable name"),
    "dynamic import": ({"t": "{% import passage as p %}"}, "template t.j2: includes a template by a variable name"),
    "dynamic extends": ({"t": "{% extends passage ~ '.j2' %}"}, "template t.j2: includes a template by a variable name"),
    "dynamic in a list": ({"t": "{% include ['a.j2', passage] %}"}, "template t.j2: includes a template by a variable"),
    "parent folder": ({"t": "{% include '../secret.j2' %}"}, "template ../secret.j2: not found in"),
    "far parent": ({"t": "{% include '../../../../etc/passwd' %}"}, "template ../../../../etc/passwd: not found in"),
    "absolute": ({"t": "{% include '/etc/passwd' %}"}, "template /etc/passwd: not found in"),
    "backslash": ({"t": "{% include '..\\\\secret.j2' %}"}, "template ..\\secret.j2: not found in"),
    "NUL in a name": ({"t": "{% include 'a\0.j2' %}"}, "template t.j2: it holds a NUL"),
    "missing": ({"t": "{% include 'none.j2' %}"}, "template none.j2: not found in"),
    "missing, ignored": ({"t": "{% include 'none.j2' ignore missing %}"}, "template none.j2: not found in"),
    "no such": ({}, "template t.j2: not found in"),
    "Latin-1": ({"t": b"caf\xe9"}, "template t.j2: not UTF-8: byte 0xe9 at 3"),
    "UTF-16": ({"t": "a".encode("utf-16")}, "template t.j2: not UTF-8: byte 0xff at 0"),
    "NUL": ({"t": b"a\0b"}, "template t.j2: it holds a NUL"),
    "too large": ({"t": "x" * 1_000_001}, "template t.j2: more than 1,000,000 characters"),
    "bad part": ({"t": "{% include 'a.j2' %}", "a": "\n{{"}, "template a.j2, line 2: unexpected 'end of template'"),
    "deep parentheses": ({"t": "{{" + "(" * 3000 + "1" + ")" * 3000 + "}}"}, "template t.j2: it calls itself, or is nested, without end"),
    "deep lists": ({"t": "{{" + "[" * 150 + "1" + "]" * 150 + "}}"}, "template t.j2: "),
    "deep loops": ({"t": "{% for x in [1] %}" * 30 + "{% endfor %}" * 30}, "template t.j2: too many statically nested blocks"),
    "mro": ({"t": "{{ ''.__class__.__mro__ }}"}, "template t.j2, line 1: access to attribute '__mro__' is unsafe"),
    "class by item": ({"t": "{{ passage['__class__'] }}"}, "template t.j2, line 1: access to attribute '__class__' is unsafe"),
    "globals": ({"t": "\n{{ range.__globals__ }}"}, "template t.j2, line 2: access to attribute '__globals__' is unsafe"),
    "underscore": ({"t": "{{ passage._x }}"}, "template t.j2, line 1: access to attribute '_x' is unsafe"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "expected"), CHECKED.values(), ids=CHECKED)
def test_what_is_found_before_anything_runs(files: dict[str, str | bytes], expected: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        templates(tmp_path, files).check("t", ["passage"], [])
    assert error.value.what.startswith(expected)
    assert error.value.fix


RENDERED = {
    "range": ("{% for x in range(10**9) %}{% endfor %}", "a number over 1,000,000 as an argument"),
    "long range": ("{% for x in range(900000) %}{% endfor %}", "Range too big"),
    "long text": ("{{ 'x' * 10**10 }}", "'*' makes a value of more than 1,000,000 characters"),
    "long text, turned": ("{{ 10**7 * 'x' }}", "'*' makes a value of more than 1,000,000 characters"),
    "long list": ("{{ [0] * 10**8 }}", "'*' makes a value of more than 1,000,000 characters"),
    "power": ("{{ 9**(9**9) }}", "'**' makes a value of more than 1,000,000 characters"),
    "power of ten": ("{{ 10**10000000 }}", "'**' makes a value of more than 1,000,000 characters"),
    "digits": ("{{ 10**200000 }}", "Exceeds the limit (4300 digits)"),
    "sum": ("{{ ('x' * 900000) + ('x' * 900000) }}", "'+' makes a value of more than 1,000,000 characters"),
    "width": ("{{ '%10000000000d' % 1 }}", "a width over 9,999, or one that is computed, in a format"),
    "width by value": ("{{ '%*d' % (1000000000, 1) }}", "a width over 9,999, or one that is computed, in a format"),
    "width in a filter": ("{{ '%10000000000d'|format(1) }}", "a width over 9,999, or one that is computed, in a format"),
    "format": ("{{ '{:>10000000000}'.format(1) }}", "a width over 9,999, or one that is computed, in a format"),
    "format by value": ("{{ '{:>{}}'.format(1, 900000) }}", "a width over 9,999, or one that is computed, in a format"),
    "format to attributes": ("{{ '{0.__class__}'.format(passage) }}", "access to attribute '__class__' of 'str' object is unsafe"),
    "center": ("{{ passage.center(10**10) }}", "a number over 1,000,000 as an argument"),
    "center filter": ("{{ passage|center(10**10) }}", "a number over 1,000,000 as an argument"),
    "indent filter": ("{{ 'a\nb'|indent(width=10**9) }}", "a number over 1,000,000 as an argument"),
    "output": ("{% for x in range(100000) %}{{ passage }}{% endfor %}", "it writes more than 1,000,000 characters"),
    "macros": (
        "{% macro a() %}{{ 'x' * 100000 }}{% endmacro %}{% macro b() %}" + "{{ a() }}" * 20 + "{% endmacro %}{{ b() }}",
        "it writes more than 1,000,000 characters",
    ),
    "macro of itself": ("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "it calls itself, or is nested, without end"),
    "attr filter": ("{{ passage|attr('__class__') }}", "access to attribute '__class__' of 'str' object is unsafe"),
    "computed item": ("{% set c = ['__cla', 'ss__']|join %}{{ passage[c] }}", "access to attribute '__class__' of 'str' object is unsafe"),
    "map attribute": ("{{ [passage]|map(attribute='__class__')|join }}", "access to attribute '__class__' of 'str' object is unsafe"),
    "changing a value": ("{{ many.append(1) }}", "access to attribute 'append' of 'list' object is unsafe"),
    "missing attribute": ("{{ passage.titel }}", "'str object' has no attribute 'titel'"),
    "missing item": ("{{ many[7] }}", "list object has no element 7"),
    "division by zero": ("{{ 1 / 0 }}", "division by zero"),
    "types": ("{{ passage + 1 }}", "can only concatenate str (not \"int\") to str"),
    "not callable": ("{{ passage() }}", "'str' object is not callable"),
    "unpacking": ("{% for a, b in many %}{% endfor %}", "cannot unpack non-iterable int object"),
    "int filter of list": ("{{ many|join(1, 2, 3, 4) }}", "do_join() takes from 2 to 4 positional arguments but 6 were given"),
    "turn without call": ("{{ user() }}", "speaker.<locals>.speak() missing 1 required positional argument: 'caller'"),
}  # fmt: skip


@pytest.mark.parametrize(("inner", "expected"), RENDERED.values(), ids=RENDERED)
def test_what_is_stopped_when_it_runs(inner: str, expected: str, tmp_path: Path) -> None:
    found = templates(tmp_path, {"t": USER.format(inner)})
    found.check("t", ["passage", "many"], [])
    started = time.perf_counter()
    with pytest.raises(ConfigError) as error:
        found.render("t", {"passage": "Otters hold hands.", "many": [1]})
    assert error.value.what.startswith("template t.j2: ")
    assert expected in error.value.what
    assert time.perf_counter() - started < 3


def test_templates_that_cannot_be_read(tmp_path: Path) -> None:
    found = templates(tmp_path, {})
    os.mkfifo(tmp_path / "templates" / "pipe.j2")
    (tmp_path / "templates" / "folder.j2").mkdir()
    (tmp_path / "templates" / "loop.j2").symlink_to("loop.j2")
    for name in ("pipe", "folder", "loop", "x" * 300):
        with pytest.raises(ConfigError, match=f"template {name}.j2: not found in"):
            found.check(name, [], [])


def test_an_honest_template_may_do_much(tmp_path: Path) -> None:
    text = (
        "{% set n = namespace(total=0) %}{% for x in range(1000) %}{% set n.total = n.total + x % 7 %}{% endfor %}"
        "{{ n.total }} {{ '%03d' % 7 }} {{ '{:>5}'.format('a') }} {{ 2 ** 10 }} {{ '-' * 10 }} {{ passage|truncate(9) }}"
    )
    part = "{#- task: any; step: none -#}" + text
    found = templates(tmp_path, {"_a": part, "t": USER.format("{% include '_a.j2' %}{% include '_a.j2' %}")})
    found.check("t", ["passage", "many"], [])
    line = "2997 007     a 1024 ---------- Otters..."
    assert found.render("t", {"passage": "Otters hold hands."}) == (Message("user", line + line),)


def test_a_number_of_any_size_may_be_written(tmp_path: Path) -> None:
    found = templates(tmp_path, {"t": USER.format("{{ many|string }} {{ many|default(1) }} {{ 5000000 + many }}")})
    assert found.render("t", {"many": 7_000_000}) == (Message("user", "7000000 7000000 12000000"),)
