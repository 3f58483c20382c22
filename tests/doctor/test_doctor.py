"""The doctor on machines that lack things; the real one too."""

import json
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

from avsearch.doctor import packages, places, tools, torch_build
from avsearch.doctor.check import Check, Diagnosis, State
from avsearch.doctor.faiss_build import faiss_check, install_command, wheel_for
from avsearch.doctor.job import diagnose
from avsearch.doctor.requirements import Need
from avsearch.vectors import backend
from tests.cli.command import avsearch, environment, here
from tests.doctor import fakes


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A path with an ffmpeg that decodes everything, and nothing else."""
    programs = tmp_path / "bin"
    programs.mkdir()
    fakes.tools(programs)
    monkeypatch.setenv("PATH", str(programs))
    return programs


def without(module, *, error="", raises="ImportError"):
    """Run the doctor where importing a module fails; (exit code, JSON)."""
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            if {error!r}:
                raise {raises}({error!r})
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
sys.argv = ["avsearch", "doctor", "--json"]
from avsearch.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment()
    )
    assert "Traceback" not in done.stderr
    return done.returncode, {it["name"]: it for it in json.loads(done.stdout)["checks"]}


@pytest.mark.slow
def test_on_this_machine_the_base_works_and_every_check_is_whole():
    code, out, _ = avsearch("doctor", "--json")
    told = json.loads(out)
    assert (code, told["works"]) == (0, True)
    assert len(out.splitlines()) == 1
    names = [it["name"] for it in told["checks"]]
    expected = {"Python", "avsearch", "ffmpeg", "ffprobe", "codecs", "GPU", "torch", "faiss", "library", "memory"}
    assert expected <= set(names)
    assert len(set(names)) == len(names)
    for it in told["checks"]:
        assert set(it) == {"name", "state", "found", "to_do", "details"}
        assert it["state"] in ("ok", "optional", "broken")
        assert it["found"]
        assert bool(it["to_do"]) or it["state"] == "ok"
    by_name = {it["name"]: it for it in told["checks"]}
    assert by_name["torch"]["details"]["version"].startswith(metadata.version("torch"))
    assert by_name["ffmpeg"]["details"]["version"] in subprocess.check_output(["ffmpeg", "-version"], text=True)
    assert by_name["faiss"]["details"]["version"] in by_name["faiss"]["details"]["wheels"].values()


def test_every_extra_of_the_package_that_brings_no_faiss_has_a_check():
    extras = set(metadata.metadata("avsearch").get_all("Provides-Extra")) - {"cpu", "gpu", "cuvs"}
    found = {it.name.removeprefix("extra ") for it in packages.package_checks() if it.name.startswith("extra ")}
    assert found == extras


def test_without_torch_the_rest_is_told_and_the_exit_code_is_1():
    code, told = without("torch")
    assert code == 1
    assert told["torch"]["state"] == "broken"
    assert "pip install torch" in told["torch"]["to_do"]
    assert told["faiss"]["state"] == "ok"
    assert told["ffmpeg"]["state"] == "ok"


def test_a_torch_that_cannot_be_loaded_is_told_with_its_reason():
    code, told = without("torch", error="libcudart.so.13: cannot open shared object file")
    assert code == 1
    assert "libcudart.so.13" in told["torch"]["found"]


@pytest.mark.slow
def test_without_faiss_the_command_that_installs_it_is_told():
    code, told = without("faiss")
    assert code == 1
    assert told["faiss"]["state"] == "broken"
    assert "python -m pip install 'avsearch[cpu]'" in told["faiss"]["to_do"]


@pytest.mark.slow
def test_a_faiss_whose_cuda_libraries_are_missing_is_told_in_its_own_words():
    """Its GPU wheels raise no ImportError then."""
    message = "faiss-gpu installed but nvidia-cublas-cu12 is missing"
    code, told = without("faiss", error=message, raises="RuntimeError")
    assert code == 1
    assert message in told["faiss"]["found"]


def test_two_wheels_of_faiss_are_found_and_both_are_to_go(tmp_path, monkeypatch):
    fakes.wheel(tmp_path, "faiss-gpu", "1.15.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert set(backend.faiss_wheels()) == {"faiss-cpu", "faiss-gpu"}
    told = faiss_check(has_card=True, torch_cuda="12.8")
    assert told.state is State.BROKEN
    assert told.to_do == (
        "python -m pip uninstall --yes faiss-cpu faiss-gpu && python -m pip install 'avsearch[gpu]'"
    )


@pytest.mark.parametrize(
    ("has_card", "cuda", "wheel"),
    [
        (False, None, "faiss-cpu"),
        (False, "12.8", "faiss-cpu"),
        (True, None, "faiss-gpu"),
        (True, "12.8", "faiss-gpu"),
        (True, "13.0", "faiss-gpu-cuvs"),
    ],
)
def test_the_wheel_that_fits_has_the_cuda_of_torch(has_card, cuda, wheel):
    assert wheel_for(has_card=has_card, torch_cuda=cuda) == wheel


def test_another_wheel_goes_before_one_comes():
    assert install_command("faiss-gpu", {"faiss-cpu": "1.15"}) == (
        "python -m pip uninstall --yes faiss-cpu && python -m pip install 'avsearch[gpu]'"
    )
    assert install_command("faiss-cpu", {"faiss-cpu": "1.15"}) == "python -m pip install 'avsearch[cpu]'"
    assert "'torch>=2.15'" in install_command("faiss-gpu-cuvs", {})


def test_every_command_for_faiss_names_an_extra_that_the_project_has():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for wheel in ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs"):
        extra = install_command(wheel, {}).split("avsearch[")[1].split("]")[0]
        (line,) = project["optional-dependencies"][extra]
        assert line.split(">=")[0] == wheel


def test_a_cpu_build_beside_a_gpu_works_and_the_better_one_is_named(machine):
    fakes.program(machine, "nvidia-smi", "echo 'NVIDIA H200, 580.95, 143771'")
    cards = torch_build.driver_cards()
    assert cards == [("NVIDIA H200", "580.95", "143771")]
    assert "NVIDIA H200" in torch_build.card_check(cards).found
    torch, cuda = torch_build.torch_check(has_card=True)
    assert (torch.state, cuda) == (State.OPTIONAL, None)
    assert "without CUDA" in torch.found
    told = faiss_check(has_card=True, torch_cuda=None)
    assert told.state is State.OPTIONAL
    assert "uninstall --yes faiss-cpu" in told.to_do


def test_a_driver_that_fails_is_as_none(machine):
    assert torch_build.driver_cards() == []
    fakes.program(machine, "nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    assert torch_build.driver_cards() == []


def test_without_ffmpeg_the_codecs_are_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    told = tools.tool_checks()
    assert [(it.name, it.state) for it in told] == [("ffmpeg", State.BROKEN), ("ffprobe", State.BROKEN)]
    assert all("Install ffmpeg" in it.to_do for it in told)


@pytest.mark.parametrize(
    ("version", "state"),
    [("4.4.2-0ubuntu0.22.04.1", State.BROKEN), ("5.1.9", State.OK), ("n7.1", State.OK), ("N-118-gabc", State.OK)],
)
def test_an_ffmpeg_that_is_too_old_is_in_the_way(machine, version, state):
    fakes.tools(machine, version=version)
    assert tools.tool_checks()[0].state is state


def test_an_ffmpeg_without_a_common_decoder_is_told_and_without_a_needed_one_in_the_way(machine):
    fakes.tools(machine, decoders=fakes.DECODERS.replace("hevc", ""))
    told = tools.tool_checks()[2]
    assert (told.state, told.details["missing_decoders"]) == (State.OPTIONAL, ["hevc"])
    fakes.tools(machine, decoders=fakes.DECODERS.replace("h264", ""))
    assert tools.tool_checks()[2].state is State.BROKEN
    fakes.tools(machine, encoders="libvpx")
    assert "libx264" in tools.tool_checks()[2].found


def test_a_decoder_counts_by_the_codec_that_it_implements(machine):
    """As libdav1d is for av1."""
    fakes.tools(machine, decoders=fakes.DECODERS.replace(" av1 ", " "))
    assert tools.tool_checks()[2].details["missing_decoders"] == ["av1"]
    script = fakes.FFMPEG.format(version="5.1", decoders=fakes.DECODERS.replace(" av1 ", " "), encoders="libx264")
    script += 'case "$*" in *-decoders*) echo " V..... libdav1d  dav1d by VideoLAN (codec av1)" ;; esac'
    fakes.program(machine, "ffmpeg", script)
    assert tools.tool_checks()[2].state is State.OK


def test_a_missing_package_and_one_that_is_too_old_are_named(monkeypatch):
    wanted = [Need("torch", ">=2.6", ""), Need("no-such-thing", "", "")]
    monkeypatch.setattr(packages, "parsed", lambda _lines: wanted)
    versions = {"torch": "2.1.0"}
    monkeypatch.setattr(packages, "installed", versions.get)
    told = packages.package_checks()[1]
    assert told.state is State.BROKEN
    assert told.found == "torch 2.1.0 is not >=2.6; no-such-thing is not installed"


def test_from_sources_that_nobody_installed_it_says_so(monkeypatch):
    monkeypatch.setattr(packages, "DISTRIBUTION", "avsearch-that-is-not-installed")
    assert [it.state for it in packages.package_checks()] == [State.OK, State.OPTIONAL]


def test_another_python_is_in_the_way(monkeypatch):
    monkeypatch.setattr(packages.sys, "version_info", (3, 10, 4))
    assert packages.package_checks()[0].state is State.BROKEN


def test_folders_are_tried_and_nothing_is_left_in_them(tmp_path):
    told = places.place_checks(tmp_path / "new" / "library")
    assert [it.name for it in told] == ["library", "cache", "temporary files", "memory"]
    assert told[0].state is not State.BROKEN
    assert told[0].details["free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    assert list(tmp_path.iterdir()) == []


def test_a_library_that_is_a_file_or_cannot_be_written_is_in_the_way(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert places.place_checks(tmp_path / "file")[0].state is State.BROKEN

    def refused(**_place):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refused)
    told = places.place_checks(tmp_path)[0]
    assert (told.state, "Permission denied" in told.found) == (State.BROKEN, True)


def test_the_table_shows_each_check_and_then_what_to_do(monkeypatch):
    checks = (
        Check("ffmpeg", State.BROKEN, "cannot be started", "Install it."),
        Check("extra s3", State.OPTIONAL, "s3fs is not installed", "pip install it"),
        Check("memory", State.OK, "16 GB"),
    )
    monkeypatch.setattr("avsearch.doctor.job.diagnose", lambda _library: Diagnosis(checks))
    code, out, _ = here("doctor")
    assert code == 1
    lines = [line.split() for line in out.splitlines()]
    assert ["broken", "ffmpeg", "cannot", "be", "started"] in lines
    assert out.index("Needed:") < out.index("ffmpeg: Install it.") < out.index("Can be had:")
    assert out.rstrip().endswith("extra s3: pip install it")
    monkeypatch.setattr("avsearch.doctor.job.diagnose", lambda _library: Diagnosis(checks[1:]))
    assert here("doctor")[0] == 0


def test_whoever_is_told_of_a_fault_is_told_what_to_do():
    with pytest.raises(ValueError, match="what to do"):
        Check("x", State.BROKEN, "no")


def test_diagnosing_never_fails_however_little_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    told = diagnose(tmp_path / "lib")
    assert not told.works
