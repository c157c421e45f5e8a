"""Faults in how frames are converted, laid onto the disk and read back."""

from planted.fault import of

FAULTS = [
    *of("tests/video/test_upright.py",
        ("odd heights are converted to planes", "pipeline/video/upright.py", "frame.height % 2 == 0 and ", ""),
        ("planes change places", "pipeline/video/upright.py", "cv2.merge([red, green, blue], self._picture)",
         "cv2.merge([blue, green, red], self._picture)"),
    ),
    *of("tests/video/test_lossless.py",
        ("differences of colours end at 0", "pipeline/video/lossless.py", "np.subtract(colour, green, out=colour)",
         "cv2.subtract(colour, green)"),
        ("lossless video is nearly so", "pipeline/video/lossless.py", '"qp": "0"', '"qp": "1"'),
    ),
    *of("tests/artifacts/test_lossless_frames.py",
        ("a group's checksum is not looked at", "pipeline/artifacts/lossless.py", '.to_bytes(4, "little") != found:',
         '.to_bytes(4, "little") == b"":'),
        ("a black frame ends its group", "pipeline/artifacts/lossless.py", "reversed(range(len(frames))) if frames[t].any()), -1)",
         "range(len(frames)) if not frames[t].any()), len(frames)) - 1"),
        ("chunks come in any order", "pipeline/artifacts/packing.py", "self._waiting.popleft()", "self._waiting.pop()"),
    ),
]  # fmt: skip
