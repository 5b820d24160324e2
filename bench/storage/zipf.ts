/** Uneven rates, as a fleet's topics have them: stream i gets a share proportional to 1 / (i + 1). */
export function zipfPicker(count: number, random: () => number): () => number {
  const cumulative: number[] = []
  let sum = 0
  for (let i = 0; i < count; i++) {
    sum += 1 / (i + 1)
    cumulative.push(sum)
  }
  return () => {
    const wanted = random() * sum
    let low = 0
    let high = count - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((cumulative[middle] as number) < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
