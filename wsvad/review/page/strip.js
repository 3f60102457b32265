"use strict";
// Frames of a clip or pictures of a film strip by presentation times, because frame rates can vary.
(function (R) {
  // Index of the frame displayed at this time; times are ascending.
  R.frameAt = (times, seconds) => {
    let [low, high, found] = [0, times.length - 1, 0];
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= seconds + 0.0006) [found, low] = [middle, middle + 1];
      else high = middle - 1;
    }
    return found;
  };

  // A film strip played like a clip. Returns {seek, toggle, frame, speed, stop}.
  R.stripPlayer = (element, sheet, start, emit, playing) => {
    const times = sheet.times_s;
    let at = R.frameAt(times, start);
    let rate = 1;
    let timer = 0;
    element.style.backgroundImage = `url(${JSON.stringify(sheet.src)})`;
    element.style.backgroundSize = `${sheet.columns * 100}% ${sheet.rows * 100}%`;
    const share = (index, all) => (all > 1 ? (index / (all - 1)) * 100 : 0);
    const show = (next) => {
      at = R.clamp(next, 0, times.length - 1);
      element.style.backgroundPosition = `${share(at % sheet.columns, sheet.columns)}% ${share(Math.floor(at / sheet.columns), sheet.rows)}%`;
      emit(times[at]);
    };
    const stop = () => {
      clearTimeout(timer);
      timer = 0;
      playing(false);
    };
    const run = () => {
      if (at >= times.length - 1) return stop();
      const wait = (times[at + 1] - times[at]) / rate; // in the time of the video, but long gaps are shortened
      timer = setTimeout(() => {
        show(at + 1);
        run();
      }, R.clamp(wait, 0.04, 1) * 1000);
      return undefined;
    };
    show(at);
    return {
      seek: (seconds) => show(R.frameAt(times, seconds)),
      toggle: () => {
        if (timer) return stop();
        if (at >= times.length - 1) show(R.frameAt(times, start));
        playing(true);
        return run();
      },
      frame: (by) => {
        if (timer) stop();
        show(at + by);
      },
      speed: (value) => (rate = value),
      stop,
    };
  };

  // A clip in a <video>. The time shown is that of the frame on the screen, as the browser reports it.
  R.clipPlayer = (video, clip, start, emit, playing, failed) => {
    const times = clip.times_s && clip.times_s.length ? clip.times_s : null;
    let presented = null;
    let wish = null; // target for the next seek after the current one
    let stepped = null;
    let wanted = null; // {index, tries} of the target frame of a seek
    let ended = false;
    let handle = 0;
    let standing = false; // whether the start of the event is displayed; earlier frames are ignored
    let last = null;

    // Seek late within a frame: Chromium assumes at least the container's default duration per frame, so if frames are
    // shorter, an earlier time still displays the previous frame.
    const inside = (seconds) => {
      if (!times) return seconds - clip.start_s + 0.001;
      const index = R.frameAt(times, seconds);
      const next = index + 1 < times.length ? times[index + 1] : times[index] + 0.02;
      return times[index] + 0.8 * (next - times[index]) - clip.start_s;
    };
    const jump = (target) => {
      const last = Number.isFinite(video.duration) ? Math.max(0, video.duration - 0.001) : Infinity;
      target = R.clamp(target, 0, last);
      if (video.seeking) wish = target;
      else video.currentTime = target;
    };
    const go = (seconds) => {
      wanted = times ? { index: R.frameAt(times, seconds), tries: 0 } : null;
      jump(inside(seconds));
    };
    // If the displayed frame is not the target, retry a few milliseconds later.
    const settle = () => {
      if (ended || !video.paused || video.seeking || presented === null) return;
      if (!wanted) return emit(presented);
      const by = wanted.index - R.frameAt(times, presented);
      if (by === 0 || wanted.tries++ > 12) {
        wanted = null;
        emit(presented);
      } else jump(video.currentTime + Math.sign(by) * 0.005);
    };
    const shown = (media) => {
      if (ended) return;
      presented = clip.start_s + media;
      stepped = null;
      emit(presented);
    };
    const tick = (_, frame) => {
      last = frame.mediaTime;
      if (standing) shown(last);
      handle = video.requestVideoFrameCallback(tick);
    };
    const listen = {
      loadedmetadata: () => {
        video.defaultMuted = video.muted = true;
        go(start);
        if (R.setting("autoplay", false) && !R.still()) video.play().catch(() => {});
      },
      seeked: () => {
        if (wish !== null) {
          const target = wish;
          wish = null;
          video.currentTime = target;
        } else if (!video.requestVideoFrameCallback) shown(video.currentTime);
        else {
          standing = true;
          if (presented === null && last !== null && wanted && R.frameAt(times, clip.start_s + last) === wanted.index) shown(last);
          setTimeout(() => {
            if (presented === null && last !== null) presented = clip.start_s + last; // the position was already displayed
            settle();
          }, 60); // time for the frame to be presented
        }
      },
      timeupdate: () => video.requestVideoFrameCallback || shown(video.currentTime),
      play: () => {
        wanted = null;
        playing(true);
      },
      pause: () => playing(false),
      ended: () => playing(false),
      error: () => ended || failed(video.error),
    };
    for (const name of Object.keys(listen)) video.addEventListener(name, listen[name]);
    if (video.requestVideoFrameCallback) handle = video.requestVideoFrameCallback(tick);
    if (video.error) failed(video.error);
    else if (video.readyState >= 1) listen.loadedmetadata();

    return {
      seek: go,
      toggle: () => {
        if (!video.paused) return video.pause();
        if (video.ended) go(start);
        return video.play().catch(() => {});
      },
      frame: (by) => {
        video.pause();
        const now = presented ?? start;
        if (times) return go(times[R.clamp((wanted ? wanted.index : R.frameAt(times, now)) + by, 0, times.length - 1)]);
        stepped = (stepped ?? now) + by * 0.04; // increases until another frame is displayed
        return go(stepped);
      },
      speed: (value) => (video.playbackRate = value),
      stop: () => {
        ended = true;
        if (handle) video.cancelVideoFrameCallback(handle);
        for (const name of Object.keys(listen)) video.removeEventListener(name, listen[name]);
        video.pause();
        video.removeAttribute("src");
        video.load(); // releases the decoder
      },
    };
  };
})(window.Review);
