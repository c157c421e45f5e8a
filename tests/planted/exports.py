"""Faults in what leaves the project for other programs."""

from planted.fault import of

E, B = "pipeline/appearance/export/", "pipeline/body/"

FAULTS = [
    *of("tests/export/test_window.py",
        ("an exported matte lacks its contrast", E + "window.py", "(torch.sigmoid(logits) - 0.5) * self.params.matte_contrast + 0.5",
         "torch.sigmoid(logits)"),
        ("an exported matte lacks the body's core", E + "window.py", "matte_contrast, sure, ", "matte_contrast, None, "),
        ("an exported window favours no reference", E + "window.py", "sure, self.params.favour_nearest)", "sure)"),
        ("a reference that is not there counts", E + "window.py", "sound * there[:, None, None, None]", "sound"),
        ("an exported grey target has colours", E + "window.py", "if model.grey else colours", "if not model else colours"),
        ("singular values in closed form may be below 0", E + "matrices.py", "lengths[0] + lengths[1], second.abs()]",
         "lengths[0] + lengths[1], second]"),
        ("windows that are cut out take others' references", E + "motion.py", "ranks = seen.ranks[frames]",
         "ranks = seen.ranks[: len(frames)]"),
        ("a difference of mattes is not counted", E + "compare.py", "np.concatenate([frame.rgb, frame.matte[..., None]], -1)",
         "np.concatenate([frame.rgb, np.rint(255 * made[3:]).transpose(1, 2, 0)], -1)"),
    ),
    *of("tests/export/test_export.py -k leaves_no_file",
        ("a graph that is wrong is written", E + "write.py", "if found.largest > LIMIT:", "if found.largest > 255:"),
    ),
    *of("tests/export/test_export.py -k other_names",
        ("another pair's motion is taken", "pipeline/command/export.py", "if name not in own:", "if name not in pairs:"),
    ),
    *of("tests/export/test_page.py",
        ("a page's crop lies on the other side", E + "page.py", "[:, 2] - motion.rows[:, :, 2])", "[:, 2] + motion.rows[:, :, 2])"),
        ("a page takes references by their old numbers", E + "page.py", "np.searchsorted(used, ranks))", "ranks + 1)"),
    ),
    *of("tests/body/test_pose_maps.py",
        ("a map for any pose shows limbs that are not seen", B + "pose_maps.py", "(strokes * visible.flatten()[:, None, None])", "strokes"),
    ),
]  # fmt: skip
