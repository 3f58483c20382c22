"""The files of the page keep what its policy and its reviewers rely on; no browser is needed for that."""

import re
from html.parser import HTMLParser
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "avsearch" / "web" / "page"
INDEX = (FOLDER / "index.html").read_text("utf-8")
STYLE = (FOLDER / "style.css").read_text("utf-8")
MODULES = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.js"))}
MAX_LINES = 200
UNSAFE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|javascript:"
)


class Tags(HTMLParser):
    """All tags of a page with their attributes, and the text inside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] in {"script", "style"}:
            self.inline += data.strip()


TAGS = Tags(INDEX).tags


def test_nothing_is_inline():
    assert Tags(INDEX).inline == ""
    assert [
        tag
        for tag, attributes in TAGS
        if "style" in attributes or any(name.startswith("on") for name in attributes)
    ] == []


def test_every_resource_is_a_file_of_the_page():
    named = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in TAGS
        if tag in {"script", "link", "img"}
    ]
    assert len(named) > 3
    assert [
        it for it in named if not (it.startswith("/static/") and (FOLDER / it.removeprefix("/static/")).is_file())
    ] == []
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert not re.search(
        r"https?://", INDEX + STYLE + "".join(MODULES.values()).replace("http://www.w3.org/2000/svg", "")
    )


def test_modules_are_small_and_build_no_markup_of_text():
    assert [name for name, text in MODULES.items() if len(text.splitlines()) > MAX_LINES] == []
    assert [(name, UNSAFE.findall(text)) for name, text in MODULES.items() if UNSAFE.search(text)] == []


EXPORTS = {
    name: set(re.findall(r"^export (?:async )?(?:function|const|let|class) (\w+)", text, re.MULTILINE))
    for name, text in MODULES.items()
}


def test_every_export_is_used_elsewhere():
    text_of_others = {name: "".join(text for other, text in MODULES.items() if other != name) for name in MODULES}
    exported = [(name, one) for name, names in EXPORTS.items() for one in names]
    assert [it for it in exported if not re.search(rf"\b{it[1]}\b", text_of_others[it[0]])] == []


def test_every_import_names_an_export_of_a_module_that_is_there():
    wrong = [
        (name, one, source)
        for name, text in MODULES.items()
        for names, source in re.findall(r'^import \{([^}]*)\} from "\./([\w.]+)";', text, re.MULTILINE)
        for one in (it.strip() for it in names.split(","))
        if one not in EXPORTS.get(source, ())
    ]
    assert wrong == []


def test_every_import_is_used():
    unused = [
        (name, one)
        for name, text in MODULES.items()
        for names in re.findall(r"^import (?:\{([^}]*)\}|\* as \w+) from", text, re.MULTILINE)
        for one in filter(None, (it.strip() for it in names.split(",")))
        if len(re.findall(rf"\b{one}\b", text)) < 2
    ]
    assert unused == []


def test_every_module_is_loaded_ahead():
    """Else the browser finds them one after the other, a round trip for each level."""
    ahead = {
        attributes["href"].removeprefix("/static/")
        for tag, attributes in TAGS
        if attributes.get("rel") == "modulepreload"
    }
    assert ahead == set(MODULES) - {"app.js", "theme.js"}


def test_every_element_and_drawing_that_a_module_names_is_in_the_page():
    ids = {attributes["id"] for _, attributes in TAGS if "id" in attributes}
    text = "".join(MODULES.values())
    made = set(re.findall(r'id: "([\w-]+)"', text))
    assert set(re.findall(r'byId\("([\w-]+)"\)', text)) - ids - made == set()
    drawings = re.findall(r'(?:icon|iconButton|setIcon|button|turn)\("([a-z]+)"', text) + re.findall(
        r'"#i-([a-z]+)"', INDEX
    )
    assert {name for name in drawings if f"i-{name}" not in ids} == set()
