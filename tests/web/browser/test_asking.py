"""Something to ask with gets into the page in many ways, and can be cut, combined, kept and come back to."""

import re
from urllib.parse import unquote

import pytest

from tests.media.clips import tones, write_wav
from tests.web.browser.desk import body_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def film(desk, asked):
    """A film has been dropped."""
    desk.drop(asked / "film.mp4")
    return desk.settled()


def direction(desk):
    return desk.find("#find input:checked").get_attribute("value")


def test_a_still_finds_the_film_that_it_was_taken_from(desk, asked):
    desk.choose(asked / "still.png")
    with desk.search() as found:
        desk.find("#find").get_by_text("Pictures").click()
    _, answer = body_of(found)
    assert (answer["hits"][0]["name"], answer["hits"][0]["start_s"]) == ("drum.mp4", 0)
    assert answer["hits"][0]["score"] > 0.98  # the still is a PNG of what the film shows


def test_a_picture_that_is_pasted_asks(desk, asked):
    with desk.search() as found:
        desk.paste(asked / "still.png")
    query, _ = body_of(found)
    assert len(query["terms"]) == 1
    desk.settled()
    assert desk.find("#terms .name").inner_text() == "still.png"


def test_a_chosen_sound_asks_for_pictures(desk, asked):
    with desk.search() as found:
        desk.page.set_input_files("#file", asked / "third.wav")
    assert body_of(found)[0]["find"] == "image"


def test_a_direction_that_was_chosen_stays_for_the_next_query(desk, asked):
    desk.choose(asked / "third.wav")
    assert direction(desk) == "image"
    with desk.search() as found:
        desk.page.keyboard.press("s")
    assert body_of(found)[0]["find"] == "audio"
    with desk.search() as found:
        desk.drop(asked / "third.wav")
    assert body_of(found)[0]["find"] == "audio"


def test_a_recorded_sound_asks(desk):
    desk.button("Record").click()
    desk.page.wait_for_timeout(1500)
    with desk.page.expect_response(lambda it: it.url.endswith("/v1/uploads")) as sent, desk.search() as found:
        desk.button("Stop and search").click()
    upload = sent.value.json()
    assert (upload["kind"], upload["has_sound"], upload["name"][:9]) == ("sound", True, "recording")
    assert 1 < upload["duration_s"] < 4
    assert body_of(found)[0]["find"] == "image"
    desk.settled()


def test_a_recording_that_is_cancelled_sends_nothing(desk):
    sent = []
    desk.page.on("request", lambda request: sent.append(request) if "/v1/uploads" in request.url else None)
    desk.page.keyboard.press("r")
    desk.page.wait_for_selector("#recorder[open]")
    desk.page.keyboard.press("Escape")
    desk.page.wait_for_selector("#recorder:not([open])", state="attached")
    assert sent == []


def test_a_microphone_that_is_denied_is_said(open_desk, server):
    desk = open_desk(server)
    desk.page.evaluate(
        """() => {
          const refuse = async () => { throw new DOMException("no", "NotAllowedError"); };
          navigator.mediaDevices.getUserMedia = refuse;
        }"""
    )
    desk.button("Record").click()
    desk.page.wait_for_selector(".notice")
    assert "Allow it beside the page's address" in desk.find(".notice").inner_text()


def test_a_crop_with_the_mouse_asks_with_that_part(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    desk.button("Crop").click()
    box = desk.find("#stage .crop").bounding_box()
    with desk.search() as found:
        desk.page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.5 * box["height"])
        desk.page.mouse.down()
        desk.page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.9 * box["height"])
        desk.page.mouse.up()
    assert body_of(found)[0]["terms"][0]["crop"] == pytest.approx([0.25, 0.5, 0.75, 0.9], abs=0.01)
    assert desk.find("#terms .note").inner_text() == "part of a picture"


def test_a_crop_with_the_keyboard_and_back_to_the_whole(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    desk.button("Crop").click()
    assert desk.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Left edge, percent"
    with desk.search(lambda term: term["crop"] == [0.06, 0.05, 1, 1]):
        for key in ["Shift+ArrowRight", "ArrowRight", "Tab", "Shift+ArrowDown"]:
            desk.page.keyboard.press(key)
    with desk.search(lambda term: term["crop"] is None):
        for key in ["Shift+ArrowUp", "Shift+Tab", "Shift+ArrowLeft", "Shift+ArrowLeft"]:
            desk.page.keyboard.press(key)


def test_a_stretch_of_a_film_is_chosen_with_the_keyboard(film):
    with film.search(lambda term: (term["start_s"], term["end_s"]) == (0.1, 2)):
        film.find(".scrubber").get_by_text("Stretch").click()
        start, end = film.find(".thumb.start_s"), film.find(".thumb.end_s")
        end.focus()
        film.page.keyboard.press("Shift+ArrowLeft")
        start.focus()
        film.page.keyboard.press("ArrowRight")
    assert (start.get_attribute("aria-valuetext"), end.get_attribute("aria-valuetext")) == ("0:00.1", "0:02.0")


def test_a_moment_of_a_film_is_chosen_with_the_mouse_and_shown(film):
    track = film.find(".scrubber .track").bounding_box()
    seen = "**/thumbnail?at_s=1.5*"
    with film.page.expect_response(seen), film.search() as found:
        film.page.mouse.click(track["x"] + track["width"] / 2, track["y"] + 10)
    term = body_of(found)[0]["terms"][0]
    assert term["start_s"] == pytest.approx(1.5, abs=0.02)
    assert term["end_s"] is None


def test_a_time_can_be_typed(film):
    film.find(".scrubber").get_by_text("Frame").click()
    with film.search(lambda term: term["start_s"] == 2.5):
        field = film.page.get_by_label("From, as minutes:seconds")
        field.fill("0:02.5")
        field.press("Enter")
    field.fill("soon")
    field.press("Enter")
    assert field.get_attribute("aria-invalid") == "true"


def test_a_film_asks_with_its_picture_or_its_sound(film):
    with film.search() as found:
        film.find(".sides label").nth(1).click()
    assert body_of(found)[0]["terms"][0]["by"] == "audio"
    with film.search() as found:
        film.find(".sides label").nth(0).click()
    assert body_of(found)[0]["terms"][0]["by"] == "image"


def test_what_asks_can_be_heard(film):
    film.button("Listen to what asks").click()
    film.until("document.querySelector('#stage audio')?.currentTime > 0.1")
    film.button("Listen to what asks").click()
    film.page.wait_for_selector("#stage audio", state="detached")


def test_terms_are_added_weighed_turned_and_removed(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    with desk.search() as found:
        desk.cards.nth(0).get_by_role("button", name="Subtract: less of this").click()
    assert [term["weight"] for term in body_of(found)[0]["terms"]] == [1, -1]
    desk.settled()
    with desk.search() as found:
        desk.find(".term.is-minus").get_by_role("slider").press("ArrowRight")
    assert body_of(found)[0]["terms"][1]["weight"] == pytest.approx(-1.1)
    with desk.search() as found:
        desk.button("Less of this; press for more of it").click()
    assert body_of(found)[0]["terms"][1]["weight"] == pytest.approx(1.1)
    with desk.search() as found:
        desk.find(".term .remove").nth(1).click()
    assert len(body_of(found)[0]["terms"]) == 1


def test_a_file_dropped_on_less_of_asks_against_it(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    with desk.search() as found:
        desk.drop(asked / "third.wav", on=".target.minus")
    assert [term["weight"] for term in body_of(found)[0]["terms"]] == [1, -1]


def test_several_files_ask_together(desk, asked):
    desk.drop(asked / "still.png", asked / "third.wav")
    desk.until("document.querySelectorAll('.term').length === 2")
    desk.settled()


def test_only_what_hits_should_be_unlike_cannot_ask(desk, asked):
    desk.choose(asked / "still.png")
    with desk.search():
        desk.drop(asked / "third.wav", on=".target.minus")
    desk.find(".term .remove").nth(0).click()
    assert "should be like" in desk.find("#state").inner_text()


def test_a_reload_asks_the_same_again(desk, asked):
    desk.choose(asked / "third.wav")
    with desk.search():
        desk.page.keyboard.press("s")
    desk.settled()
    names, address = desk.names, desk.page.url
    with desk.search():
        desk.page.reload()
    desk.settled()
    assert (desk.names, desk.page.url, direction(desk)) == (names, address, "audio")
    assert desk.find("#terms .name").inner_text() == "third.wav"


def test_the_back_button_brings_the_query_before(desk, asked):
    desk.choose(asked / "third.wav")
    desk.settled()
    with desk.search() as found:
        desk.cards.nth(1).get_by_role("button", name="More like this").click()
    before = body_of(found)[0]
    with desk.search() as found:
        desk.page.go_back()
    assert "upload_id" in body_of(found)[0]["terms"][0]
    with desk.search() as found:
        desk.page.go_forward()
    assert body_of(found)[0] == before
    desk.find("#home").click()
    desk.until("document.body.classList.contains('is-empty')")
    assert desk.cards.count() == 0


def test_the_address_of_a_query_by_moment_is_enough_for_another_browser(open_desk, server, desk, asked):
    desk.choose(asked / "third.wav")
    desk.settled()
    with desk.search():
        desk.cards.nth(1).get_by_role("button", name="More like this").click()
    desk.settled()
    path = desk.page.url.removeprefix(server.url)
    other = open_desk(server, path=path)
    other.settled()
    assert other.names == desk.names
    assert other.find("#terms .name").inner_text() == desk.find("#terms .name").inner_text()


def test_a_file_that_the_server_forgot_is_sent_again(desk, asked, server):
    desk.choose(asked / "still.png")
    desk.settled()
    forget(desk, server)
    with desk.page.expect_response(lambda it: it.url.endswith("/v1/uploads")):
        desk.page.keyboard.press("p")
    desk.until("document.querySelector('#results-title').textContent.endsWith('pictures')")
    desk.settled()


def test_after_a_reload_a_file_that_the_server_forgot_is_asked_for(desk, asked, server):
    desk.choose(asked / "still.png")
    desk.settled()
    forget(desk, server)
    with desk.search():
        desk.page.reload()
    desk.page.wait_for_selector("#state:not([hidden])")
    assert "drop it again" in desk.find("#state").inner_text()


def forget(desk, server):
    """Let the server forget the upload that the address names."""
    (upload_id,) = re.findall(r"upload:([\w-]+)", unquote(desk.page.url))
    assert server.client.delete(f"/v1/uploads/{upload_id}").status_code == 204


def test_a_superseded_question_is_taken_back(desk, asked):
    """Of two directions pressed in a moment, the one pressed last is shown, and the other is given up."""
    desk.choose(asked / "still.png")
    desk.settled()
    given_up = []
    desk.page.on("requestfailed", lambda request: given_up.append(request.url))
    desk.page.evaluate("for (const it of ['image', 'audio']) document.querySelector(`#find [value=${it}]`).click()")
    desk.until("document.querySelector('#results-title').textContent.endsWith('sounds')")
    desk.settled()
    assert any(url.endswith("/v1/search") for url in given_up)


def test_of_a_long_sound_the_beginning_asks_first(desk, tmp_path):
    with desk.search() as found:
        desk.page.set_input_files("#file", write_wav(tmp_path / "long.wav", tones(31)))
    assert [(it["start_s"], it["end_s"]) for it in body_of(found)[0]["terms"]] == [(0, 10)]
