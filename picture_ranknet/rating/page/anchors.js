// One example picture for each rating, kept beside its key, so that a 4 means the same all day.

export class Anchors {
  /**
   * @param {Map<number, number|string>} ratings - Of rows; watched, not copied.
   * @param {number[]} rows - Those rated last, the oldest first.
   */
  constructor(ratings, rows) {
    this.ratings = ratings;
    this.rows = new Map();
    for (const row of [...rows, ...ratings.keys()]) this.add(row);
  }

  /** The row that stands for a rating, or undefined; another one than `except`. */
  of(rating, except) {
    const row = this.rows.get(rating);
    if (row === undefined) return undefined;
    const isRated = this.ratings.get(row) === rating;
    if (isRated && row !== except) return row;
    const other = [...this.ratings].find(([r, value]) => value === rating && r !== except)?.[0];
    if (!isRated) {  // it was rated anew
      if (other === undefined) this.rows.delete(rating);
      else this.rows.set(rating, other);
    }
    return other;
  }

  add(row) {
    const rating = this.ratings.get(row);
    if (Number.isInteger(rating) && this.of(rating) === undefined) this.rows.set(rating, row);
  }
}
