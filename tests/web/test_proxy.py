"""A server that people reach through a proxy, which speaks TLS to them and HTTP to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avsearch.errors import UsageError
from avsearch.web.settings import Settings, read_origin
from tests.web.serving import TOKEN, running

SITE = "https://footage.example"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def server(made_library, tmp_path_factory):
    with running(made_library, tmp_path_factory.mktemp("cache"), ready=False, url=f"{SITE}/", token=TOKEN) as it:
        yield it


@pytest.mark.parametrize("host", ["footage.example", "FOOTAGE.example", "127.0.0.1:8000", "localhost"])
def test_the_page_that_a_proxy_shows_may_ask_whatever_the_proxy_calls_the_server(server, host):
    asked = {"Host": host, "Origin": SITE, "Sec-Fetch-Site": "same-origin"}
    assert server.post("/v1/search", json={}, headers=asked | BEARER).status_code == 422  # it asks for nothing


@pytest.mark.parametrize(
    "origin",
    ["http://footage.example", "https://footage.example:8443", "https://evil.example", "null", "",
     "https://footage.example.evil.example", "https://footage.example/"],
)  # fmt: skip
def test_no_other_site_may_ask_through_it(server, origin):
    asked = {"Host": "footage.example", "Origin": origin}
    is_own = origin == "http://footage.example"  # without the proxy's TLS: the server's own name
    expected = 422 if is_own else 403
    assert server.post("/v1/search", json={}, headers=asked | BEARER).status_code == expected


def test_no_other_name_is_taken(server):
    for host in ("evil.example", "footage.example.evil.example", "192.0.2.7"):
        assert server.get("/v1/library", headers={"Host": host} | BEARER).status_code == 421


def test_who_comes_through_it_needs_the_token_and_browsers_send_that_over_tls_alone(server):
    asked = {"Host": "footage.example"}
    assert server.get("/v1/library", headers=asked).status_code == 401
    assert server.get("/v1/library", headers=asked | BEARER).status_code == 200
    answer = server.get("/", params={"token": TOKEN}, headers=asked)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"Secure", "HttpOnly", "SameSite=Strict"} <= set(answer.headers["set-cookie"].split("; "))


def test_what_a_proxy_says_of_others_is_not_believed(server):
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}
    assert server.post("/v1/search", json={}, headers=told | BEARER).status_code == 403


def test_a_server_that_others_reach_has_a_token(tmp_path):
    with pytest.raises(UsageError, match=f"On {SITE} others could reach the server"):
        Settings(library=tmp_path, url=SITE)
    assert not Settings(library=tmp_path, url=SITE, token=TOKEN).is_local


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("", ""),
        ("https://Footage.Example/", SITE),
        ("https://footage.example:443", SITE),
        ("http://footage.example:8080", "http://footage.example:8080"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_site_is_written_as_browsers_name_it(url, origin):
    assert read_origin(url) == origin
    assert read_origin(origin) == origin


@pytest.mark.parametrize(
    "url",
    ["footage.example", "ftp://footage.example", "https://", "https://footage.example/avsearch", "https://a@b.example",
     "https://footage.example?x", "https://footage.example#x", "https://footage.example:99999", "https://[::1"],
)  # fmt: skip
def test_what_is_no_site_is_refused(url):
    with pytest.raises(UsageError, match="no URL of a site") as refused:
        read_origin(url)
    assert "https://footage.example" in refused.value.hint


@given(st.text(max_size=40))
def test_any_text_is_a_site_or_refused(text):
    for url in (text, f"https://{text}"):
        try:
            origin = read_origin(url)
        except UsageError:
            continue
        assert read_origin(origin) == origin
