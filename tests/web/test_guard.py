"""Who is let in: names, other sites, tokens; what every answer says to browsers."""

import http.client

import pytest

from avsearch.errors import AvsearchError, UsageError
from avsearch.web.guard import HEADERS
from avsearch.web.settings import Settings, read_token
from tests.web.serving import TOKEN, running

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATHS = ("/", "/v1/library", "/v1/nothing", "/v1/media/1/file", "/health/live", "/metrics", "/static/app.js")


@pytest.fixture(scope="module")
def open_server(made_library, tmp_path_factory):
    """One that listens everywhere, and so asks for its token."""
    with running(
        made_library, tmp_path_factory.mktemp("cache"), ready=False, host="0.0.0.0", token=TOKEN
    ) as server:
        yield server


@pytest.fixture(scope="module")
def token_server(made_library, tmp_path_factory):
    """One of this machine alone that has a token."""
    with running(made_library, tmp_path_factory.mktemp("cache"), token=TOKEN) as server:
        yield server


def with_host(server, host, path="/v1/library", **headers):
    """(status, body) of a request that calls the server by some name."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {"Host": host, **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.1:8000", "LOCALHOST:1", "[::1]:8000", "localhost."]
)
def test_the_names_of_this_machine_alone_are_known(server, host):
    assert with_host(server, host)[0] == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.0.1", "",
     "localhost@evil.example", "localhost/evil.example", "[::1", "0x7f.1", "2130706433", "localhost:80:80"],
)  # fmt: skip
def test_another_name_is_refused_as_dns_rebinding_would_bring_it(server, host):
    status, body = with_host(server, host)
    assert status in {400, 421}
    assert b"library_id" not in body


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://{}", "http://127.0.0.1"]
)
def test_another_site_may_not_ask(server, origin):
    own = f"127.0.0.1:{server.port}"
    answer = server.post("/v1/search", json={}, headers={"Origin": origin.format(own)})
    assert answer.status_code == 403
    assert server.post("/v1/search", json={}, headers={"Origin": f"http://{own}"}).status_code == 422
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_lead_here_but_not_embed_anything(server, site):
    visit = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    image = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    frame = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert server.get("/v1/library", headers=visit).status_code == 200
    assert server.get("/v1/library", headers=image).status_code == 403
    assert server.get("/v1/library", headers=frame).status_code == 403
    assert server.get("/v1/library", headers=image | {"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_says_what_browsers_may_do(server, open_server, path):
    answers = [server.get(path), server.get(path, headers={"Origin": "http://evil.example"}), open_server.get(path)]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


def test_where_others_can_connect_everything_but_health_needs_the_token(open_server):
    for path in PATHS:
        answer = open_server.get(path)
        assert answer.status_code == (200 if path == "/health/live" else 401), path
    wrong = [f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", TOKEN, "Bearer é"]
    for value in wrong:
        answer = open_server.get("/v1/library", headers={"Authorization": value.encode()})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="avsearch"')
    assert open_server.get("/v1/library", headers=BEARER).status_code == 200


def test_a_token_in_the_address_of_the_page_becomes_a_cookie(open_server):
    refused = open_server.get("/", params={"token": "wrong-token-0123456789"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    answer = open_server.get("/", params={"token": TOKEN})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    open_server.client.cookies.clear()
    known = {"Cookie": cookie.partition(";")[0]}
    assert open_server.get("/v1/library", headers=known).json()["needs_token"] is False
    assert open_server.get("/v1/library", headers={"Cookie": "avsearch_token=other"}).status_code == 401
    assert open_server.get("/v1/library?token=" + TOKEN).status_code == 401  # only for the page


def test_where_others_can_connect_a_foreign_name_is_refused_and_an_address_taken(open_server):
    assert with_host(open_server, "evil.example", **BEARER)[0] == 421
    assert with_host(open_server, "192.0.2.7:8000", **BEARER)[0] == 200
    assert with_host(open_server, "[2001:db8::1]", **BEARER)[0] == 200


def test_what_changes_something_needs_the_token_on_this_machine_too(server, token_server):
    for method, path, body in (("DELETE", "/v1/media/999999", None), ("POST", "/v1/index", {"root_id": 999})):
        assert server.client.request(method, path, json=body).status_code == 403
        assert server.client.request(method, path, json=body, headers=BEARER).status_code == 403
        assert token_server.client.request(method, path, json=body).status_code == 401
        assert token_server.client.request(method, path, json=body, headers=BEARER).status_code == 404
    assert token_server.get("/v1/library").json()["needs_token"] is True


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "myhost.example"])
def test_listening_elsewhere_without_a_token_is_refused_and_how_to_give_one_is_said(tmp_path, host):
    with pytest.raises(UsageError) as refused:
        Settings(library=tmp_path, host=host)
    assert "AVSEARCH_TOKEN" in refused.value.hint
    assert "--token-file" in refused.value.hint
    assert not Settings(library=tmp_path, host=host, token=TOKEN).is_local


@pytest.mark.parametrize(
    "token", ["short", "with a space in it 0123456789", "semi;colon-0123456789", "é" * 20, "x" * 15]
)
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(tmp_path, token):
    with pytest.raises(UsageError, match="token"):
        Settings(library=tmp_path, token=token)


def test_the_token_comes_from_a_file_or_from_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\nmore\n")
    monkeypatch.setenv("AVSEARCH_TOKEN", "of-the-environment-0123")
    assert read_token(file) == TOKEN
    assert read_token(None) == "of-the-environment-0123"
    file.write_text("\n")
    with pytest.raises(UsageError, match="no token"):
        read_token(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(tmp_path)
    with pytest.raises(AvsearchError, match="there is no such file"):
        read_token(tmp_path / "nowhere")


def test_a_token_is_never_told(tmp_path):
    assert TOKEN not in repr(Settings(library=tmp_path, token=TOKEN))
