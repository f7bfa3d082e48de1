# SPDX-License-Identifier: MIT
"""html5lib: parses a large untidy page into a tree and writes it out again."""

import html5lib
from ptm_bench_child import region

SECTIONS = 1500


def page() -> str:
    """HTML with what real pages have: unclosed and misnested tags, entities, tables."""
    parts = ["<!doctype html><title>A page</title><body>"]
    for i in range(SECTIONS):
        parts.append(
            f"<h2 id=s{i}>Section {i} &amp; more</h2><p>A <b>bold <i>text</b> here</i>"
            f"<ul><li>one<li>two <a href='?a={i}&b=2' title=\"t{i}\">link</a></ul>"
            f"<table><tr><td>{i}<td>x &lt; {i}<tr><th>h<td><em>e</table><br>"
            f"<!-- remark {i} --><form><input name=n{i} value='{i}'><select><option>1"
            "<option selected>2</select></form>"
        )
    return "".join(parts)


def main() -> None:
    tree = html5lib.parse(page(), treebuilder="etree", namespaceHTMLElements=False)
    assert len(tree.findall(".//h2")) == SECTIONS
    walker = html5lib.getTreeWalker("etree")
    text = "".join(html5lib.serializer.HTMLSerializer().serialize(walker(tree)))
    assert f"Section {SECTIONS - 1}" in text


if __name__ == "__main__":
    with region():
        main()
