"""Filters and options narrow what is found; what cannot be understood is said where it was typed."""

import pytest

from tests.web.browser.desk import body_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def desk(desk, asked):
    """Pictures like a still have been found, and the filters are open."""
    desk.choose(asked / "still.png")
    with desk.search():
        desk.find("#find").get_by_text("Pictures").click()
    desk.settled()
    desk.page.keyboard.press("f")
    return desk


def filtered(desk, act):
    """What is asked and shown after a filter was set."""
    with desk.search() as found:
        act()
    query, answer = body_of(found)
    desk.until("!document.querySelector('.results').hasAttribute('aria-busy')")
    assert desk.names == [hit["name"] for hit in answer["hits"]]
    return query["where"], desk.names


def field(desk, name):
    return desk.find(f"#filters-form [name={name}]")


def test_by_kind(desk):
    where, names = filtered(desk, lambda: field(desk, "kind").nth(2).check())
    assert (where, names) == ("kind='picture'", ["noise.png"])
    where, names = filtered(desk, lambda: field(desk, "kind").nth(0).check())
    assert len(names) == 5
    assert where == "(kind='video' or kind='picture')"


def test_by_label(desk):
    labels = desk.find("#labels-list label")
    assert labels.all_inner_texts() == ["bell", "drum", "metal"]
    where, names = filtered(desk, lambda: labels.nth(2).click())
    assert (where, names) == ("label='metal'", ["bell.mp4"])
    where, names = filtered(desk, lambda: labels.nth(1).click())
    assert names == ["drum.mp4", "bell.mp4"]


def test_by_length(desk):
    where, names = filtered(desk, lambda: type_in(field(desk, "from"), "3.5"))
    assert (where, names) == ("duration>='3.5'", ["tones.mp4"])
    field(desk, "to").fill("a while")
    field(desk, "to").press("Enter")
    assert field(desk, "to").get_attribute("aria-invalid") == "true"


def test_by_path_in_the_name_and_in_a_folder(desk, clips):
    _, names = filtered(desk, lambda: type_in(field(desk, "path"), "ru"))
    assert names == ["drum.mp4"]
    _, names = filtered(desk, lambda: type_in(field(desk, "path"), clips.name))
    assert len(names) == 5
    _, names = filtered(desk, lambda: type_in(field(desk, "path"), "<img*.mp4"))
    assert len(names) == 1


def test_by_the_language_of_filters(desk):
    where, names = filtered(desk, lambda: type_in(field(desk, "where"), "width>=300 or label=bell"))
    assert (where, sorted(names)) == ("width>=300 or label=bell", ["bell.mp4", "tones.mp4"])
    where, names = filtered(desk, lambda: field(desk, "label").nth(0).check())
    assert (where, names) == ("(width>=300 or label=bell) and label='bell'", ["bell.mp4"])


def test_a_filter_that_cannot_be_understood_is_said_beneath_it_with_its_place(desk):
    filtered(desk, lambda: field(desk, "kind").nth(0).check())
    shown = desk.names
    with desk.search() as found:
        type_in(field(desk, "where"), "label=bell and colour=red")
    assert found.value.status == 422
    desk.until("document.querySelector('#where-error').textContent !== ''")
    error = desk.find("#where-error").inner_text()
    assert "character 16" in error  # where "colour" begins, in what was typed
    assert "'colour' is no field" in error
    assert field(desk, "where").get_attribute("aria-invalid") == "true"
    assert desk.names == shown
    with desk.search():
        type_in(field(desk, "where"), "label=bell")
    desk.until("document.querySelector('#where-error').textContent === ''")


def test_filters_are_shown_as_chips_that_take_them_away(desk):
    filtered(desk, lambda: field(desk, "label").nth(0).check())
    _, names = filtered(desk, lambda: field(desk, "kind").nth(1).check())
    assert names == []
    assert "take a filter away" in desk.find("#state").inner_text()
    assert desk.find("#filters-count").inner_text() == "2"
    _, names = filtered(desk, lambda: desk.button("Remove the filter sound").click())
    assert names == ["bell.mp4"]
    filtered(desk, lambda: desk.button("Clear filters").click())
    assert desk.find(".chosen-one").count() == 0
    assert not field(desk, "label").nth(0).is_checked()


def test_filters_stay_after_a_reload(desk):
    filtered(desk, lambda: field(desk, "label").nth(0).check())
    with desk.search() as found:
        desk.page.reload()
    assert body_of(found)[0]["where"] == "label='bell'"
    desk.settled()
    desk.find("#filters summary").click()
    assert field(desk, "label").nth(0).is_checked()


def test_several_hits_of_one_file_and_a_least_score(desk):
    desk.find("#options summary").click()
    with desk.search() as found:
        type_in(desk.find("[name=per_media]"), "5")
    query, answer = body_of(found)
    assert query["per_media"] == 5
    scores = [hit["score"] for hit in answer["hits"]]
    with desk.search() as found:
        type_in(desk.find("[name=min_score]"), str(scores[1]))
    query, answer = body_of(found)
    assert query["min_score"] == scores[1]
    assert [hit["score"] for hit in answer["hits"]] == scores[:2]


def test_where_nothing_is_found_the_hint_names_what_leaves_it_out(desk):
    def without_hits(route):
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"hits": []})

    desk.page.route("**/v1/search", without_hits)
    desk.find("#options summary").click()

    def hint_after(act):
        with desk.search():
            act()
        desk.until("!document.querySelector('.results').hasAttribute('aria-busy')")
        return desk.find("#state").inner_text()

    assert "let in the one asked with" in hint_after(lambda: type_in(desk.find("[name=per_media]"), "2"))
    assert "no moments of this kind" in hint_after(lambda: desk.find("[name=exclude_self]").uncheck())
    assert "lowest score" in hint_after(lambda: type_in(desk.find("[name=min_score]"), "0.5"))


def type_in(field, text):
    field.fill(text)
    field.press("Enter")
