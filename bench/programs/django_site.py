# SPDX-License-Identifier: MIT
"""Django: requests through the test client: routing, views, ORM, templates, JSON."""

import sys

import django
from django.conf import settings
from ptm_bench_child import region

PRODUCTS = 300
REQUESTS = 80

PAGE = """<html><body><h1>{{ heading|upper }}</h1><table>
{% for p in products %}<tr class="{% cycle 'a' 'b' %}"><td>{{ forloop.counter }}</td>
<td>{{ p.name|title }}</td><td>{{ p.price|floatformat:2 }}</td>
<td>{% if p.stock > 5 %}{{ p.stock }}{% else %}<b>few</b>{% endif %}</td></tr>
{% empty %}<tr><td>none</td></tr>{% endfor %}</table></body></html>"""

LOADERS = [("django.template.loaders.locmem.Loader", {"page.html": PAGE})]

settings.configure(
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": LOADERS},
        }
    ],
    LOGGING_CONFIG=None,
)
django.setup()

from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402


class Product(models.Model):
    """What the shop sells."""

    name = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    stock = models.IntegerField()

    class Meta:
        app_label = "shop"


def page(request: HttpRequest, heading: str) -> HttpResponse:
    """The list as HTML."""
    products = Product.objects.filter(stock__gte=1).order_by("name")
    return render(request, "page.html", {"heading": heading, "products": products})


def as_json(request: HttpRequest) -> JsonResponse:
    """The list as JSON."""
    found = Product.objects.order_by("-price").values("id", "name", "price", "stock")
    return JsonResponse({"products": list(found)})


urlpatterns = [path("list/<slug:heading>/", page), path("products.json", as_json)]


def fill() -> None:
    """The table and its rows."""
    with connection.schema_editor() as editor:
        editor.create_model(Product)
    for i in range(PRODUCTS):
        Product.objects.create(name=f"product {i}", price=f"{i}.25", stock=i % 17)


def main() -> None:
    fill()
    client = Client()
    for i in range(REQUESTS):
        html = client.get(f"/list/heading-{i}/")
        assert html.status_code == 200 and b"HEADING" in html.content
        data = client.get("/products.json", {"page": i})
        assert len(data.json()["products"]) == PRODUCTS


if __name__ == "__main__":
    sys.modules.setdefault("django_site", sys.modules[__name__])
    with region():
        main()
