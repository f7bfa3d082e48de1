# SPDX-License-Identifier: MIT
"""How an interpreter reads the words of its command line."""

LONG_WITH_VALUE = "--check-hash-based-pycs"


def options_of(words: list[str]) -> list[str]:
    """The options it got before what it runs: python -X dev -m ..."""
    return split(words)[0]


def code_of(words: list[str]) -> str:
    """The code of `python -c CODE`; "" if it runs something else, which may have an
    argument -c of its own."""
    kind, *rest = split(words)[1] or [""]
    return rest[0] if kind == "-c" and rest else ""


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Its options, and what it runs: -c or -m and their word, or a script (after a
    "--", perhaps); with all that follows."""
    options: list[str] = []
    at = 1
    while at < len(words) and is_option(words[at]):
        word, rest = words[at], words[at + 1 :]
        end = end_of_flags(word)
        if word[end : end + 1] in ("c", "m"):
            flags = [word[:end]] if end > 1 else []
            value = [word[end + 1 :]] if word[end + 1 :] else []
            return options + flags, [f"-{word[end]}", *value, *rest]
        taken = 2 if word == LONG_WITH_VALUE or end == len(word) - 1 else 1
        options += words[at : at + taken]
        at += taken
    return options, words[at:]


def is_option(word: str) -> bool:
    return word.startswith("-") and word not in ("-", "--")


def end_of_flags(word: str) -> int:
    """Where the letter of an option stands that takes a value: in -BXdev at X."""
    if word.startswith("--"):
        return len(word)
    return next((i for i, letter in enumerate(word) if letter in "cmWX"), len(word))
