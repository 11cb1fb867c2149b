"""HTML as text that cannot be injected into: what is not markup already is escaped."""

from html import escape
from importlib.resources import files

# A page is whole in itself: its own styles, no script, nothing from elsewhere.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Html(str):
    """Text that is markup."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str) -> Html:
    """Return an element.

    Args:
        tag: Its name.
        children: In order; escaped unless they are ``Html``.
        attributes: Escaped; ``class_`` is ``class``, ``data_name`` is ``data-name``.
    """
    given = "".join(f' {name.rstrip("_").replace("_", "-")}="{escape(text)}"' for name, text in attributes.items())
    return Html(f"<{tag}{given}>{joined(*children)}</{tag}>")


def joined(*children: str) -> Html:
    """Return parts one after the other, escaped unless they are ``Html``."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))


def document(title: str, *body: str) -> str:
    """Return a whole page in the style of reports; it loads nothing and runs no script."""
    style = files("btc_assets.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Html('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Html(style)),
    )
    return f"<!doctype html>\n{element('html', head, element('body', *body), lang='en')}\n"


def table(columns: list[str], rows: list[list[str]], **attributes: str) -> Html:
    """Return a table in a frame that scrolls where it is too wide; the first cell of a row names it."""
    head = element("tr", *(element("th", name, scope="col") for name in columns))
    body = [element("tr", element("th", first, scope="row"), *(_cell(cell) for cell in rest)) for first, *rest in rows]
    whole = element("table", element("thead", head), element("tbody", *body), **attributes)
    return element("div", whole, class_="wide", tabindex="0")


def _cell(cell: str) -> Html:
    return cell if isinstance(cell, Html) and cell.startswith("<td") else element("td", cell)
