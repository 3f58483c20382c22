"""What schemathesis makes of the OpenAPI document: requests in order and out of order, for every operation."""

import contextlib
import shutil
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks

from tests.web.serving import TOKEN, running

WANTED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.ignored_auth,
]
SECONDS = 50.0
EXAMPLES = 40


@pytest.fixture
def fuzzed(made_library, tmp_path):
    """A server whose library may be changed by whatever is tried."""
    library = shutil.copytree(made_library, tmp_path / "library", ignore=shutil.ignore_patterns("*.sock"))
    with running(library, tmp_path / "cache", token=TOKEN) as server:
        yield server


def known_of(operation, server, upload_id):
    """For half of the requests: parameters of things that there are, since nothing is found by guessing."""
    names = {parameter.name for parameter in operation.path_parameters}
    known = {"media_id": 3, "moment_id": "3:image:0", "upload_id": upload_id}
    return {name: value for name, value in known.items() if name in names}


def try_out(operation, mode, known, until):
    """Requests for one operation, as many as there is time for; raises what a check finds."""
    options = {"path_parameters": known} if known else {}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, **options))
    def one(case):
        if time.monotonic() < until:
            case.call_and_validate(checks=WANTED, headers={"Authorization": f"Bearer {TOKEN}"})

    with contextlib.suppress(Unsatisfiable):  # where nothing can be wrong there are no wrong requests
        one()


@pytest.mark.slow
def test_schemathesis_finds_no_failure_of_the_server_and_nothing_that_the_document_does_not_say(fuzzed, footage):
    document = schemathesis.openapi.from_url(
        f"{fuzzed.url}v1/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) == 20
    changing = [it for it in operations if it.method in {"delete"} or it.path == "/v1/index"]
    for number, operation in enumerate([*(it for it in operations if it not in changing), *changing]):
        until = time.monotonic() + SECONDS / len(operations)
        upload_id = fuzzed.upload(footage / "one.mp4")
        known = known_of(operation, fuzzed, upload_id)
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try_out(operation, mode, known if number % 2 else None, until)
            try_out(operation, mode, known, until)
