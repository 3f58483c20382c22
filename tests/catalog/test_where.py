"""The language of filters: what a text means, and what is said about one that means nothing."""

import contextlib
import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avsearch.catalog.conditions import AllOf, AnyOf, Comparison, Not
from avsearch.catalog.fields import EQUALITY, ORDER, Field, Operator, Range
from avsearch.catalog.where import MAX_COMPARISONS, MAX_DEPTH, MAX_LENGTH, MAX_PATTERNS, parse_where
from avsearch.errors import UsageError

DRUM = Comparison(Field.LABEL, Operator.EQUAL, "drum")
LONG = Comparison(Field.DURATION, Operator.AT_LEAST, "10")
DRAFT = Comparison(Field.PATH, Operator.EQUAL, "**/drafts/**")


def fault(text):
    with pytest.raises(UsageError) as caught:
        parse_where(text)
    assert caught.value.message.endswith(".")
    assert len(caught.value.message) < 250
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("label=drum", DRUM),
        ("  LABEL = 'drum'\n", DRUM),
        ('label="drum"', DRUM),
        ("label=drum and duration>=10 and not path='**/drafts/**'", AllOf((DRUM, LONG, Not(DRAFT)))),
        ("label=drum or duration>=10 and path=**/drafts/**", AnyOf((DRUM, AllOf((LONG, DRAFT))))),
        ("(label=drum OR duration>=10) AnD path=**/drafts/**", AllOf((AnyOf((DRUM, LONG)), DRAFT))),
        ("not not label=drum", Not(Not(DRUM))),
        ("not label=drum or duration>=10", AnyOf((Not(DRUM), LONG))),
        ("not(label=drum)or(duration>=10)", AnyOf((Not(DRUM), LONG))),
        ("label=drum and (label=drum and duration>=10)", AllOf((DRUM, AllOf((DRUM, LONG))))),
        ("label=and", Comparison(Field.LABEL, Operator.EQUAL, "and")),
        ("label='it''s'", Comparison(Field.LABEL, Operator.EQUAL, "it's")),
        ('label="it\'s ""it"""', Comparison(Field.LABEL, Operator.EQUAL, 'it\'s "it"')),
        ("label='a (b) = c'", Comparison(Field.LABEL, Operator.EQUAL, "a (b) = c")),
        ("label!=sound", Comparison(Field.LABEL, Operator.UNEQUAL, "sound")),
        ("label='\u00e4 \u6f22 \U0001f941'", Comparison(Field.LABEL, Operator.EQUAL, "\u00e4 \u6f22 \U0001f941")),
    ],
)
def test_a_filter_is_read_as_written(text, meaning):
    assert parse_where(text) == meaning


def ns(*date):
    return int(datetime(*date, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("field", "text", "low", "high"),
    [
        (Field.DURATION, "10", 10_000_000, 10_000_001),
        (Field.DURATION, "0.25", 250_000, 250_001),
        (Field.DURATION, "90s", 90_000_000, 90_000_001),
        (Field.DURATION, "5M", 300_000_000, 300_000_001),
        (Field.DURATION, "1.5h", 5_400_000_000, 5_400_000_001),
        (Field.DURATION, "1:30:00", 5_400_000_000, 5_400_000_001),
        (Field.DURATION, "90:00.5", 5_400_500_000, 5_400_500_001),
        (Field.WIDTH, "1920", 1920, 1921),
        (Field.RESOLUTION, "720p", 720, 721),
        (Field.RESOLUTION, "1080P", 1080, 1081),
        (Field.RESOLUTION, "4K", 2160, 2161),
        (Field.RESOLUTION, "576", 576, 577),
        (Field.DATE, "2024-02-29", ns(2024, 2, 29), ns(2024, 3, 1)),
        (Field.DATE, "2024-05-01T10:30", ns(2024, 5, 1, 10, 30), ns(2024, 5, 1, 10, 31)),
        (Field.DATE, "2024-05-01 10:30:59z", ns(2024, 5, 1, 10, 30, 59), ns(2024, 5, 1, 10, 31)),
        (Field.DATE, "2024-05-01T01:30:00+02:00", ns(2024, 4, 30, 23, 30), ns(2024, 4, 30, 23, 30, 1)),
        (Field.DATE, "1970-01-01T00:00:00.5", 5 * 10**8, 5 * 10**8 + 1000),
        (Field.DATE, "0001-01-01", -(2**63) + 1, -(2**63) + 1),
        (Field.DATE, "9999-12-31", 2**63 - 1, 2**63 - 1),
        (Field.DATE, "0001-01-01T00:00:00+23:59", -(2**63) + 1, -(2**63) + 1),
    ],
)
def test_a_number_or_a_date_stands_for_a_range(field, text, low, high):
    assert Comparison(field, Operator.EQUAL, text).value == Range(low, high)


@pytest.mark.parametrize(
    ("text", "rate", "is_it"),
    [("29.97", 30000 / 1001, True), ("23.976", 24000 / 1001, True), ("24", 24000 / 1001, False), ("25", 25, True)],
)
def test_a_frame_rate_is_as_exact_as_people_write_it(text, rate, is_it):
    value = Comparison(Field.FPS, Operator.EQUAL, text).value
    assert (value.low <= rate < value.high) is is_it


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("lable=drum", 1, "'lable' is no field. Did you mean label? Fields are path, root, label, kind,"),
        ("label=drum and colour=red", 16, "'colour' is no field"),
        ("label<drum", 6, "an operator of label should come here. label takes = !=."),
        ("path >= /a", 6, "path takes = !=."),
        ("kind>video", 5, "kind takes = !=."),
        ("sound<=no", 6, "sound takes = !=."),
        ("duration", 9, "an operator of duration should come here. duration takes = != < <= > >=."),
        ("duration 10", 10, "an operator of duration"),
        ("duration==10", 10, "a value of duration should come here"),
        ("duration>=", 11, "a value of duration should come here"),
        ("duration>=ten", 11, "'ten' is no duration. A duration is written 10, 1.5, 90s"),
        ("duration>=-1", 11, "'-1' is no duration"),
        ("duration>=nan", 11, "'nan' is no duration"),
        ("duration>=1e9", 11, "'1e9' is no duration"),
        ("duration>=\u0661", 11, "is no duration"),
        ("duration>=1:90:00", 11, "is no duration"),
        ("duration>=0:75", 11, "is no duration"),
        ("duration=99999999999999999999", 10, "is no duration"),
        ("width=12.5", 7, "It is a whole number of pixels"),
        ("width=99999999999999999999", 7, "is no width"),
        ("resolution=hd", 12, "480p, 720p, 1080p, 4k"),
        ("fps=fast", 5, "It is a number of frames in a second"),
        ("date=yesterday", 6, "A date is written 2024-05-01"),
        ("date=2023-02-29", 6, "'2023-02-29' is no date"),
        ("date=2024-05-01T25:00", 6, "is no date"),
        ("date=0000-05-01", 6, "is no date"),
        ("date=20240501", 6, "is no date"),
        ("kind=film", 6, "A kind is video, sound or picture"),
        ("sound=maybe", 7, "The answer is yes or no"),
        ("path=drafts/*", 6, "A path begins with / or with **/"),
        ("path='/a\0b'", 6, "no NUL"),
        ("path='/\ud800'", 6, "half characters"),
        (f"path='/{'x' * 256}'", 6, "at most 255 bytes"),
        ("label=''", 7, "A text has at least one character"),
        ("(label=drum", 1, "this parenthesis is not closed"),
        ("label=drum or (duration>=10 and (label=x)", 15, "this parenthesis is not closed"),
        ("label=drum)", 11, "this parenthesis closes none"),
        ("label=drum ')'", 12, "and, or, or the end should come here"),
        ("(label=drum ')'", 1, "this parenthesis is not closed"),
        ("'('label=drum", 1, "a field should come here"),
        ("()", 2, "a field should come here"),
        ("label=drum and", 15, "a field should come here"),
        ("and label=drum", 1, "'and' is no field"),
        ("label=drum label=x", 12, "and, or, or the end should come here"),
        ("label=bass drum", 12, "and, or, or the end should come here"),
        ("'label'=drum", 1, "a field should come here"),
        ("label='drum", 7, "this text does not end"),
        ('label=drum and label="', 22, "this text does not end"),
        ("label=drum !", 12, "'!' means nothing here"),
        ("not", 4, "a field should come here"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_would_be_right(text, at, why):
    said = fault(text)
    assert f"at character {at}:" in said
    assert why in said


@pytest.mark.parametrize("text", ["", " \t\n"])
def test_an_empty_filter_is_a_fault_that_lists_the_fields(text):
    said = fault(text)
    assert "empty" in said
    assert all(field in said for field in Field)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "label=drum" + ")" * 10_000,
        "(" * 4000,
        "not " * 1000 + "label=drum",
        "not(" * 900,
        "label=drum and " * 270 + "label=drum",
        "path=/*or " * 60 + "path=/*",
        "label=" + "x" * 1_000_000,
        "label='" + "''" * 2000,
        "a" * MAX_LENGTH,
        "\0" * MAX_LENGTH,
        "\n" * MAX_LENGTH + "x",
        "=" * MAX_LENGTH,
        "<!" * 2000,
    ],
    ids=lambda text: text[:12],
)
def test_a_hostile_filter_costs_no_time_and_gives_a_sentence(text):
    began = time.process_time()
    fault(text)
    assert time.process_time() - began < 1


def test_the_limits_themselves_are_allowed():
    deep = "not " * (MAX_DEPTH - 1) + "(label=drum)"
    assert str(parse_where(deep)) == "not " * (MAX_DEPTH - 1) + "label=drum"
    assert len(parse_where(" or ".join(["label=drum"] * MAX_COMPARISONS)).parts) == MAX_COMPARISONS
    assert len(parse_where(" or ".join(["path=/*"] * MAX_PATTERNS)).parts) == MAX_PATTERNS
    assert parse_where("label=" + "x" * (MAX_LENGTH - 6)).text == "x" * (MAX_LENGTH - 6)


def test_a_group_counts_for_depth_only_while_it_is_open():
    groups = " or ".join(["(label=drum)"] * (MAX_DEPTH + 1))
    assert len(parse_where(groups).parts) == MAX_DEPTH + 1
    at_two = "(((label=drum) and (label=drum) and {}))"
    deepest = "(" * (MAX_DEPTH - 2) + "label=drum" + ")" * (MAX_DEPTH - 2)
    assert parse_where(at_two.format(deepest)).parts[0] == DRUM
    assert f"more than {MAX_DEPTH} deep" in fault(at_two.format(f"({deepest})"))


def test_only_patterns_of_paths_count_as_such():
    for text in ("label='*'", "path=/footage/one.mp4"):
        assert len(parse_where(" or ".join([text] * (MAX_PATTERNS + 1))).parts) == MAX_PATTERNS + 1
    assert f"or {MAX_PATTERNS} patterns of paths" in fault(" or ".join(["path=/*"] * (MAX_PATTERNS + 1)))


def test_yes_and_no_are_read_however_they_are_written():
    assert [parse_where(f"sound={text}").value for text in ("yes", "YES", "no", "No")] == [True, True, False, False]


def test_a_path_may_be_a_url_and_have_names_as_long_as_disks_take():
    assert parse_where("path='s3://bucket/one.mp4'").value == "s3://bucket/one.mp4"
    longest = "/" + "x" * 255
    assert parse_where(f"path={longest}{longest}").value == longest * 2
    assert "at most 255 bytes" in fault(f"path=/{'x' * 256}")


def test_minutes_after_an_hour_end_at_59_and_a_microsecond_is_told_from_the_next():
    assert parse_where("duration>1:59:00").value == Range(7_140_000_000, 7_140_000_001)
    assert "a duration is written" in fault("duration>1:60:00").lower()
    assert parse_where("date>=2024-05-01T10:30:00.123457Z").value.low == 1_714_559_400_123_457_000


def test_a_condition_is_written_as_people_write_one():
    assert str(AllOf((DRUM, LONG))) == "label=drum and duration>=10"
    assert str(AnyOf((DRUM, AllOf((LONG, DRUM))))) == "label=drum or duration>=10 and label=drum"
    assert str(AllOf((DRUM, AnyOf((LONG, DRUM))))) == "label=drum and (duration>=10 or label=drum)"


def test_a_fault_has_whole_sentences():
    assert fault("(label=drum").startswith(
        "The filter cannot be understood at character 1: this parenthesis is not closed."
    )
    assert "A date is written 2024-05-01, 2024-05-01T10:30 or 2024-05-01T10:30:00+02:00." in fault("date>soon")
    assert "A resolution is written 480p, 720p, 1080p, 4k, or as the pixels" in fault("resolution>high")
    assert "A path holds no half characters." in fault("path='/\udcff\ud800'")


def test_what_is_not_a_filter_cannot_be_made():
    with pytest.raises(ValueError, match="at least two"):
        AllOf((DRUM,))
    with pytest.raises(ValueError, match="= and != only"):
        Comparison(Field.ROOT, Operator.LESS, "x")


NUMBERS = st.from_regex(re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII), fullmatch=True)
TEXTS = st.text(st.characters(), min_size=1, max_size=12)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES = {
    Field.PATH: st.tuples(st.sampled_from(["/", "**/"]), NAMES).map("".join),
    Field.ROOT: TEXTS,
    Field.LABEL: TEXTS | st.sampled_from(["and", "OR", "not", "(", "'", '"', "''", "a'b\"c", "\\'"]),
    Field.KIND: st.sampled_from(["video", "Sound", "PICTURE"]),
    Field.DURATION: NUMBERS | st.sampled_from(["90s", "5m", "1:30:00", "1:30"]),
    Field.DATE: st.dates().map(str) | st.datetimes().map(datetime.isoformat),
    Field.WIDTH: st.integers(0, 10**9 - 1).map(str),
    Field.HEIGHT: st.integers(0, 10**9 - 1).map(str),
    Field.RESOLUTION: st.sampled_from(["480p", "4k", "576"]),
    Field.FPS: NUMBERS,
    Field.SOUND: st.sampled_from(["yes", "No"]),
    Field.PICTURE: st.sampled_from(["yes", "No"]),
}


EQUAL_ONLY = {Field.PATH, Field.ROOT, Field.LABEL, Field.KIND, Field.SOUND, Field.PICTURE}


@st.composite
def comparisons(draw):
    field = draw(st.sampled_from(Field))
    operators = EQUALITY if field in EQUAL_ONLY else ORDER
    return Comparison(field, draw(st.sampled_from(operators)), draw(VALUES[field]))


def joined(parts):
    several = st.lists(parts, min_size=2, max_size=4).map(tuple)
    return several.map(AllOf) | several.map(AnyOf) | parts.map(Not)


@given(st.recursive(comparisons(), joined, max_leaves=12))
@settings(deadline=None)
def test_the_text_of_a_condition_is_read_as_the_same_condition(condition):
    assert parse_where(str(condition)) == condition


@given(st.text(st.sampled_from("label=dum'\"() <>!notandr\0*/") | st.characters(), max_size=60))
@settings(deadline=None)
def test_any_text_is_a_filter_or_a_fault(text):
    with contextlib.suppress(UsageError):
        condition = parse_where(text)
        assert parse_where(str(condition)) == condition
