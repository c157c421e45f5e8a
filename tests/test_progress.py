"""Progress: one line with the count, the rate and the time left."""

import re

from pipeline.progress import Progress


def test_the_last_line_says_what_was_done(capsys):
    with Progress(4, "training", unit="step") as progress:
        for loss in (1.0, 0.5, 0.25, 0.125):
            progress.advance(loss=loss)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"training: 4/4 steps  [\d.]+/s  0:00 left  loss 0\.125\n", err)


def test_lines_are_rare_where_nobody_redraws_them(capsys):
    progress = Progress(1000, "reading")
    for _ in range(1000):
        progress.advance()
    assert capsys.readouterr().err == ""


def test_an_error_prints_no_last_line(capsys):
    try:
        with Progress(4, "reading") as progress:
            progress.advance(2)
            raise RuntimeError
    except RuntimeError:
        pass
    assert capsys.readouterr().err == ""


def test_nothing_done_leaves_the_time_open(capsys):
    Progress(4, "reading").close()
    assert "0/4 frames  0.00/s  ? left" in capsys.readouterr().err


def test_the_time_left_follows_the_rate(capsys, monkeypatch):
    moments = iter([100.0, 111.0])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    Progress(150, "reading").advance(10)  # 10 frames in 11 s: 140 more take 154 s
    assert "10/150 frames  0.91/s  2:34 left" in capsys.readouterr().err
