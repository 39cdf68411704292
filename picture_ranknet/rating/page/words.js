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

/** A rating as it is shown and spoken: 3, 3.7, no face, not rated. */
export function ratingName(rating) {
  if (rating == null) return 'not rated';
  if (rating === 'x') return 'not a face';
  return Number.isInteger(rating) ? String(rating) : rating.toFixed(1);
}
