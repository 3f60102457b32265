"""Checks of installed software: versions, the build of torch, FFmpeg's decoders, CUDA devices, embedded weights."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

import wsvad
from wsvad.doctor.report import Check, Value
from wsvad.errors import UsageError, WeightsError

PACKAGES = ("torch", "ray", "av", "pyarrow", "s3fs", "numpy", "safetensors")
DECODERS = ("h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg")
_INSTALL = "reinstall: pip install -c constraints.txt ."

# torch and av are imported inside functions, so that a broken build is reported as a failed check.


def check_versions() -> Check:
    """Check the versions of Python, wsvad and its main dependencies against the declared ranges."""
    versions: dict[str, Value] = {"python": platform.python_version(), "wsvad": wsvad.__version__}
    missing, outside = [], []
    ranges = _declared_ranges()
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        versions[name] = version
        # GPU images have their own builds with local labels (+cu128) or pre-release versions.
        if name in ranges and not ranges[name].specifier.contains(version.split("+")[0], prereleases=True):
            outside.append(f"{name} {version} is outside {ranges[name].specifier}")
    summary = ", ".join(f"{name} {version}" for name, version in versions.items())
    if missing:
        return Check("versions", "fail", f"{summary}; missing: {', '.join(missing)}", _INSTALL, versions)
    if outside:
        return Check("versions", "warn", f"{summary}; {'; '.join(outside)}", _INSTALL, versions)
    return Check("versions", "ok", summary, data=versions)


def _declared_ranges() -> dict[str, Requirement]:
    """Return the declared ranges; empty if wsvad is not installed but runs from a job's working directory."""
    try:
        declared = metadata.requires("wsvad") or []
    except metadata.PackageNotFoundError:
        return {}
    return {requirement.name: requirement for requirement in map(Requirement, declared)}


def check_torch() -> Check:
    """Check the build of torch: its device type, and oneDNN, which fast CPU inference needs."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Check("torch", "fail", f"torch cannot be imported: {error}", _INSTALL)
    build = (
        f"CUDA {torch.version.cuda}"
        if torch.version.cuda
        else f"ROCm {torch.version.hip}"
        if torch.version.hip
        else "CPU"
    )
    mkldnn = torch.backends.mkldnn.is_available()
    capability = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    data: dict[str, Value] = {"build": build, "mkldnn": mkldnn, "cpu_capability": capability, "threads": threads}
    summary = f"{torch.__version__}, {build} build, oneDNN {'yes' if mkldnn else 'no'}, {capability}, {threads} threads"
    if not mkldnn:
        remedy = "use an official build of torch; without oneDNN the model is several times slower on a CPU"
        return Check("torch", "warn", summary, remedy, data)
    return Check("torch", "ok", summary, data=data)


def check_devices(devices: Path = Path("/dev")) -> Check:
    """Check which CUDA devices torch can use, or why it cannot use those of the machine."""
    try:
        import torch
    except (ImportError, OSError):
        return Check("devices", "fail", "unknown, torch cannot be imported", _INSTALL)
    if torch.cuda.is_available():
        return _cuda_devices()
    cards = sorted(path.name for path in devices.glob("nvidia[0-9]*"))
    data: dict[str, Value] = {"cuda": [], "device_files": [*cards]}
    if not cards:
        return Check("devices", "ok", "CPU; no CUDA device on this machine", data=data)
    if torch.version.cuda is None:
        summary = f"CPU; this machine has {len(cards)} NVIDIA device(s), but torch is built without CUDA"
        return Check("devices", "warn", summary, "install a CUDA build of torch", data)
    summary = f"CPU; this machine has {len(cards)} NVIDIA device(s), but CUDA {torch.version.cuda} cannot use them"
    return Check("devices", "warn", summary, "compare `nvidia-smi` (driver) with the build; CUDA_VISIBLE_DEVICES", data)


def _cuda_devices() -> Check:
    import torch

    found: list[Value] = []
    lines = []
    try:
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            capability = f"{properties.major}.{properties.minor}"
            found.append({"name": properties.name, "memory": properties.total_memory, "capability": capability})
            lines.append(f"{properties.name} ({properties.total_memory / (1 << 30):.0f} GiB, sm {capability})")
    except RuntimeError as error:
        remedy = "run `nvidia-smi` to check that the device is healthy and free"
        return Check("devices", "fail", f"CUDA is available but does not start: {str(error).splitlines()[0]}", remedy)
    return Check("devices", "ok", "CUDA: " + ", ".join(lines), data={"cuda": found})


def check_weights() -> Check:
    """Check the embedded weights, and whether optical flow is available."""
    try:
        from wsvad.backbones.embedded import embedded_weights, has_embedded_weights
        from wsvad.backbones.shipped import NAME
    except (ImportError, OSError) as error:
        return Check("weights", "fail", f"unknown, torch cannot be imported: {error}", _INSTALL)
    from wsvad.video import require_flow

    try:
        require_flow("tvl1")
        flow, flow_text = True, "optical flow is available"
    except UsageError:
        flow, flow_text = False, "no optical flow (pip install 'wsvad[flow]')"
    data: dict[str, Value] = {"embedded": None, "flow": flow}
    if not has_embedded_weights():
        return Check("weights", "warn", f"{NAME}: not in this installation; {flow_text}", _INSTALL, data)
    try:
        digest = embedded_weights().digest
    except WeightsError as error:
        return Check("weights", "fail", str(error), _INSTALL, data)
    return Check("weights", "ok", f"{NAME} ({digest[:19]}) is embedded; {flow_text}", data=data | {"embedded": digest})


def check_ffmpeg() -> Check:
    """Check the FFmpeg build in PyAV, and which common camera codecs it can decode."""
    try:
        import av
        import av.codec
    except (ImportError, OSError) as error:
        return Check("ffmpeg", "fail", f"PyAV cannot be imported: {error}", _INSTALL)
    decoders: dict[str, Value] = {}
    for name in DECODERS:
        try:
            decoders[name] = av.codec.Codec(name, "r").name
        except ValueError:  # av.codec.codec.UnknownCodecError
            decoders[name] = None
    libraries: dict[str, Value] = {
        name: ".".join(map(str, numbers)) for name, numbers in sorted(av.library_versions.items())
    }
    data: dict[str, Value] = {"ffmpeg": av.ffmpeg_version_info, "libraries": libraries, "decoders": decoders}
    missing = [name for name, decoder in decoders.items() if decoder is None]
    present = ", ".join(name for name in DECODERS if name not in missing)
    summary = f"FFmpeg {av.ffmpeg_version_info} in PyAV {av.__version__}, decodes {present or 'nothing'}"
    if missing:
        remedy = "use the wheel of PyAV: pip install --only-binary av av"
        return Check(
            "ffmpeg", "fail" if "h264" in missing else "warn", f"{summary}; not {', '.join(missing)}", remedy, data
        )
    return Check("ffmpeg", "ok", summary, data=data)
