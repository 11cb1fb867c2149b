"""Markup that nothing can be injected into."""

from btc_assets.report.html import Html, element, joined, table


def test_text_and_attributes_are_escaped():
    """Whatever a strategy is called, it is text."""
    made = element("p", "<script>&", title='"><b>')
    assert made == '<p title="&quot;&gt;&lt;b&gt;">&lt;script&gt;&amp;</p>'


def test_markup_is_left_as_it_is():
    """An element in an element is escaped once, not twice."""
    assert element("p", element("b", "a < b"), " and ") == "<p><b>a &lt; b</b> and </p>"
    assert joined(Html("<br>"), "<br>") == "<br>&lt;br&gt;"


def test_names_of_attributes_are_html_s():
    """Python has words of its own: ``class_`` is class, ``data_figure`` data-figure."""
    assert element("i", class_="a", data_figure="b") == '<i class="a" data-figure="b"></i>'


def test_the_first_cell_of_a_row_is_its_name():
    """The other cells are data; a cell that is one already stays."""
    made = table(["", "n"], [["a", "1"], ["b", Html('<td class="up">2</td>')]])
    assert '<th scope="row">a</th><td>1</td>' in made
    assert '<th scope="row">b</th><td class="up">2</td>' in made
