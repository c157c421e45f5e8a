"""Faults in files, params, stages and what interrupts them."""

from planted.fault import of

FAULTS = [
    *of("tests/test_interrupts.py",
        ("Ctrl+C is held for ever", "pipeline/interrupts.py", "if signal.getsignal(signal.SIGINT) is _end:", "if False:"),
        ("Ctrl+C is held whoever imports", "pipeline/interrupts.py", 'if sys.argv[:1] == ["-m"] and ', "if "),
    ),
    *of("tests/video/test_footage.py -k 'whatever or videos_name'",
        ("a cut JPEG is filled with grey", "pipeline/video/opening.py", 'if container.format.name.endswith(PICTURES):', "if False:"),
        ("a TIFF is one by its name alone", "pipeline/video/pictures.py", "in IMAGE_SUFFIXES or is_tiff(path)", "in IMAGE_SUFFIXES"),
    ),
    *of("tests/test_params.py",
        ("a target's overrides are ignored", "pipeline/params.py", "merged = _merge(values, over)", "merged = _merge(values, {})"),
        ("an override replaces its whole section", "pipeline/params.py", "merged[key] = _merge(merged[key], value) if both else value",
         "merged[key] = value"),
    ),
    *of("tests/test_dvc_laws.py tests/test_house.py -k 'declared or params or depends'",
        ("a param left out of dvc.yaml", "dvc.yaml", 'params: [frames, "clips.${key}"]', "params: [frames]"),
        ("a dep left out of dvc.yaml: the clip's video", "dvc.yaml",
         'data/code/extract_frames.sha256, "${item.video}"', "data/code/extract_frames.sha256"),
        ("a stage of other code", "dvc.yaml", "data/names.ok, data/code/keep_references.sha256, \"data/frames/${item.clip}.zarr\"",
         "data/names.ok, data/code/find_references.sha256, \"data/frames/${item.clip}.zarr\""),
    ),
    *of("tests/test_closure.py tests/test_record.py tests/check/test_check.py",
        ("what an import imports is not listed", "pipeline/imports.py", "            waiting.append(other)", "            pass"),
        ("code edited since its listing is run", "pipeline/record.py", "        if record.stale:", "        if False:"),
        ("listed code may change while it runs", "pipeline/record.py",
         "for text in texts for path in listed(text))]", "for text in () for path in listed(text))]"),
    ),
]  # fmt: skip
