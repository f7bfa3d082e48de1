# SPDX-License-Identifier: MIT
"""Every sentence that states behaviour has a test, and the check would notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECK = Path(__file__).with_name("check_sentences.py")


def test_every_sentence_is_proved():
    done = subprocess.run([sys.executable, CHECK], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_notices_a_missing_and_a_wrong_sentence(tmp_path):
    test = tmp_path / "test_one.py"
    test.write_text(
        "import pytest\n"
        "@pytest.mark.sentence('Return an int.')\n"
        "@pytest.mark.sentence('Return a float.')\n"
        "def test_one(): ...\n"
    )
    code = f"""
import sys
sys.path.insert(0, {str(CHECK.parent)!r})
import check_sentences, pathlib
print(*check_sentences.breaches(pathlib.Path({str(tmp_path)!r})), sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert (
        "test_one.py:3 test_one: not in the specification: 'Return a float.'" in lines
    )
    assert any(
        line.endswith("has no test: 'Write the snapshot into a file.'")
        for line in lines
    )
    assert not any(line.endswith("has no test: 'Return an int.'") for line in lines)
