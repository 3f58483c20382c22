"""The page in light and dark, on a phone, with the keyboard alone; axe finds nothing serious in any state of it."""

import pytest

from tests.web.browser.conftest import missing

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
SCHEMES = ["light", "dark"]
FOCUSED_CARD = "[...document.querySelectorAll('.card')].indexOf(document.activeElement.closest('.card'))"


def violations(desk):
    """What axe-core holds for serious or critical, in what is shown now."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ModuleNotFoundError:
        missing("axe-playwright-python is not installed")
    desk.page.wait_for_timeout(400)  # animations have ended
    found = Axe().run(desk.page).response["violations"]
    return [
        (rule["id"], node["target"], node.get("failureSummary"))
        for rule in found
        if rule["impact"] in {"serious", "critical"}
        for node in rule["nodes"]
    ]


def overflow(desk):
    """By how much the page is wider than the window, in pixels."""
    return desk.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_from_the_empty_page_to_the_viewer(open_desk, server, asked, scheme):
    desk = open_desk(server, color_scheme=scheme)
    assert violations(desk) == []
    desk.choose(asked / "film.mp4")
    desk.settled()
    desk.button("Heat map").click()
    desk.page.wait_for_selector("#stage .ring")
    assert violations(desk) == []
    desk.cards.nth(1).get_by_role("button", name="Subtract: less of this").click()
    desk.find("#filters summary").click()
    desk.find("#options summary").click()
    desk.find("[name=where]").fill("nonsense")
    desk.find("[name=where]").press("Enter")
    desk.until("document.querySelector('#where-error').textContent !== ''")
    assert violations(desk) == []
    desk.cards.first.locator(".open").click()
    desk.until("document.querySelector('#viewer .ring, #viewer .viewer-heat .note')")
    assert violations(desk) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_serious_in_the_dialogs_and_notices(open_desk, server, asked, scheme):
    desk = open_desk(server, color_scheme=scheme)
    for opened in ("l", "?", "r"):
        desk.page.keyboard.press(opened)
        desk.page.wait_for_selector("dialog[open]")
        assert violations(desk) == []
        desk.page.keyboard.press("Escape")
        desk.page.wait_for_selector("dialog[open]", state="detached")
    desk.button("Settings").click()
    desk.drop(asked / "letter.png")
    desk.page.wait_for_selector(".notice")
    assert violations(desk) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_on_a_phone_nothing_is_wider_than_the_window_and_axe_is_content(open_desk, server, asked, scheme):
    desk = open_desk(server, color_scheme=scheme, **PHONE)
    assert overflow(desk) == 0
    desk.choose(asked / "film.mp4")
    desk.settled()
    desk.find(".scrubber").get_by_text("Stretch").click()
    desk.settled()
    assert overflow(desk) == 0
    assert violations(desk) == []
    desk.cards.first.locator(".open").tap()
    desk.page.wait_for_selector("#viewer[open]")
    assert overflow(desk) == 0
    box = desk.find("#viewer").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    assert violations(desk) == []
    desk.button("Close", "#viewer").tap()
    desk.find("#library-open").tap()
    desk.page.wait_for_selector("#library[open]")
    assert overflow(desk) == 0


def test_on_a_phone_a_tap_plays(open_desk, server, asked):
    desk = open_desk(server, **PHONE)
    desk.choose(asked / "still.png")
    desk.settled()
    desk.cards.first.locator(".play").tap()
    desk.until("document.querySelector('.card audio')?.currentTime > 0")


def test_targets_on_a_phone_are_large_enough(open_desk, server, asked):
    """24 pixels are the least of WCAG 2.2 AA."""
    desk = open_desk(server, **PHONE)
    desk.choose(asked / "film.mp4")
    desk.settled()
    sizes = desk.page.evaluate(
        """() => [...document.querySelectorAll("button, summary, [role=slider], .switch label")].map((it) => {
             const { width, height } = it.getBoundingClientRect();
             return [it.getAttribute("aria-label") ?? it.textContent, width, height];
           })"""
    )
    shown = [size for size in sizes if size[1]]
    assert len(shown) > 20
    assert [size for size in shown if min(size[1:]) < 24] == []


def background(desk):
    return desk.page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_the_page_follows_the_system_until_a_theme_is_chosen(open_desk, server):
    desk = open_desk(server, color_scheme="dark")
    dark = background(desk)
    desk.page.emulate_media(color_scheme="light")
    light = background(desk)
    assert dark != light
    desk.button("Settings").click()
    desk.find("#settings").get_by_text("Dark").click()
    assert background(desk) == dark
    desk.page.reload()
    assert background(desk) == dark
    desk.button("Settings").click()
    desk.find("#settings").get_by_text("System").click()
    assert background(desk) == light


def test_the_keyboard_alone_suffices(open_desk, server, asked):
    """From an empty page to a hit that opens and leads on, without a mouse."""
    desk = open_desk(server)
    press = desk.page.keyboard.press
    press("o")
    with desk.search():
        desk.chooser().set_files(asked / "still.png")
    with desk.search():
        press("p")
    desk.settled()
    for key, at in [
        ("g", 0),
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 4),
        ("ArrowRight", 4),
    ]:
        press(key)
        assert focused_card(desk) == at
    for key in ["Home", "Enter", "n", "Escape"]:  # open the first, go to the next, close
        press(key)
    desk.until(f"{FOCUSED_CARD} === 1")
    with desk.search():
        press("m")
    desk.until(f"{FOCUSED_CARD} >= 0")
    with desk.search():
        press("+")
    desk.settled()
    assert desk.find(".term").count() == 2


def focused_card(desk):
    return desk.page.evaluate(FOCUSED_CARD)


def test_arrows_go_up_and_down_by_rows(open_desk, server, asked):
    desk = open_desk(server, viewport={"width": 900, "height": 800})
    desk.choose(asked / "still.png")
    desk.settled()
    tops = desk.page.evaluate("[...document.querySelectorAll('.card')].map((card) => card.offsetTop)")
    columns = tops.count(tops[0])
    assert 1 < columns < len(tops)
    desk.page.keyboard.press("g")
    desk.page.keyboard.press("ArrowDown")
    assert focused_card(desk) == columns
    desk.page.keyboard.press("ArrowUp")
    assert focused_card(desk) == 0


def test_the_tab_key_reaches_the_buttons_of_one_card_only(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    desk.page.keyboard.press("g")
    for _ in range(12):
        desk.page.keyboard.press("Tab")
        if focused_card(desk) < 0:
            break
        assert focused_card(desk) == 0
    assert focused_card(desk) < 0


def test_single_keys_can_be_switched_off(desk):
    desk.button("Settings").click()
    desk.page.get_by_label("Single keys are shortcuts").uncheck()
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("?")
    assert desk.find("dialog[open]").count() == 0


def test_every_key_of_the_help_is_there(desk):
    desk.page.keyboard.press("?")
    listed = set(desk.find("#help kbd").all_inner_texts())
    assert {"?", "O", "R", "P", "S", "H", "F", "L", "G", "M", "C", "N", "Space", "Enter"} <= listed


def test_those_who_listen_are_told_what_was_found(desk, asked):
    desk.choose(asked / "still.png")
    desk.settled()
    status = desk.find("#status")
    assert status.get_attribute("role") == "status"
    assert status.inner_text() == f"{desk.cards.count()} sounds found."


def test_nothing_jumps_when_pictures_and_outlines_come(desk, asked):
    """The layout shifts of the hits, as the browser itself measures them."""
    desk.page.evaluate(
        """() => {
          window.shifted = [];
          const isInCard = ({ node }) => node?.closest?.(".card");
          const note = ({ sources }) => window.shifted.push(...sources.filter(isInCard));
          new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type: "layout-shift" });
        }"""
    )
    desk.choose(asked / "still.png")
    desk.settled()
    desk.until("document.querySelectorAll('.card .wave').length >= 4")
    desk.page.wait_for_timeout(500)
    assert desk.page.evaluate("window.shifted.length") == 0


def test_reduced_motion_is_respected(open_desk, server, asked):
    desk = open_desk(server, reduced_motion="reduce")
    desk.choose(asked / "still.png")
    desk.settled()
    assert desk.page.evaluate("document.getAnimations().length") == 0
