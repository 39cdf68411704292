// Numbers in words.

export function count(n, noun) {
  return `${n.toLocaleString()} ${noun}${n === 1 ? '' : 's'}`;
}

export function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}

export function duration(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} hours`;
}

/** A time in a video: 0:05, 1:02:03. */
export function clock(seconds) {
  const [hours, minutes, rest] = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(Math.floor);
  const pad = n => String(n).padStart(2, '0');
  return hours ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** A rating as it is shown and spoken: 3, 3.7, no face, not rated. */
export function ratingName(rating) {
  if (rating == null) return 'not rated';
  if (rating === 'x') return 'not a face';
  return Number.isInteger(rating) ? String(rating) : rating.toFixed(1);
}
