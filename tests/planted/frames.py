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
    *of("tests/video/test_endings.py",
        ("a broadcast's slices are decoded beside each other", "pipeline/video/opening.py", "thread_count = 1 ", "thread_count = 4 "),
        ("an MXF file's footer is not missed", "pipeline/video/endings.py", "footer = start + int.from_bytes(file.read(8))",
         "footer = start"),
        ("parts of an MXF file may be short", "pipeline/video/endings.py", "return at <= size and not", "return not"),
        ("a y4m's last frame may be a part of one", "pipeline/video/decoding.py", "self.end_byte < self.path.stat().st_size",
         "self.end_byte > self.path.stat().st_size"),
        ("packets are counted from the file's start", "pipeline/video/endings.py", "range(min(step, len(tail)))",
         "range(min(1, len(tail)))"),
    ),
]  # fmt: skip
