import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from avsearch.doctor.requirements import allows, bounds, numbers, parsed


def test_lines_of_metadata_are_read_as_packaging_reads_them():
    lines = [
        "torch>=2.6",
        "psycopg[binary]>=3.2; extra == 'postgres'",
        'fsspec>=2024.9; extra == "s3"',
        "ffmpeg-python>=0.2.0",
        "numpy",
        'faiss-gpu-cuvs>=1.15.1 ; (python_version >= "3.11") and extra == "cuvs"',
    ]
    truth = [Requirement(line) for line in lines]
    found = parsed(lines)
    assert [it.name for it in found] == [it.name for it in truth]
    assert [it.extra for it in found] == ["", "postgres", "s3", "", "", "cuvs"]
    for one, other in zip(found, truth, strict=True):
        assert {f"{sign}{'.'.join(map(str, it))}" for sign, it in one.bounds} == {str(it) for it in other.specifier}


@pytest.mark.parametrize("version", ["2.5.1", "2.6", "2.6.0", "2.13.0+cpu", "2.10.0", "3.0", "3.2.1"])
@pytest.mark.parametrize("wanted", [">=2.6", ">=2.6,<3", ">=2.13,<3.2", "<2.6", ""])
def test_a_version_is_judged_as_packaging_judges_it(version, wanted):
    assert allows(bounds(wanted), numbers(version)) == SpecifierSet(wanted).contains(version)


def test_a_fault_names_what_is_wrong():
    (it,) = parsed(["torch>=2.6,<3"])
    assert it.fault(None) == "torch is not installed"
    assert it.fault("2.5") == "torch 2.5 is not >=2.6,<3"
    assert it.fault("2.13.0+cpu") == ""
