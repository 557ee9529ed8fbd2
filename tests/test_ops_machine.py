"""`make run` says in one plain sentence what keeps it from starting."""

import shutil
import socket
import subprocess
import sys
from collections import namedtuple

import pytest

from deploy import install, leftovers, machine
from tests.kit.processes import ROOT, Program, wait_for
from tests.kit.servers import free_port

Usage = namedtuple("Usage", "total used free")


def is_one_sentence(text: str) -> bool:
    return bool(text) and "\n" not in text and len(text) < 200


@pytest.mark.parametrize("version", [(3, 10), (3, 12), (2, 7)])
def test_other_python_is_refused_by_its_number(version):
    sentence = machine.python_problem(version)
    assert is_one_sentence(sentence)
    assert ".".join(map(str, version)) in sentence


def test_python_of_these_tests_is_the_one():
    assert machine.python_problem() == ""


def test_full_disk_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**10, 10**10, 999_999_999))
    assert is_one_sentence(machine.disk_problem(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Usage(10**10, 0, 10**9))
    assert machine.disk_problem(tmp_path) == ""


def test_taken_port_is_refused_and_a_free_one_accepted():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert is_one_sentence(machine.port_problem("127.0.0.1", port))
    assert machine.port_problem("127.0.0.1", str(free_port())) == ""


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "８０００", ""])
def test_nonsense_port_is_refused(port):
    assert is_one_sentence(machine.port_problem("127.0.0.1", port))


def test_address_of_another_machine_is_refused():
    assert is_one_sentence(machine.port_problem("192.0.2.1", "8000"))


def test_missing_packages_are_one_line(monkeypatch):
    monkeypatch.setattr(machine, "LIBRARIES", {"no-such-library": "libnosuch0", **machine.LIBRARIES})
    monkeypatch.setenv("PATH", "/nowhere")  # no fc-list
    sentence = machine.packages_problem(venv_exists=True)
    assert is_one_sentence(sentence)
    assert sentence.endswith("apt-get install --yes libnosuch0 fontconfig fonts-noto-core")


def test_this_machine_lacks_nothing():
    assert machine.packages_problem(venv_exists=True) == ""


def test_requirements_are_read_through_their_includes():
    names = {path.name for path in install.requirement_files(install.REQUIREMENTS / "dev.txt")}
    assert names == {"dev.txt", "requirements.txt", "base.txt", "ml.txt"}


def test_changed_requirements_are_installed_again(monkeypatch, tmp_path):
    requirements = tmp_path / "some.txt"
    requirements.write_text("django\n")
    monkeypatch.setattr(install, "stamp_of", lambda path: tmp_path / f"stamp-{path.stem}")
    monkeypatch.setattr(install, "PYTHON", requirements)  # any file that exists
    assert not install.is_installed(requirements)
    (tmp_path / "stamp-some").write_text(install.fingerprint(requirements))
    assert install.is_installed(requirements)
    requirements.write_text("django\ncelery\n")
    assert not install.is_installed(requirements)


def test_leftovers_are_ended_and_strangers_are_not(tmp_path):
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = Program("ours", sleeper, tmp_path / "ours", leftovers.marked(tmp_path)).start()
    other = Program("other", sleeper, tmp_path / "other", leftovers.marked(tmp_path / "elsewhere")).start()
    wait_for(lambda: leftovers.find(tmp_path) == [ours.pid], what="the mark")
    leftovers.end(tmp_path)
    assert ours.process.wait(timeout=5) == -9
    assert other.process.poll() is None
    other.kill()


def test_start_needs_nothing_but_the_standard_library(tmp_path):
    """`make run` begins with the system's Python, before any package is installed."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import deploy.run"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
