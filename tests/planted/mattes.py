"""Faults in mattes and their edges."""

from planted.fault import of

N, M = "pipeline/networks/", "pipeline/matting/"

FAULTS = [
    *of("tests/matting/test_agreement.py",
        ("a limb that the fine matte lost is lost", M + "agreement.py", "    sees = _sees(coarse, fine, limbs)\n",
         "    sees = np.ones_like(coarse)\n"),
        ("both mattes are compared as they are, not relative to what is there", M + "agreement.py",
         "np.abs(a - b) / there)", "np.abs(a - b))"),
        ("haze of the fine matte stays", M + "agreement.py", "sharp = np.clip((fine - CLEAR) / (SOLID - CLEAR), 0, 1)", "sharp = fine"),
        ("what stands still is taken out whatever the fine matte says", M + "agreement.py", "still * _denied(fine, limbs) * sees",
         "still * sees"),
        ("far from all limbs the fine matte is always believed", M + "agreement.py",
         " + 0.02 * _blurred(values, 3 * sigma_px) + 1e-4 * values.mean()", " + 1e-9"),
    ),
    *of("tests/matting/test_views.py",
        ("a view's squares begin at its box", M + "views.py", "np.floor(box_xyxy[:2] / square_px) * square_px", "np.floor(box_xyxy[:2])"),
        ("a small picture is enlarged half a pixel aside", M + "views.py", "(x0 + 0.5) * sx - 0.5", "x0 * sx"),
    ),
    *of("tests/matting/test_fine.py",
        ("edges are steadied across a cut", M + "steady.py", "after is not None and linked[frame_of(after)]", "after is not None"),
        ("a still thing is looked for in the wrong place", M + "unchanged.py", "return enlarged(same, box, self._scale)",
         "return enlarged(same, (0, 0, box[2] - box[0], box[3] - box[1]), self._scale)"),
    ),
    *of("tests/networks/test_modnet.py",
        ("the portrait network sees blue for red", N + "modnet.py", "mean=(127.5, 127.5, 127.5))",
         "mean=(127.5, 127.5, 127.5), swapRB=True)"),
    ),
]  # fmt: skip
