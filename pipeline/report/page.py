"""HTML by hand: a few elements, one style sheet, everything escaped; the page needs no network and no other file."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from pipeline.artifacts.replacing import PAGE_TAG

STYLE = """
:root { color-scheme: light dark; --ink: #1d1f23; --soft: #62666d; --line: #d9dbdf; --paper: #fff; --band: #f4f5f7; --accent: #0b62c4;
  --warn: #8a4b00; --warn-band: #fff3df; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7e9; --soft: #9aa0a8; --line: #393d44; --paper: #16181b; --band: #1f2226;
  --accent: #74b0ff; --warn: #ffc777; --warn-band: #33270f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 5rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, ul { margin: .4rem 0; max-width: 52rem; }
ul { padding-left: 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin-top: 1rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.soft, figcaption { color: var(--soft); font-size: .87rem; }
.warn { background: var(--warn-band); color: var(--warn); padding: .5rem .8rem; border-radius: 6px; }
figure { margin: 1rem 0; } figcaption { margin-bottom: .3rem; max-width: 52rem; }
img, video { display: block; max-width: 100%; height: auto; border-radius: 4px; background: #fff; }
video { background: #000; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
tbody tr:hover { background: var(--band); }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); }
pre { background: var(--band); padding: .8rem; border-radius: 6px; overflow-x: auto; font-size: .8rem; line-height: 1.4; }
.charts { display: flex; flex-wrap: wrap; gap: .75rem; }
.charts svg { background: var(--band); border-radius: 6px; color: var(--accent); }
.charts text { fill: var(--ink); font: 11px system-ui, sans-serif; } .charts text.soft { fill: var(--soft); font-size: 10px; }
"""

# A test (or a curious reader) sees on <html data-videos="loaded/all"> whether every video can be played.
SCRIPT = """
const videos = [...document.querySelectorAll("video")], root = document.documentElement;
const plays = v => v.readyState >= 2 && !v.error && v.duration > 0;
const count = () => { root.dataset.videos = videos.filter(plays).length + "/" + videos.length; };
videos.forEach(v => ["loadeddata", "error"].forEach(name => v.addEventListener(name, count)));
count();
const seen = new IntersectionObserver(rows => rows.forEach(r => r.isIntersecting ? r.target.play().catch(() => {}) : r.target.pause()));
videos.forEach(v => seen.observe(v));
"""


def document(title: str, body: Iterable[str]) -> str:
    """The whole page; body parts are finished HTML."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{PAGE_TAG}\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{chr(10).join(body)}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def heading(level: int, text: str, anchor: str | None = None) -> str:
    identity = f' id="{escape(anchor)}"' if anchor else ""
    return f"<h{level}{identity}>{escape(text)}</h{level}>"


def paragraph(text: str, style: str | None = None) -> str:
    return f"<p{_class(style)}>{escape(text)}</p>"


def bullets(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers (and the heads over them) stand right, None is a dash."""
    rows = [list(row) for row in rows]
    right = [any(_is_number(row[i]) for row in rows) for i in range(len(head))]
    styles = ["number" if flag else None for flag in right]
    top = "".join(f"<th{_class(style)}>{escape(name)}</th>" for name, style in zip(head, styles, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{_class(style)}>{escape(_cell(v))}</td>" for v, style in zip(row, styles, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def image(blob: bytes, caption: str, media: str = "image/jpeg") -> str:
    return (
        f'<figure><figcaption>{escape(caption)}</figcaption><img loading="lazy" alt="{escape(caption)}" src="{_uri(blob, media)}"></figure>'
    )


def video(blob: bytes, caption: str) -> str:
    player = f'<video controls loop muted playsinline preload="auto" src="{_uri(blob, "video/mp4")}"></video>'
    return f"<figure><figcaption>{escape(caption)}</figcaption>{player}</figure>"


def folded(summary: str, inner: str) -> str:
    """Finished HTML that opens on a click."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def code(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def links(pairs: Iterable[tuple[str, str]]) -> str:
    return "<nav>" + "".join(f'<a href="#{escape(anchor)}">{escape(text)}</a>' for anchor, text in pairs) + "</nav>"


def _uri(blob: bytes, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(blob).decode('ascii')}"


def _class(style: str | None) -> str:
    return f' class="{style}"' if style else ""


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) and abs(value) < 10 else f"{value:.2f}" if isinstance(value, float) else str(value)
