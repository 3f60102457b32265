"""``report.html``: one file that needs nothing else, light and dark, on screen and on paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from wsvad.evaluate import heatmaps, timelines
from wsvad.evaluate.charts import Line, chart, interval_bar
from wsvad.evaluate.definitions import DEFINITIONS
from wsvad.evaluate.frames import Pictures
from wsvad.evaluate.gather import VideoResult, displayed_size, view_of
from wsvad.evaluate.svg import count, number, text

Document = Mapping[str, Any]
HEADLINES = (
    "frame_auc",
    "frame_ap",
    "anomalous_auc",
    "video_auc",
    "region_auc",
    "pointing_clips",
    "rbdc",
    "false_alarm_rate",
)
KINDS = ("normal", "anomalous")
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SHORT = {"pointing_clips": "Pointing", "anomalous_auc": "Anomalous videos AUC"}


@dataclass(frozen=True)
class PageInput:
    """What the page is drawn from."""

    document: Document
    """What ``report.json`` says."""
    results: Sequence[VideoResult]
    pictures: Pictures
    features_config: Mapping[str, Any]


def page(given: PageInput) -> str:
    """Return the whole HTML document."""
    document = given.document
    style = resources.files("wsvad.evaluate").joinpath("page.css").read_text(encoding="utf-8")
    body = "".join(
        [
            _header(document),
            _warnings(document),
            _headlines(document),
            _curves(document),
            _categories(document),
            _timelines(given),
            _heatmaps(given),
            _videos(document),
            _metrics(document),
            _origin(document),
        ]
    )
    title = text(f"{document['title']} · wsvad evaluation")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{title}</title><style>{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def _section(name: str, note: str, body: str) -> str:
    said = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{text(name)}</h2>{said}{body}</section>"


def _header(document: Document) -> str:
    videos = document["videos"]
    facts = [
        f"{count(videos['evaluated'], 'videos')} of split {document['split']}",
        f"{videos['anomalous']} anomalous, {videos['normal']} normal",
        f"frame truth: {document['options']['truth_mode']}",
        str(document["created_utc"]),
    ]
    return (
        f'<header><p class="kicker">wsvad evaluation</p><h1>{text(document["title"])}</h1>'
        f'<p class="facts">{"".join(f"<span>{text(fact)}</span>" for fact in facts)}</p></header>'
    )


def _warnings(document: Document) -> str:
    loud = "".join(f'<p class="banner">{text(w)}</p>' for w in document["warnings"])
    notes = document["notes"]
    quiet = (
        f'<details class="notes"><summary>{count(len(notes), "notes")} on the data</summary><ul>'
        + "".join(f"<li>{text(note)}</li>" for note in notes)
        + "</ul></details>"
        if notes
        else ""
    )
    return loud + quiet


def _headlines(document: Document) -> str:
    cards = []
    for name in HEADLINES:
        metric, what = document["metrics"][name], DEFINITIONS[name]
        value = metric["value"]
        spread = metric["interval"]
        if value is None:
            inner = f'<p class="big">–</p><p class="why">{text(metric["reason"])}</p>'
        else:
            said = f"{number(spread[0])} – {number(spread[1])}" if spread else "no interval"
            inner = (
                f'<p class="big">{number(value)}</p>{interval_bar(value, spread, metric["chance"])}'
                f'<p class="spread">{said}</p>'
            )
        better = "" if what.higher_is_better else '<span class="tag">lower is better</span>'
        title = text(SHORT.get(name, what.title))
        cards.append(f'<div class="card" title="{text(what.text)}"><h3>{title}{better}</h3>{inner}</div>')
    level = f"{document['options']['level']:.0%}"
    note = (
        f"Bars: {level} bootstrap intervals over videos; ticks: chance. "
        f"Threshold {document['options']['threshold']:g} where a figure needs one."
    )
    return _section("At a glance", text(note), f'<div class="cards">{"".join(cards)}</div>')


def _curves(document: Document) -> str:
    curves, metrics = document["curves"], document["metrics"]

    def lines(kind: str, named: dict[str, tuple[str, str, str]]) -> list[Line]:
        return [
            Line(label, style, [(x, y) for x, y in curves[key]], metrics[metric]["value"])
            for key, (label, style, metric) in named.items()
            if key in curves
        ]

    roc = lines(
        "roc", {"frame_roc": ("frames, AUC", "a", "frame_auc"), "region_roc": ("cuboids, AUC", "b", "region_auc")}
    )
    pr = lines("pr", {"frame_pr": ("frames, AP", "a", "frame_ap"), "region_pr": ("cuboids, AP", "b", "region_ap")})
    found = lines("dc", {"rbdc": ("regions, RBDC", "a", "rbdc"), "tbdc": ("tracks, TBDC", "b", "tbdc")})
    parts = []
    if roc:
        diagonal = [Line("chance", "", [(0, 0), (1, 1)])]
        parts.append(chart("ROC", "false alarm rate", "detection rate", roc, diagonal))
    if pr:
        shares = [(m["chance"], s) for m, s in ((metrics["frame_ap"], "a"), (metrics["region_ap"], "b"))]
        chance = [Line("chance", style, [(0, share), (1, share)]) for share, style in shares if share is not None]
        parts.append(chart("Precision and recall", "recall", "precision", pr, chance))
    if found:
        parts.append(chart("Detection in the picture", "false positives per frame", "detected", found, []))
    return _section("Curves", "", f'<div class="charts">{"".join(parts)}</div>') if parts else ""


def _categories(document: Document) -> str:
    rows = document["categories"]
    if not rows:
        return ""
    body = "".join(
        f'<tr><td>{text(row["category"])}</td><td class="n">{row["anomalous_videos"]}</td>'
        f"{_figure(row['frame_auc'])}{_figure(row['anomalous_auc'])}{_figure(row['frame_ap'])}</tr>"
        for row in rows
    )
    note = "Frame AUC and AP: the category's anomalous videos against all normal videos. Within: its own videos only."
    head = "<th>Category</th><th class=n>Videos</th><th>Frame AUC</th><th>Within</th><th>Frame AP</th>"
    return _section("By category", text(note), f"<div class=wide><table><tr>{head}</tr>{body}</table></div>")


def _figure(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None:
        return f'<td class="none" title="{text(metric["reason"])}">–</td>'
    spread = metric["interval"]
    said = f"<small>{number(spread[0], 2)} – {number(spread[1], 2)}</small>" if spread else ""
    return f"<td><b>{number(metric['value'])}</b> {said}{interval_bar(metric['value'], spread, metric['chance'])}</td>"


def _timelines(given: PageInput) -> str:
    rows = given.document["per_video"]
    threshold = given.document["options"]["threshold"]
    low = min(float(r.scores.score_T.min()) for r in given.results)
    high = max(float(r.scores.score_T.max()) for r in given.results)
    scale = timelines.common_scale(low, high)
    groups = []
    for name, members in timelines.choose(given.results, rows):
        if members:
            strips = "".join(timelines.strip(given.results[n], rows[n], scale, threshold) for n in members)
            groups.append(f'<h3>{text(name)}</h3><div class="strips">{strips}</div>')
    shown = (
        "Score of each clip over time; the bands are the truth, the dashed line is the threshold. "
        f"Vertical axis from {scale[0]:.2f} to {scale[1]:.2f}, the same for all."
    )
    return _section("Over time", text(shown), "".join(groups))


def _heatmaps(given: PageInput) -> str:
    rows = given.document["per_video"]
    chosen = heatmaps.choose(given.results, rows)
    if not chosen:
        return ""
    peaks = [_peak_scores(given.results[n]) for n in chosen]
    scale = timelines.common_scale(min(float(p.min()) for p in peaks), max(float(p.max()) for p in peaks))
    parts = []
    for n in chosen:
        result = given.results[n]
        width, height = displayed_size(result.record, result.scores)
        view = view_of(given.features_config, width, height) if width and height else None
        frame = given.pictures.get(result.record.video_id)
        parts.append(heatmaps.picture(result, rows[n], view, scale, frame))
    note = (
        "The frame in the middle of each video's highest clip under its 49 cuboid scores "
        f"(clear: {scale[0]:.2f}, full: {scale[1]:.2f}). The outlined cell is the strongest; dashed boxes are the "
        "truth of that frame. A hit: the strongest cuboid of the video holds a box."
    )
    return _section("Where in the picture", text(note), f'<div class="heats">{"".join(parts)}</div>')


def _peak_scores(result: VideoResult) -> np.ndarray:
    cuboids = result.scores.cuboid_scores_TK
    return np.zeros(1) if cuboids is None else np.asarray(cuboids[result.peak_clip])


def _videos(document: Document) -> str:
    rows = "".join(
        f"<tr><td class=id>{text(row['video_id'])}</td><td>{text(row['category'] or KINDS[row['label']])}</td>"
        f"<td class=n>{row['frames']:,}</td><td class=n>{_whole(row['anomalous_frames'])}</td>"
        f"<td class=n>{number(row['max_score'])}</td><td class=n>{number(row['mean_score'])}</td>"
        f"<td class=n>{number(row['frame_auc'])}</td><td class=n>{number(row['temporal_iou'])}</td>"
        f"<td class=n>{number(row['pointing_peak'], 2)}</td></tr>"
        for row in document["per_video"]
    )
    head = "<th>Video<th>Kind<th class=n>Frames<th class=n>Anomalous<th class=n>Peak<th class=n>Mean<th class=n>Own AUC"
    table = f"<table class=compact><tr>{head}<th class=n>Temporal IoU<th class=n>Pointing</tr>{rows}</table>"
    number_of = count(len(document["per_video"]), "videos")
    return _section(
        "Every video", "", f"<details><summary>Table of {number_of}</summary><div class=wide>{table}</div></details>"
    )


def _whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _metrics(document: Document) -> str:
    rows = []
    for name, what in DEFINITIONS.items():
        metric = document["metrics"][name]
        spread = metric["interval"]
        said = f"{number(spread[0])} – {number(spread[1])}" if spread else ""
        over = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in metric["counts"].items())
        why = f"<br><em>{text(metric['reason'])}</em>" if metric["reason"] else ""
        rows.append(
            f"<tr><td><b>{text(what.title)}</b><br><code>{name}</code></td>"
            f"<td class=n><b>{number(metric['value'])}</b><br><small>{said}</small></td>"
            f"<td class=n>{number(metric['chance'])}</td><td>{text(what.text)} 1 means: {text(what.one_means)}. "
            f"<small>Source: {text(what.source)}. Over {text(over)}.</small>{why}</td></tr>"
        )
    head = "<th>Metric</th><th class=n>Value</th><th class=n>Chance</th><th>What it is</th>"
    return _section("All figures", "", f"<div class=wide><table><tr>{head}</tr>{''.join(rows)}</table></div>")


def _origin(document: Document) -> str:
    shown = {key: document[key] for key in ("command", "inputs", "options", "versions", "identity")}
    dump = json.dumps(shown, indent=1, ensure_ascii=False)
    return _section(
        "Where it comes from",
        "Inputs with their digests, options, versions. The same in <code>report.json</code>.",
        f"<details><summary>Show</summary><pre>{_lines(dump)}</pre></details>",
    )


def _lines(dump: str) -> str:
    return "\n".join(text(line) for line in dump.split("\n"))
