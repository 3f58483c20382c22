// Numbers as people read them.

const COUNT = new Intl.NumberFormat("en");

/** "1 sound", "1,200 sounds". */
export function count(number, one, many = `${one}s`) {
  return `${COUNT.format(number)} ${number === 1 ? one : many}`;
}

export const number = (value) => COUNT.format(value);

/** Seconds as a time code: 0:07.2, 1:02:03.5; tenths are cut, as players do. */
export function timecode(seconds) {
  const tenths = Math.floor(Math.max(seconds, 0) * 10 + 1e-6);
  const whole = Math.floor(tenths / 10);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const minutes = h ? `${h}:${String(m).padStart(2, "0")}` : String(m);
  return `${minutes}:${String(s).padStart(2, "0")}.${tenths % 10}`;
}

/** "7", "1:30.5" or "1:02:03" -> seconds; null where it is none. */
export function seconds(text) {
  const parts = text.trim().split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d+)?$/.test(part))) return null;
  return parts.reduce((total, part) => total * 60 + Number(part), 0);
}

/** A length for reading: "3.0 s", "4:10", "1:02:03". */
export function length(seconds_) {
  return seconds_ < 60 ? `${seconds_.toFixed(1)} s` : timecode(seconds_).slice(0, -2);
}

export function bytes(size) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const step = size < 1000 ? 0 : Math.min(Math.floor(Math.log10(size) / 3), units.length - 1);
  const value = size / 1000 ** step;
  return `${value < 10 && step ? value.toFixed(1) : Math.round(value)} ${units[step]}`;
}

/** Hours of media: "61 hours", "0.4 hours", "2 minutes". */
export function hours(value) {
  if (value < 0.1) return count(Math.round(value * 60), "minute");
  return value < 10 ? `${value.toFixed(1)} hours` : count(Math.round(value), "hour");
}

/** A hit as the shell takes it: FILE@SECONDS gives back exactly this moment. */
export function fileAt(path, start_s) {
  return `${path}@${Number(start_s.toFixed(6))}`;
}
