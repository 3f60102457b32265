"use strict";
// Formatting of times: offsets in a video, and times in the camera's time zone and in UTC.
(function (R) {
  const two = (number) => String(number).padStart(2, "0");

  // 83.4 -> "1:23.4"; hours only if needed
  R.offset = (seconds, digits = 1) => {
    if (!R.isNumber(seconds)) return "–";
    const unit = 10 ** digits;
    const ticks = Math.round(Math.abs(seconds) * unit);
    const whole = Math.floor(ticks / unit);
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    const rest = digits ? "." + String(ticks % unit).padStart(digits, "0") : "";
    return (seconds < 0 ? "−" : "") + (h ? `${h}:${two(m)}` : m) + ":" + two(s) + rest;
  };

  R.length = (seconds) => {
    if (!R.isNumber(seconds)) return "–";
    if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
    return `${(seconds / 3600).toFixed(1)} h`;
  };

  const formats = new Map();
  const format = (zone) => {
    if (!formats.has(zone)) {
      const wanted = { hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit" };
      try {
        const made = { ...wanted, minute: "2-digit", second: "2-digit", timeZone: zone };
        formats.set(zone, new Intl.DateTimeFormat("en-GB", made));
      } catch {
        formats.set(zone, null); // time zone unknown to this browser
      }
    }
    return formats.get(zone);
  };

  const parts = (date, zone) => {
    const made = format(zone);
    if (!made) return null;
    const found = new Map(made.formatToParts(date).map((part) => [part.type, part.value]));
    const [y, mo, d, h, mi, s] = ["year", "month", "day", "hour", "minute", "second"].map((name) => found.get(name));
    return { day: `${y}-${mo}-${d}`, time: `${h}:${mi}:${s}` };
  };

  // {day, time, zone} of a time for this camera, or null if it is unknown
  R.instant = (utc, zone) => {
    const date = utc ? new Date(utc) : null;
    if (!date || Number.isNaN(date.getTime())) return null;
    const local = zone ? parts(date, zone) : null;
    return local ? { ...local, zone } : { ...parts(date, "UTC"), zone: "UTC" };
  };

  R.when = (event) => {
    const place = R.instant(event.start_utc, R.camera(event).time_zone);
    if (place) return { main: place.time, side: place.day, zone: place.zone, full: `${place.day} ${place.time} ${place.zone}` };
    const at = R.offset(event.start_s, 0);
    return { main: at, side: event.day || "into the video", full: `${event.day ? event.day + ", " : ""}${at} into the video` };
  };

  R.utc = (utc) => {
    const place = R.instant(utc, null);
    return place ? `${place.day} ${place.time} UTC` : "";
  };
})(window.Review);
