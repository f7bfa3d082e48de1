# SPDX-License-Identifier: MIT
"""Text for people: sizes, shares, paths, colour and the width of a terminal."""

import os
import sys
import unicodedata

CONSTANTS = {"True": "true", "False": "false", "None": "null"}  # Python -> JSON

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

#: Where the output is no terminal and COLUMNS says nothing.
DEFAULT_COLUMNS = 100
LEAST_COLUMNS = 40


def size_text(size: int) -> str:
    """182.4 MiB; whole bytes below one KiB."""
    if abs(size) < 1024:
        return f"{size} B"
    value = float(size)
    for unit in UNITS:
        if abs(value) < 999.95 or unit == UNITS[-1]:
            break
        value /= 1024
    return f"{value:.1f} {unit}"


def signed_size_text(size: int) -> str:
    """+4.9 MiB, -17 B; no sign where nothing changed."""
    return ("+" if size > 0 else "") + size_text(size)


def count_text(count: int) -> str:
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """1 block, 2 blocks"""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def share_text(part: int, whole: int) -> str:
    """43.9%; what is not nothing never reads as 0, nor what is not all as 100."""
    if not whole:
        return "-"
    tenths = round(1000 * part / whole)
    if part and not tenths:
        return "<0.1%"
    if tenths == 1000 and part != whole:
        tenths = 999
    return f"{tenths / 10:.1f}%"


def bar_text(part: int, whole: int, width: int) -> str:
    """A bar of eighths of a cell."""
    eighths = round(8 * width * part / whole) if whole else 0
    if part and not eighths:
        eighths = 1
    full, rest = divmod(min(eighths, 8 * width), 8)
    return "█" * full + (chr(0x2590 - rest) if rest else "")


def printable(text: str) -> str:
    """Without characters that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def cells(text: str) -> int:
    """The number of terminal cells the text takes."""
    if text.isascii():
        return len(text)
    return sum(cell_width(c) for c in text)


def cell_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, width: int, dots: str = "…") -> str:
    """Cut at the right end."""
    if cells(text) <= width:
        return text
    room = width - cells(dots)
    kept = ""
    for char in text:
        room -= cell_width(char)
        if room < 0:
            break
        kept += char
    return kept.rstrip() + dots if width >= cells(dots) else ""


def pad_right(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


class Paths:
    """Shortens file names: a library's from site-packages on, the standard library's
    from its folder on, what is below the current folder relative to it."""

    def __init__(self, cwd: str, dots: str = "…") -> None:
        self.cwd = cwd.rstrip("/") + "/"
        self.dots = dots
        self.home = os.path.expanduser("~").rstrip("/") + "/"
        self.stdlib = os.path.dirname(os.__file__) + "/"

    def shorten(self, path: str) -> str:
        for folder in ("/site-packages/", "/dist-packages/"):
            start = path.rfind(folder)
            if start >= 0:
                return self.dots + path[start:]
        if path.startswith(self.stdlib):
            folder = os.path.basename(self.stdlib.rstrip("/"))
            return f"{self.dots}/{folder}/{path[len(self.stdlib) :]}"
        if path.startswith(self.cwd) and len(self.cwd) > 1:
            return path[len(self.cwd) :]
        if path.startswith(self.home) and len(self.home) > 1:
            return f"~/{path[len(self.home) :]}"
        return path

    def fit(self, path: str, width: int) -> str:
        """The end of the path matters most: folders go from the left."""
        path = printable(self.shorten(path))
        if cells(path) <= width:
            return path
        parts = path.split("/")
        while len(parts) > 1:
            parts.pop(0)
            short = "/".join((self.dots, *parts))
            if cells(short) <= width:
                return short
        return fit(parts[-1], width, self.dots)


class Style:
    """Colours, or nothing."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text

    def bold(self, text: str) -> str:
        return self.paint("1", text)

    def dim(self, text: str) -> str:
        return self.paint("2", text)

    def size(self, text: str) -> str:
        return self.paint("1;32", text)

    def bar(self, text: str) -> str:
        return self.paint("32", text)

    def place(self, text: str) -> str:
        return self.paint("36", text)

    def name(self, text: str) -> str:
        return self.paint("33", text)

    def grew(self, text: str) -> str:
        return self.paint("1;31", text)

    def shrank(self, text: str) -> str:
        return self.paint("1;32", text)

    def warning(self, text: str) -> str:
        return self.paint("1;31", text)


def columns(fd: int | None) -> int:
    """The width of the terminal at `fd`; COLUMNS comes first, as everywhere."""
    width = os.environ.get("COLUMNS", "")
    found = int(width) if width.isascii() and width.isdigit() and len(width) < 6 else 0
    if not found and fd is not None:
        try:
            found = os.get_terminal_size(fd).columns
        except OSError:
            pass
    return max(found or DEFAULT_COLUMNS, LEAST_COLUMNS)


def wants_colour(fd: int | None) -> bool:
    """Colour goes to terminals only, and not where NO_COLOR is set."""
    if fd is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        return os.isatty(fd)
    except OSError:
        return False


def encoding_of_stdout() -> str:
    return getattr(sys.stdout, "encoding", None) or "ascii"


def can_encode(encoding: str, text: str = "…─█▏") -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def json_text(value: object, indent: str = "") -> str:
    """As json.dumps(value, indent=2), which imports too much for us."""
    from _json import encode_basestring_ascii as quoted

    deeper = indent + "  "
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        items = [f"{quoted(k)}: {json_text(v, deeper)}" for k, v in value.items()]
        first, last = "{}"
    elif isinstance(value, list):
        items = [json_text(v, deeper) for v in value]
        first, last = "[]"
    else:
        return CONSTANTS.get(str(value)) or repr(value)
    if not items:
        return first + last
    between = f",\n{deeper}"
    return f"{first}\n{deeper}{between.join(items)}\n{indent}{last}"


def python_version() -> str:
    return "{}.{}.{}".format(*sys.version_info)
