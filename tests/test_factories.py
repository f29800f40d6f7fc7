"""Factories by name, and whether a digest follows the code behind one."""

import sys

import pytest

from gradflow.factories import TargetError, load_factory, source_digest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a folder with a package of two modules and a file beside it, forgotten when the test ends."""
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "blocks.py").write_text("WIDTH = 3\n\ndef block():\n    return WIDTH\n")
    (package / "nets.py").write_text("from mine.blocks import block\n\ndef make():\n    return block()\n")
    (package / "other.py").write_text("X = 1\n")
    (tmp_path / "alone.py").write_text(
        "import numpy\nfrom mine import blocks\n\ndef make():\n    return blocks.block()\n"
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget()


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] in ("mine", "alone")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["mine.nets:make", "alone.py:make", "alone:make"])
def test_a_digest_changes_with_the_code_behind_a_factory_and_with_nothing_else(project, name):
    assert load_factory(name)() == 3
    first = source_digest(name)
    forget()
    (project / "mine" / "other.py").write_text("X = 2\n")
    assert source_digest(name) == first
    forget()
    (project / "mine" / "blocks.py").write_text("WIDTH = 4\n\ndef block():\n    return WIDTH\n")
    assert source_digest(name) != first


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.nets", "a factory must be package.module:FACTORY or path/to/file.py:FACTORY; got 'mine.nets'"),
        ("mine.nets:mak", "mine.nets has no factory 'mak'. Nearest: make"),
        ("mine.missing:make", "mine.missing:make cannot be imported: ModuleNotFoundError"),
        ("absent.py:make", "there is no file absent.py"),
    ],
)
def test_what_is_no_factory_is_one_line(project, name, message):
    with pytest.raises(TargetError, match=message) as caught:
        source_digest(name)
    assert "\n" not in str(caught.value)
