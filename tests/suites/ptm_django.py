# SPDX-License-Identifier: MIT
"""Settings for Django's own tests: SQLite in memory, and outcomes to our file."""

from __future__ import annotations

import ptm_suites
from django.test.runner import DiscoverRunner

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
SECRET_KEY = "for tests"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "ptm_django.Runner"


class Runner(DiscoverRunner):
    def get_resultclass(self) -> type:
        return ptm_suites.Result

    def suite_result(self, suite: object, result: object, **more: object) -> int:
        ptm_suites.the_end()
        return int(super().suite_result(suite, result, **more))
