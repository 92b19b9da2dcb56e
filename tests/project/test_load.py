"""Loading: folders, files, secrets, and whatever hostile thing lies in them."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from uns.project.catalogue import Catalogue
from uns.project.load import Loaded, load

Load = Callable[..., Loaded]

BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
DEEP_IN_TEMPLATE = "enterprise: a\ntargets: {t: " + "{x: " * 60 + "1" + "}" * 60 + "}\n"


CHAIN = "enterprise: a\ntypes:\n" + "".join(f"  t{n}: {{extends: t{n + 1}}}\n" for n in range(3000))
PARTS = "enterprise: a\ntypes:\n  t0: {tags: {v: {}}}\n" + "".join(
    f"  t{n}: {{tags: {{a: {{is: t{n - 1}}}, b: {{is: t{n - 1}}}}}}}\n" for n in range(1, 40)
)
FORMULAS = (
    "enterprise: a\ntypes:\n  t:\n    tags:\n"
    + "".join(f"      v{n}: {{calc: v{n + 1}}}\n" for n in range(3000))
    + "      v3000: {calc: v0}\ninstances: [{path: a/b/c/d, is: t}]\n"
)
WITH = "".join(f"p{n}: '{{p{n + 1}}}', " for n in range(3000))
PARAMETERS = (
    "enterprise: a\ntypes: {t: {tags: {v: {}}}}\ninstances: [{path: 'a/b/c/{p0}', is: t, with: {"
    + WITH
    + "p3000: x}}]\n"
)
ARRAYS = (
    "enterprise: a\ntypes: {t: {tags: {v: {array: 1..9000}}}}\n"
    "instances: [{path: 'a/b/c/m{n}', each: {n: 1..9000}, is: t}]\n"
)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(BOMB.encode(), "UNS004", id="bomb of aliases"),
        pytest.param(b"[" * 100_000, "UNS004", id="100,000 brackets"),
        pytest.param(b"{" * 100_000, "UNS004", id="100,000 braces"),
        pytest.param(b"a: 1\na: 2\n", "UNS002", id="duplicate key"),
        pytest.param(b"a: \x07\n", "UNS005", id="control character"),
        pytest.param(b"a: \xff\n", "UNS005", id="not UTF-8"),
        pytest.param("enterprise: acme\n".encode("utf-16"), "UNS005", id="UTF-16"),
        pytest.param(b"- 1\n- 2\n", "UNS105", id="a list"),
        pytest.param(b"just words\n", "UNS105", id="a text"),
        pytest.param(b"\x00" * 1000, "UNS005", id="zeros"),
        pytest.param(b"enterprise: [a, b]\n", "UNS105", id="a list for a name"),
        pytest.param(b"types: 5\n", "UNS105", id="a number for a mapping"),
        pytest.param(b"instances: {a: 1}\n", "UNS105", id="a mapping for a list"),
        pytest.param(b"? {a: 1}\n: 2\n", "UNS001", id="a mapping as a key"),
        pytest.param(b"types: {1: {tags: {}}, null: {}}\n", "UNS105", id="keys that are no text"),
        pytest.param(
            b"instances: [{path: a, is: b, each: {n: 1..9999999}}]\n", "UNS109", id="range"
        ),
        pytest.param(
            b"enterprise: a\ninstances: [{path: a/b/c/d, is: b, each: "
            b"{x: 1..9000, y: 1..9000, z: 1..9000}}]\n",
            "UNS106",
            id="product",
        ),
        pytest.param(b"enterprise: a\ntypes: {a: {extends: a}}\n", "UNS207", id="own parent"),
        pytest.param(b"enterprise: a\ntypes: {a: {tags: {x: {is: a}}}}\n", "UNS207", id="own part"),
        pytest.param(CHAIN.encode(), "UNS106", id="3,000 ancestors"),
        pytest.param(PARTS.encode(), "UNS106", id="parts that double"),
        pytest.param(FORMULAS.encode(), "UNS207", id="a circle of 3,000 formulas"),
        pytest.param(PARAMETERS.encode(), "UNS207", id="3,000 parameters"),
        pytest.param(ARRAYS.encode(), "UNS106", id="81 million tags"),
        pytest.param(DEEP_IN_TEMPLATE.encode(), "UNS102", id="deep settings"),
        pytest.param(b"targets: {t: {type: [a]}}\n", "UNS103", id="a list for a type"),
        pytest.param(b"bindings: {b: {driver: {a: 1}, tags: {}}}\n", "UNS105", id="no driver"),
    ],
)
def test_a_hostile_file_is_a_diagnostic(
    content: bytes, code: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    """Whatever a file holds: a code with a place, in seconds at most, and never a crash."""
    (tmp_path / "plant.yaml").write_bytes(content)
    started = time.process_time()
    found = load(tmp_path, catalogue)
    assert time.process_time() - started < 10
    assert None is found.project
    assert code in {one.code for one in found.errors}
    assert all(one.span.line >= 1 and one.span.column >= 1 for one in found.diagnostics)


def test_parameters_in_a_circle_are_told(loaded: Load) -> None:
    """Two parameters made from each other end in a diagnostic."""
    found = loaded("""
enterprise: acme
types: {pump: {tags: {flow: {}}}}
bindings: {plc: {driver: toy, connection: {host: "{a}"}, tags: {flow: "reg:1"}}}
instances: [{path: leeds/a/b/pump, is: pump, bind: plc, with: {a: "{b}", b: "{a}"}}]
""")
    assert {"UNS207"} == {one.code for one in found.errors}


def test_an_empty_file_says_nothing(loaded: Load) -> None:
    """Nothing written is nothing wrong beside the missing enterprise of the whole project."""
    found = loaded("", company="enterprise: acme\n")
    assert () == found.diagnostics
    assert found.project is not None
    assert 0 == found.project.tag_count


def test_a_folder_without_yaml_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    """An empty folder is a diagnostic that names the folder."""
    (found,) = load(tmp_path, catalogue).diagnostics
    assert ("UNS006", tmp_path.name) == (found.code, found.file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    """A path that does not exist is a diagnostic too: load never raises."""
    (found,) = load(tmp_path / "nope.yaml", catalogue).diagnostics
    assert "UNS005" == found.code


def test_a_directory_with_the_name_of_a_file_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    """`plant.yaml/` is no file, and the rest is read."""
    (tmp_path / "plant.yaml").mkdir()
    (tmp_path / "other.yaml").write_text("enterprise: acme\n")
    assert ["UNS005"] == [one.code for one in load(tmp_path, catalogue).diagnostics]


def test_a_pipe_is_not_waited_for(tmp_path: Path, catalogue: Catalogue) -> None:
    """A named pipe called plant.yaml is told at once instead of being read for ever."""
    os.mkfifo(tmp_path / "plant.yaml")
    (found,) = load(tmp_path, catalogue).diagnostics
    assert ("UNS005", "`plant.yaml` is not a file") == (found.code, found.message)


def test_a_link_in_a_circle_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    """A link to itself cannot be opened, and the system's reason is shown."""
    (tmp_path / "plant.yaml").symlink_to(tmp_path / "plant.yaml")
    (found,) = load(tmp_path, catalogue).diagnostics
    assert "UNS005" == found.code


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    """A file without permission is a diagnostic with the system's reason."""
    path = tmp_path / "plant.yaml"
    path.write_text("enterprise: acme\n")
    path.chmod(0)
    (found,) = load(tmp_path, catalogue).diagnostics
    assert "UNS005" == found.code
    assert "permission denied" in found.message


def test_only_the_folders_own_yaml_files_are_read(tmp_path: Path, catalogue: Catalogue) -> None:
    """Sub-folders, hidden files and tests that stand beside routes are no part of a project."""
    (tmp_path / "b.yml").write_text("sites: {leeds: {}}\n")
    (tmp_path / "a.yaml").write_text("enterprise: acme\n")
    for name in (".hidden.yaml", "confirm.route-test.yaml", "notes.txt"):
        (tmp_path / name).write_text("nonsense: [\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.yaml").write_text("nonsense: [\n")
    found = load(tmp_path, catalogue)
    assert ["a.yaml", "b.yml"] == list(found.sources)
    assert () == found.diagnostics


def test_a_single_file_is_a_project(tmp_path: Path, catalogue: Catalogue) -> None:
    """The path of a file works like a folder that holds only it, with or without a BOM."""
    path = tmp_path / "plant.yaml"
    path.write_bytes("\ufeffenterprise: acme\r\n".encode())
    found = load(path, catalogue)
    assert found.project is not None
    assert ("acme", tmp_path) == (found.project.enterprise, found.project.folder)


def test_a_key_defined_in_two_files_shows_both_places(loaded: Load) -> None:
    """The second definition is the diagnostic, the first is related to it."""
    text = "types: {pump: {tags: {flow: {}}}}\n"
    (found,) = loaded("enterprise: acme\n", a=text, b=text).diagnostics
    assert ("UNS201", "b.yaml") == (found.code, found.file)
    assert ["a.yaml"] == [other.file for other in found.related]


def test_every_mistake_of_every_file_is_told_at_once(loaded: Load) -> None:
    """One run shows unreadable keys, wrong fields and whole-project mistakes together."""
    found = loaded(
        "enterprise: acme\ntypes: {pump: {tags: {flow: {unt: V}}}}\n",
        a="sites: {x: {}, x: {}}\n",
        b="instances: [{path: x/a/b/c, is: pomp}]\n",
    )
    assert ["UNS002", "UNS202", "UNS101"] == [one.code for one in found.diagnostics]


def test_a_broken_entry_is_reported_once(loaded: Load) -> None:
    """Whoever uses a type that could not be read is not told that it does not exist."""
    found = loaded("""
enterprise: acme
types: {pump: {tags: {flow: {unt: V}}}}
bindings: {plc: {drver: toy}}
instances: [{path: leeds/a/b/pump, is: pump, bind: plc}]
""")
    assert ["UNS101", "UNS101", "UNS102"] == sorted(one.code for one in found.diagnostics)


SECRET = """
enterprise: acme
types: {pump: {tags: {flow: {}}}}
bindings:
  plc: {driver: toy, connection: {host: plc, password: "{pw}"}, tags: {flow: "reg:1"}}
instances:
  - {path: leeds/a/b/pump, is: pump, bind: plc, with: {pw: "${env:PLC_PASSWORD}"}}
brokers: {site: "mqtt://uns:${file:broker.secret}@127.0.0.1"}
targets: {notes: {type: paper, folder: notes, token: "${env:TOKEN:-none}"}}
"""


def test_secrets_come_from_the_environment_and_files(loaded: Load, tmp_path: Path) -> None:
    """They are put in at the end, and only there: parameters keep the reference."""
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "broker.secret").write_text("t{o}p\n")
    project = loaded(SECRET, env={"PLC_PASSWORD": "s{e}cret"}).project
    assert project is not None
    (connection,) = project.connections.values()
    assert "s{e}cret" == connection.config.password
    assert "mqtt://uns:t{o}p@127.0.0.1" == project.brokers["site"]
    assert "none" == project.targets["notes"].token
    assert "${env:PLC_PASSWORD}" == project.machines[0].parameters["pw"]


def test_a_missing_secret_has_a_place(loaded: Load) -> None:
    """Both the variable and the file that are not there are named."""
    found = loaded(SECRET)
    assert ["UNS107", "UNS107"] == [one.code for one in found.errors]
    assert "PLC_PASSWORD" in found.errors[0].message
    assert "broker.secret" in found.errors[1].message


def test_a_secret_is_never_shown(loaded: Load) -> None:
    """A diagnostic about a value that came from a secret shows dots."""
    found = loaded(
        "enterprise: acme\n"
        "types: {pump: {tags: {flow: {}}}}\n"
        "bindings: {plc: {driver: toy, connection: {host: h, port: '${env:PORT}'},"
        " tags: {flow: 'reg:1'}}}\n"
        "instances: [{path: leeds/a/b/pump, is: pump, bind: plc}]\n"
        "brokers: {b: 'http://${env:PORT}'}\n",
        env={"PORT": "hunter2"},
    )
    assert 2 == len(found.errors)
    assert not [one for one in found.errors if "hunter2" in f"{one.message}{one.hint}"]


def test_the_garbage_collector_is_left_as_it_was(loaded: Load) -> None:
    """It is paused while reading and runs afterwards, mistakes or not."""
    loaded("enterprise: [\n")
    assert gc.isenabled()


def test_a_finished_load_keeps_no_tree_of_places(loaded: Load) -> None:
    """The places of half a million values would cost more memory than the project."""
    found = loaded("enterprise: acme\n")
    assert [None] == [source.root for source in found.sources.values()]
