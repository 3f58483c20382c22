"""What several folders of tests share."""

import resource
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.milvus_server import running_milvus
from tests.object_store import running_store
from tests.postgres import new_database, running_server

MOST_BYTES = 12 << 30  # of memory that a process of the tests may write to

# How long an example takes says how busy the machine is.
settings.register_profile("any pace", deadline=None, suppress_health_check=[HealthCheck.too_slow])


def pytest_configure():
    """No example is held to a time.

    A test that would take all memory fails under its own name, instead of ending whatever the system picks.
    """
    settings.load_profile("any pace")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = MOST_BYTES if hard == resource.RLIM_INFINITY else min(MOST_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real clips beside the checkout; tests that need it are skipped where it is not."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real clips of ../shared/data are not here")
    return folder


@pytest.fixture(scope="session")
def postgres_url():
    """A PostgreSQL server where databases can be made; skips where there is none, unless one is required."""
    with running_server() as url:
        yield url


@pytest.fixture
def postgres_database(postgres_url):
    """The URL of an empty database on PostgreSQL, which goes with the test."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def object_server():
    """An S3 server on this machine, for all tests of a run."""
    with running_store() as store:
        yield store


@pytest.fixture
def object_store(object_server, monkeypatch):
    """The same, with an environment that names it, and nothing that goes wrong yet."""
    from s3fs import S3FileSystem

    for name, value in object_server.environment().items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # an earlier test's client would go where that test sent it
    yield object_server
    object_server.fault = lambda _request: None


@pytest.fixture(scope="session")
def milvus():
    """A Milvus server on this machine, for all tests; skips where there is none, unless one is required."""
    with running_milvus() as server:
        yield server


@pytest.fixture
def own_milvus():
    """One that a test may kill."""
    with running_milvus() as server:
        yield server


def pytest_generate_tests(metafunc):
    """A test that uses `database_url` runs on both databases, unless it is marked as one about SQLite's file."""
    if "database_url" in metafunc.fixturenames:
        is_about_file = metafunc.definition.get_closest_marker("sqlite") is not None
        postgres = [] if is_about_file else [pytest.param("postgres", marks=pytest.mark.postgres)]
        metafunc.parametrize("database_url", ["sqlite", *postgres], indirect=True)


@pytest.fixture
def database_url(request):
    """Where a library of this test has its catalog: an SQLite file in it, or an empty database on a server."""
    if request.param == "sqlite":
        return "sqlite:///catalog.sqlite3"
    return request.getfixturevalue("postgres_database")


@pytest.fixture
def gpus(monkeypatch):
    """Puts a faiss with so many GPUs in the place of the installed one."""
    from tests.vectors.gpu.fake import GpuFaiss, forget

    def install(num_gpus=1, **wishes):
        fake = GpuFaiss(num_gpus, **wishes)
        monkeypatch.setitem(sys.modules, "faiss", fake)
        forget()
        return fake

    yield install
    monkeypatch.undo()
    forget()
