# SPDX-License-Identifier: MIT
"""Three real libraries at work, on little input. Loaded and warmed before tracing."""

from __future__ import annotations

NETWORKX = """\
import networkx as nx


def work(nodes):
    graph = nx.barabasi_albert_graph(nodes, 3, seed=7)
    for a, b in graph.edges:
        graph[a][b]["weight"] = 1 + (a * 7 + b) % 13
    return [
        graph,
        nx.single_source_dijkstra_path(graph, 0),
        nx.minimum_spanning_tree(graph),
        nx.greedy_color(graph),
        nx.core_number(graph),
        list(nx.topological_sort(nx.gn_graph(nodes, seed=5))),
    ]


work(8)
KEEP = []


def main():
    KEEP.append(work(120))
"""

HTML5LIB = """\
import html5lib

PARTS = ["<!doctype html><title>A page</title><body>"]
for i in range(12):
    PARTS.append(
        f"<h2 id=s{i}>Section {i} &amp; more</h2><p>A <b>bold <i>text</b> here</i>"
        f"<ul><li>one<li>two <a href='?a={i}&b=2' title=t{i}>link</a></ul>"
        f"<table><tr><td>{i}<td>x &lt; {i}<tr><th>h<td><em>e</table><br>"
        f"<!-- remark {i} --><form><input name=n{i}><select><option>1</select></form>"
    )


def work(parts):
    tree = html5lib.parse("".join(parts), treebuilder="etree")
    walker = html5lib.getTreeWalker("etree")
    text = "".join(html5lib.serializer.HTMLSerializer().serialize(walker(tree)))
    return [tree, text]


work(PARTS[:2])
KEEP = []


def main():
    KEEP.append(work(PARTS))
"""

JINJA2 = '''\
import jinja2

TEMPLATES = {
    "base": "<html>{% block body %}{% endblock %}<p>{{ site.name }}</p></html>",
    "macros": "{% macro cell(v, kind='td') %}"
    "<{{ kind }}>{{ v }}</{{ kind }}>{% endmacro %}",
    "page": """{% extends 'base' %}{% import 'macros' as m %}{% block body %}
{% for row in rows %}{{ m.cell(loop.index, 'th') }}{{ m.cell(row.name|upper) }}
{% if row.tags %}{% for tag in row.tags|sort %}{{ tag }},{% endfor %}{% endif %}
{% endfor %}{% for g in rows|groupby('kind') %}{{ g.grouper }}{% endfor %}
{% endblock %}""",
}


def work(n):
    loader = jinja2.DictLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, cache_size=0)
    template = environment.get_template("page")
    rows = [
        {
            "name": f"<row {i}>",
            "tags": [f"t{i * k % 7}" for k in range(i % 4)],
            "kind": i % 5,
        }
        for i in range(n)
    ]
    return [environment, template, template.render(rows=rows, site={"name": "A site"})]


work(2)
KEEP = []


def main():
    KEEP.append(work(40))
'''

LIBRARIES = {"networkx": NETWORKX, "html5lib": HTML5LIB, "jinja2": JINJA2}
