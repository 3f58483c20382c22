"""The library at a glance, reading it again, taking things out, and a server that is not there."""

import shutil

import pytest

from avsearch.library import create_library
from tests.web.browser.conftest import HOSTILE_NAME
from tests.web.serving import TOKEN, await_ready, running

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_library_is_told_in_few_words_and_in_full(desk, clips):
    assert desk.find("#library-summary").inner_text() == "6 media, 0 minutes"
    desk.page.keyboard.press("l")
    text = desk.find("#library").inner_text()
    assert "4 videos, 1 sound, 1 picture" in text
    assert str(clips) in text
    assert "6 indexed" in text
    assert "1 failed" in text
    desk.find("#library summary").click()
    failures = desk.find(".failures").inner_text()
    assert str(clips / "broken.mp4") in failures
    assert len(failures.splitlines()) == 2


def test_indexing_again_needs_the_token_and_tells_how_it_goes(clips, indexed, open_desk, tmp_path):
    footage = shutil.copytree(clips, tmp_path / "footage")
    with library_of(footage, indexed, tmp_path) as server:
        desk = open_desk(server)
        shutil.copy(footage / "bell.mp4", footage / "again.mp4")
        shutil.copy(footage / "rain.wav", footage / "broken.mp4")  # mended
        desk.page.keyboard.press("l")
        desk.button("Retry what failed", "#library").click()
        desk.page.get_by_label("Token").fill("a guess")
        desk.button("Go on", "#token").click()
        desk.until("document.querySelector('#token-wrong')?.textContent === 'That is not the token.'")
        desk.page.get_by_label("Token").fill(TOKEN)
        with desk.page.expect_response(lambda it: it.url.endswith("/v1/index")) as begun:
            desk.button("Go on", "#token").click()
        assert begun.value.status == 202
        desk.page.keyboard.press("Escape")
        desk.until("document.body.innerText.includes('files indexed') || document.querySelector('#toast')")
        desk.page.keyboard.press("l")
        desk.until("document.querySelector('#library').innerText.includes('8 indexed')")
        assert "failed" not in desk.find("#library").inner_text()


def library_of(footage, indexed, tmp_path):
    """A server of a library of a folder that may be changed."""
    from indexer.build import index
    from indexer.index_job import IndexJob

    (weights,) = (indexed / "encoders").glob("*.safetensors")
    place = tmp_path / "own"
    index(IndexJob([footage], place, model=weights), lambda _event: None)
    return running(place, tmp_path / "cache", token=TOKEN)


def test_progress_of_a_running_index_is_shown(open_desk, server):
    desk = open_desk(server)
    running_index = {"running": True, "files": 40, "done": 10, "failed": 1, "message": "Reading."}

    def with_progress(route):
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "indexing": running_index})

    desk.page.route("**/v1/library", with_progress)
    desk.page.reload()
    desk.page.wait_for_selector("#indexing:not([hidden])")
    assert desk.find("#indexing-text").inner_text() == "Indexing 10 of 40 files, 1 failed"
    assert desk.find("#indexing-bar").evaluate("bar => bar.position") == 0.25


def test_a_media_is_removed_with_the_token_after_it_was_confirmed(own_server, open_desk, asked):
    with own_server(token=TOKEN) as server:
        desk = open_desk(server)
        desk.choose(asked / "still.png")
        with desk.search():
            desk.page.keyboard.press("p")
        desk.settled()
        desk.card("<img src=x").locator(".open").click()
        desk.button("Remove from the library…", "#viewer").click()
        assert desk.find("#token h2").inner_text() == f"Remove {HOSTILE_NAME}?"
        desk.button("Remove", "#token").click()
        desk.page.get_by_label("Token").fill(TOKEN)
        with desk.search():
            desk.button("Go on", "#token").click()
        desk.until("!document.querySelector('.results').innerText.includes('onerror')")
        assert "was taken out of the library" in desk.find(".notice").inner_text()
        desk.settled()
        assert HOSTILE_NAME not in desk.names


def test_a_removal_that_was_not_confirmed_does_nothing(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    sent = []
    desk.page.on("request", lambda request: sent.append(request) if request.method == "DELETE" else None)
    desk.cards.first.locator(".open").click()
    desk.button("Remove from the library…", "#viewer").click()
    desk.button("Cancel", "#token").click()
    assert desk.find("#viewer[open]").count() == 1
    assert sent == []


def test_a_server_without_a_token_says_that_nothing_can_be_changed(own_server, open_desk):
    with own_server() as server:
        desk = open_desk(server)
        desk.page.keyboard.press("l")
        desk.button("Index again", "#library").click()
        desk.page.wait_for_selector(".notice")
        assert "AVSEARCH_TOKEN" in desk.find(".notice").inner_text()


def test_an_empty_library_says_how_to_fill_it(open_desk, tmp_path):
    create_library(tmp_path / "empty")
    with running(tmp_path / "empty", tmp_path / "cache", ready=False) as server:
        desk = open_desk(server)
        desk.page.wait_for_selector("#state:not([hidden])")
        assert f"avsearch index FOLDER --library {tmp_path / 'empty'}" in desk.find("#state").inner_text()


def test_a_server_that_has_stopped_is_said_and_the_page_goes_on_when_it_is_back(own_server, open_desk, asked):
    with own_server() as server:
        port = server.port
        desk = open_desk(server)
        desk.choose(asked / "still.png")
        desk.settled()
    desk.page.keyboard.press("p")
    desk.page.wait_for_selector(".notice")
    notice = desk.find(".notice").inner_text()
    assert "The server does not answer." in notice
    assert "avsearch serve --library" in notice
    with own_server(port=port) as server:
        await_ready(server)
        desk.page.wait_for_selector(".notice", state="detached")
        desk.until("document.querySelector('#results-title').textContent.endsWith('pictures')")
        desk.settled()  # the still was sent again


def test_a_library_that_grew_offers_to_search_again(own_server, open_desk, asked):
    with own_server(token=TOKEN) as server:
        desk = open_desk(server)
        desk.choose(asked / "still.png")
        desk.settled()
        name = desk.names[0]
        removed = server.client.delete(
            f"/v1/media/{desk.cards.first.get_attribute('data-moment').split(':')[0]}",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert removed.status_code == 200
        desk.page.keyboard.press("l")
        desk.page.wait_for_selector(".notice.good")
        desk.page.keyboard.press("Escape")
        with desk.search():
            desk.button("Search again").click()
        desk.settled()
        assert name not in desk.names
