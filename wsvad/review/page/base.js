"use strict";
// The only global object of the page, and helpers independent of events. Python joins all scripts into one.
window.Review = (function () {
  const R = {};
  Object.assign(R, window.htmPreact); // html, render, Component, useState, useEffect, useLayoutEffect, useRef, useMemo

  R.clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  R.by = (id) => document.getElementById(id);
  R.isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  R.plural = (count, one, many) => `${R.whole(count)} ${count === 1 ? one : many || one + "s"}`;
  R.whole = (count) => count.toLocaleString("en-US");
  R.classes = (...names) => names.filter(Boolean).join(" ");
  R.score = (value) => (R.isNumber(value) ? value.toFixed(2) : "–");
  R.signed = (value) => (R.isNumber(value) ? (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2) : "–");

  // Control and bidirectional characters in file names are shown as escapes, and long text is truncated.
  const ODD = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu;
  R.text = (value, most = 300) => {
    const whole = String(value ?? "");
    const cut = whole.length > most ? whole.slice(0, most) + "…" : whole;
    return cut.replace(ODD, (odd) => "\\u" + odd.charCodeAt(0).toString(16).padStart(4, "0"));
  };

  R.uuid = () => {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is not available over plain http from another machine
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  };

  // FNV-1a hash: a pseudo-random order that is the same for every reviewer.
  R.shuffled = (text) => {
    let hash = 0x811c9dc5;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return hash >>> 0;
  };

  // Settings stored in this browser. If storage is blocked, they last until the page is closed.
  const kept = new Map();
  R.setting = (name, fallback) => {
    if (kept.has(name)) return kept.get(name);
    try {
      const text = localStorage.getItem("wsvad-review:" + name);
      return text === null ? fallback : JSON.parse(text);
    } catch {
      return fallback;
    }
  };
  R.keep = (name, value) => {
    kept.set(name, value);
    try {
      localStorage.setItem("wsvad-review:" + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  };

  // Simultaneous messages are announced together; clearing the text first makes repeated messages audible.
  let words = [];
  R.announce = (text) => {
    if (!words.length) {
      R.by("announcer").textContent = "";
      setTimeout(() => {
        R.by("announcer").textContent = words.join(" ");
        words = [];
      }, 60);
    }
    words.push(text);
  };

  R.still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  R.theme = (choice) => {
    if (choice) R.keep("theme", choice);
    const chosen = R.setting("theme", "auto");
    if (chosen === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    window.dispatchEvent(new Event("review-theme"));
    return chosen;
  };

  // Numeric styles are set by script, because the content security policy forbids style attributes.
  R.vars = (values) => (element) => {
    if (element) for (const name of Object.keys(values)) element.style.setProperty(name, values[name]);
  };

  R.download = (name, type, text) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };
  return R;
})();
