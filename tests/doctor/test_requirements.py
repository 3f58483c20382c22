import pytest

from avsearch.doctor.requirements import allows, numbers, parsed


def test_lines_of_metadata_are_told_apart_by_the_extra_that_asks():
    lines = [
        "torch>=2.6",
        "psycopg[binary]>=3.2; extra == 'postgres'",
        'fsspec<2030,>=2024.9; extra == "s3"',
        "ffmpeg-python>=0.2.0",
        "numpy",
        'faiss-gpu-cuvs>=1.15.1 ; (python_version >= "3.11") and extra == "cuvs"',
    ]
    assert [(it.name, it.wanted, it.extra) for it in parsed(lines)] == [
        ("torch", ">=2.6", ""),
        ("psycopg", ">=3.2", "postgres"),
        ("fsspec", ">=2024.9,<2030", "s3"),
        ("ffmpeg-python", ">=0.2.0", ""),
        ("numpy", "", ""),
        ("faiss-gpu-cuvs", ">=1.15.1", "cuvs"),
    ]


def test_what_another_python_or_system_needs_is_not_needed_here():
    lines = ['tomli>=2; python_version < "3.11"', "pywin32>=300; sys_platform == 'win32' and extra == 'web'"]
    assert parsed(lines) == []


@pytest.mark.parametrize(
    ("version", "serves"),
    [
        ("2.5.1", False),
        ("2.6rc1", False),
        ("2.6", True),
        ("2.6.0", True),
        ("2.10.0", True),
        ("2.13.0+cpu", True),
        ("2.14.0.dev20260101+cu130", True),  # a nightly build
        ("3.0rc1", False),
        ("3.0", False),
        ("3.2.1", False),
        ("unknown", False),
    ],
)
def test_a_version_serves_from_a_bound_up_to_another(version, serves):
    """As PEP 440 orders them."""
    assert allows(">=2.6,<3", version) is serves


def test_any_version_serves_where_none_is_asked_for():
    assert allows("", "0.1")


@pytest.mark.parametrize(
    ("version", "order"), [("5.1.9-0+deb12u1", (5, 1, 9)), ("7.0", (7, 0)), ("13.2", (13, 2)), ("N-1234-gabc", ())]
)
def test_versions_of_programs_are_ordered_by_their_numbers(version, order):
    assert numbers(version) == order


def test_a_fault_names_what_is_wrong():
    (it,) = parsed(["torch>=2.6,<3"])
    assert it.fault(None) == "torch is not installed"
    assert it.fault("2.5") == "torch 2.5 is not >=2.6,<3"
    assert it.fault("2.13.0+cpu") == ""
