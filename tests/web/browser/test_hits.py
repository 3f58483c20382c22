"""Hits sound from their second, open at it, lead on to others, and show what makes the sound."""

import re
from urllib.parse import unquote

import pytest

from tests.web.browser.conftest import HOSTILE_NAME
from tests.web.browser.desk import body_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AUDIO = "document.querySelector('.card audio')"
HEARD_HZ = """async () => {
  const audio = document.querySelector('.card audio');
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 16384;
  context.createMediaElementSource(audio).connect(analyser);
  await new Promise((resolve) => setTimeout(resolve, 450));
  const levels = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  return (loudest * context.sampleRate) / analyser.fftSize;
}"""


@pytest.fixture
def sounds(desk, asked):
    """The sounds that are like the third second of tones.mp4."""
    desk.choose(asked / "third.wav")
    with desk.search():
        desk.find("#find").get_by_text("Sounds").click()
    return desk.settled()


@pytest.fixture
def pictures(desk, asked):
    """The pictures that are like a frame of drum.mp4."""
    desk.choose(asked / "still.png")
    with desk.search():
        desk.find("#find").get_by_text("Pictures").click()
    return desk.settled()


def playing_since(desk):
    """The time at which the sound of a card is, once it plays."""
    desk.until(f"{AUDIO} && !{AUDIO}.paused && {AUDIO}.readyState >= 3 && {AUDIO}.currentTime > 0")
    return desk.page.evaluate(f"{AUDIO}.currentTime")


def test_a_dropped_picture_is_answered_with_sounds_and_the_first_plays_from_its_second(desk, asked):
    with desk.search() as found:
        desk.drop(asked / "still.png")
    query, answer = body_of(found)
    assert query["find"] == "audio"
    desk.settled()
    first = answer["hits"][0]
    assert desk.names == [hit["name"] for hit in answer["hits"]]
    desk.cards.first.locator(".play").click()
    assert first["start_s"] <= playing_since(desk) < first["start_s"] + 3


def test_what_is_heard_is_the_second_that_was_found(sounds):
    """The query is the third second of a file whose second k is a tone of 300 (k + 1) Hz."""
    assert sounds.names[0] == "tones.mp4"
    assert sounds.cards.first.locator(".when").inner_text() == "0:02.0"
    sounds.cards.first.locator(".play").click()
    assert playing_since(sounds) >= 2
    assert sounds.page.evaluate(HEARD_HZ) == pytest.approx(900, abs=6)


def test_the_sound_starts_when_the_mouse_rests_on_a_hit_and_ends_when_it_leaves(sounds):
    sounds.cards.first.locator(".thumbnail").hover()
    assert playing_since(sounds) >= 2
    sounds.find("#results-title").hover()
    sounds.page.wait_for_selector(".card audio", state="detached")


def test_no_sound_starts_under_the_mouse_when_that_is_switched_off(sounds):
    sounds.button("Sound on hover").click()
    sounds.cards.first.locator(".thumbnail").hover()
    sounds.page.wait_for_timeout(800)
    assert sounds.find(".card audio").count() == 0


def test_one_hit_sounds_at_a_time(sounds):
    sounds.button("Sound on hover").click()
    sounds.cards.nth(0).locator(".play").click()
    playing_since(sounds)
    sounds.cards.nth(1).locator(".play").click()
    sounds.page.wait_for_selector(".card:nth-child(2) audio", state="attached")
    assert sounds.find(".card audio").count() == 1


def test_a_click_on_the_outline_plays_from_there(sounds):
    sounds.button("Sound on hover").click()
    strip = sounds.cards.first.locator(".strip")
    width = strip.bounding_box()["width"]
    strip.click(position={"x": width * 0.75, "y": 10})
    assert 2.5 < playing_since(sounds) < 4


def test_space_plays_the_focused_hit_and_stops_it(sounds):
    sounds.page.keyboard.press("g")
    sounds.page.keyboard.press("Space")
    assert playing_since(sounds) >= 2
    sounds.page.keyboard.press("Space")
    sounds.page.wait_for_selector(".card audio", state="detached")


def test_a_number_key_plays_that_hit(sounds):
    sounds.page.keyboard.press("2")
    sounds.page.wait_for_selector(".card:nth-child(2).is-playing")
    assert sounds.find(".card:nth-child(1) audio").count() == 0


def test_a_video_opens_at_its_moment_and_plays(sounds):
    sounds.cards.first.locator(".open").click()
    video = "document.querySelector('#viewer video')"
    sounds.until(f"{video} && {video}.currentTime >= 2 && !{video}.error")
    assert sounds.find("#viewer-title").inner_text() == "tones.mp4"
    assert "0:02.0" in sounds.find("#viewer .clock").inner_text()
    sounds.until("document.querySelector('#viewer').innerText.includes('320 \u00d7 240')")
    sounds.page.keyboard.press("Escape")
    sounds.page.wait_for_selector("#viewer video", state="detached")
    assert sounds.page.evaluate(
        "document.activeElement.closest('.card').dataset.moment"
    ) == sounds.cards.first.get_attribute("data-moment")


def test_the_viewer_goes_from_hit_to_hit(sounds):
    names = sounds.names
    sounds.cards.first.locator(".open").click()
    sounds.button("Next hit", "#viewer").click()
    assert sounds.find("#viewer-title").inner_text() == names[1]
    sounds.page.keyboard.press("PageUp")
    assert sounds.find("#viewer-title").inner_text() == names[0]
    assert sounds.button("Previous hit", "#viewer").is_disabled()


def test_a_picture_opens_as_it_is(pictures):
    card = pictures.card("noise.png")
    card.locator(".open").click()
    pictures.until("document.querySelector('#viewer img.whole')?.naturalWidth === 90")


def test_a_sound_without_a_picture_opens_with_its_player(sounds):
    sounds.card("rain.wav").locator(".open").click()
    player = "document.querySelector('#viewer audio')"
    sounds.until(f"{player} && {player}.readyState >= 2")
    sounds.until("document.querySelectorAll('#viewer .track path').length === 2")


def test_more_like_this_asks_with_the_moment_and_leaves_its_file_out(sounds):
    moment = sounds.cards.nth(1).get_attribute("data-moment")
    name = sounds.names[1]
    with sounds.search() as found:
        sounds.cards.nth(1).get_by_role("button", name="More like this").click()
    query, answer = body_of(found)
    assert query["terms"] == [{"moment_id": moment, "weight": 1}]
    assert query["find"] == "audio"
    sounds.settled()
    assert name not in sounds.names
    assert len(answer["hits"]) == len(sounds.names) > 0


def test_the_file_asked_with_is_shown_if_one_wants_that(sounds):
    with sounds.search():
        sounds.cards.nth(1).get_by_role("button", name="More like this").click()
    sounds.settled()
    sounds.find("#options summary").click()
    with sounds.search() as found:
        sounds.page.get_by_label("Leave out the media asked with").uncheck()
    _, answer = body_of(found)
    assert answer["hits"][0]["score"] == pytest.approx(1, abs=1e-4)


def test_a_hit_dragged_onto_the_drop_zone_is_the_next_query(sounds):
    moment = sounds.cards.nth(1).get_attribute("data-moment")
    box = sounds.cards.nth(1).locator(".name").bounding_box()
    sounds.page.mouse.move(box["x"] + 10, box["y"] + 5)
    sounds.page.mouse.down()
    sounds.page.mouse.move(640, 300, steps=5)
    sounds.page.wait_for_selector(".target")
    zone = sounds.find(".target.plus").bounding_box()
    sounds.page.mouse.move(zone["x"] + zone["width"] / 2, zone["y"] + zone["height"] / 2, steps=5)
    with sounds.search() as found:
        sounds.page.mouse.up()
    query, _ = body_of(found)
    assert [term.get("moment_id") for term in query["terms"]] == [None, moment]
    assert [term["weight"] for term in query["terms"]] == [1, 1]


def test_more_hits_are_put_behind_those_that_are_shown(open_desk, server, asked):
    desk = open_desk(server, pages_of=2)
    desk.choose(asked / "third.wav")
    with desk.search():
        desk.find("#find").get_by_text("Sounds").click()
    desk.settled()
    assert desk.cards.count() == 2
    first = desk.cards.first.element_handle()
    with desk.search():
        desk.button("Show more").click()
    desk.until("document.querySelectorAll('.card').length === 4")
    assert first.evaluate("card => card.isConnected")  # what was there has stayed
    assert len(set(desk.names)) == 4


def test_the_heat_map_of_a_hits_sound_lies_over_the_picture_asked_with(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    with desk.page.expect_response(lambda it: "/v1/heatmap" in it.url) as found:
        desk.button("Heat map").click()
    moment = desk.cards.first.get_attribute("data-moment")
    assert unquote(found.value.url).endswith(f"sound=moment:{moment}")
    view = desk.find("#stage .view")
    assert view.locator(".heat-map").evaluate("it => it.decode().then(() => it.naturalWidth)") > 0
    assert view.locator(".heat-map").bounding_box() == view.locator(".asked-picture").bounding_box()
    assert re.search(r"at most 0\.\d\d", desk.find(".heat-caption").inner_text())
    desk.button("Heat map").click()
    assert desk.find(".heat-map").count() == 0


def test_the_ring_stands_where_the_server_says_that_the_map_is_highest(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    with desk.page.expect_response(lambda it: "/v1/heatmap" in it.url) as found:
        desk.button("Heat map").click()
    x, y, _ = map(float, found.value.headers["x-peak"].split(","))
    desk.page.wait_for_selector("#stage .ring")
    ring, view = (desk.find(it).bounding_box() for it in ("#stage .ring", "#stage .view"))
    assert ring["x"] + ring["width"] / 2 == pytest.approx(view["x"] + x * view["width"], abs=1.5)
    assert ring["y"] + ring["height"] / 2 == pytest.approx(view["y"] + y * view["height"], abs=1.5)


def test_heat_maps_of_the_sound_asked_with_lie_over_the_hits(desk, asked):
    desk.choose(asked / "third.wav")
    desk.settled()
    assert desk.find("#find [value=image]").is_checked()
    with desk.page.expect_response(lambda it: "/v1/heatmap" in it.url) as found:
        desk.button("Heat map").click()
    assert re.search(r"picture=moment:\d+:image:\d+&sound=upload:[^@]+@0", unquote(found.value.url))
    desk.until("document.querySelectorAll('.card .heat-map').length === document.querySelectorAll('.card').length")
    assert desk.find(".card .peak").count() == desk.cards.count()


def test_a_library_without_a_localizer_says_which_command_adds_one(own_server, open_desk, asked):
    with own_server() as server:
        desk = open_desk(server)
        desk.choose(asked / "still.png")
        desk.settled()
        desk.button("Heat map").click()
        assert "avsearch library set-localizer" in desk.find(".notice").inner_text()
        assert desk.button("Heat map").get_attribute("aria-pressed") == "false"
        desk.find(".notice").get_by_role("button", name="Copy the command").last.click()
        assert "set-localizer" in desk.page.evaluate("navigator.clipboard.readText()")


def test_a_hostile_name_is_shown_and_does_nothing(pictures):
    card = pictures.card("<img src=x")
    assert card.locator(".name").inner_text() == HOSTILE_NAME
    card.locator(".open").click()
    assert pictures.find("#viewer-title").inner_text() == HOSTILE_NAME
    pictures.page.keyboard.press("Escape")
    with pictures.search():
        card.get_by_role("button", name="More like this").click()
    pictures.settled()
    assert pictures.find("#terms .name").inner_text() == HOSTILE_NAME
    assert HOSTILE_NAME in pictures.page.title()
    assert pictures.page.locator("img[src='x']").count() == 0


def test_a_hit_is_copied_as_the_shell_takes_it(sounds, clips):
    sounds.page.keyboard.press("g")
    sounds.page.keyboard.press("c")
    sounds.page.wait_for_selector(".toast")
    assert sounds.page.evaluate("navigator.clipboard.readText()") == f"{clips / 'tones.mp4'}@2"
    sounds.page.keyboard.press("Shift+C")
    sounds.until("document.querySelector('.toast').textContent.endsWith('.mp4')")
    assert sounds.page.evaluate("navigator.clipboard.readText()") == str(clips / "tones.mp4")


def test_the_hits_are_saved_as_a_playlist(sounds, clips):
    with sounds.page.expect_download() as saved:
        sounds.button("Playlist").click()
    assert saved.value.suggested_filename.endswith(".m3u8")
    lines = saved.value.path().read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[1:5] == [
        "#EXTINF:2.000,tones.mp4",
        "#EXTVLCOPT:start-time=2",
        "#EXTVLCOPT:stop-time=4",
        f"file://{clips}/tones.mp4",
    ]
    assert any(unquote(line).endswith(HOSTILE_NAME) for line in lines)
