"""What counts as noticed, as explained and as neither; the diffs are written out by hand."""

import pytest

from tests.mutation.verdict import EXPLAINED, Mutant, complaints, lines_changed, read_explained, table

DIFF = """\
--- avsearch/metrics.py
+++ avsearch/metrics.py
@@ -1,3 +1,3 @@
 def dcg_at_k(gains, k):
-    if k < 1:
+    if k <= 1:
         raise ValueError
"""
CHANGE = "- if k < 1:\n+ if k <= 1:"
ENTRY = f"""
[[equivalent]]
function = "avsearch.metrics.dcg_at_k"
change = '''
{CHANGE}
'''
why = "a reason"
"""


def mutant(status, change=CHANGE):
    return Mutant("avsearch.metrics", "dcg_at_k", change, status)


def test_a_change_is_the_lines_that_went_and_came_without_their_context():
    assert lines_changed(DIFF) == CHANGE


@pytest.mark.parametrize("status", ["survived", "no tests", "suspicious", "not checked", "skipped"])
def test_what_no_test_notices_is_a_complaint_unless_it_is_explained(status):
    (complaint,) = complaints([mutant(status), mutant("killed", "")], {})
    assert "avsearch.metrics.dcg_at_k" in complaint
    assert CHANGE in complaint
    assert complaints([mutant(status), mutant("killed", "")], read_explained(ENTRY)) == []


def test_an_explanation_of_something_else_is_no_explanation_and_a_complaint_itself():
    found = complaints([mutant("survived", "- one\n+ two")], read_explained(ENTRY))
    assert len(found) == 2


@pytest.mark.parametrize("status", ["killed", "timeout"])
def test_an_explanation_of_what_is_noticed_by_now_is_a_complaint(status):
    (complaint,) = complaints([mutant(status, "")], read_explained(ENTRY))
    assert "explain it no more" in complaint


def test_an_explanation_needs_a_reason_and_stands_once():
    with pytest.raises(ValueError, match="twice"):
        read_explained(ENTRY * 2)
    with pytest.raises(ValueError, match="without a reason"):
        read_explained(ENTRY.replace("a reason", ""))
    assert len(read_explained(EXPLAINED.read_text())) == EXPLAINED.read_text().count("[[equivalent]]")


def test_the_table_counts_by_module_and_in_all():
    other = Mutant("indexer.plan", "fill_times", "", "timeout")
    lines = table([mutant("survived"), mutant("survived", "x"), mutant("killed", ""), other], read_explained(ENTRY))
    assert [line.split() for line in lines[1:]] == [
        ["avsearch.metrics", "3", "1", "1", "1"],
        ["indexer.plan", "1", "1", "0", "0"],
        ["all", "4", "2", "1", "1"],
    ]
