# SPDX-License-Identifier: MIT
"""jinja2: compiles templates with inheritance and macros and renders many pages."""

import jinja2
from ptm_bench_child import region

PAGES = 160
ROWS = 150

TEMPLATES = {
    "base.html": """<html><head><title>{% block title %}{% endblock %}</title></head>
<body>{% block body %}{% endblock %}
<footer>{{ site.name }} {{ site.year }}</footer></body>""",
    "macros.html": """{% macro cell(value, kind='td') -%}
<{{ kind }} class="{{ loop_class(value) }}">{{ value }}</{{ kind }}>{%- endmacro %}""",
    "page.html": """{% extends 'base.html' %}
{% import 'macros.html' as m with context %}
{% block title %}{{ page.title|title }}{% endblock %}
{% block body %}<table>{% for row in rows %}<tr>{{ m.cell(loop.index, 'th') }}
{{ m.cell(row.name|upper) }}{{ m.cell('%.2f'|format(row.price)) }}
{% if row.tags %}<td>{% for tag in row.tags|sort %}{{ tag }}{{ ', ' if not loop.last }}
{% endfor %}</td>{% else %}<td>none</td>{% endif %}</tr>{% endfor %}</table>
{% for group in rows|groupby('kind') %}<h2>{{ group[0] }} {{ group.list|count }}</h2>
{% endfor %}{% endblock %}""",
}


def loop_class(value: object) -> str:
    """Called from the template."""
    return f"c{len(str(value)) % 3}"


def main() -> None:
    for turn in range(8):
        loader = jinja2.DictLoader(TEMPLATES)
        environment = jinja2.Environment(loader=loader, autoescape=True, cache_size=0)
        environment.globals["loop_class"] = loop_class
        template = environment.get_template("page.html")
        for number in range(PAGES // 8):
            rows = [
                {
                    "name": f"<row {i}>",
                    "price": i * 1.5 + number,
                    "tags": [f"t{(i * k) % 7}" for k in range(i % 4)],
                    "kind": f"kind {i % 5}",
                }
                for i in range(ROWS)
            ]
            page = {"title": f"page number {turn}.{number}"}
            site = {"name": "A site", "year": 2025}
            html = template.render(rows=rows, page=page, site=site)
            assert "&lt;ROW" in html and html.count("<h2>") == 5


if __name__ == "__main__":
    with region():
        main()
