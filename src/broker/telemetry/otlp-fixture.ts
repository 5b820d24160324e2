/** For tests: writes OpenTelemetry metrics as Kafka's clients do, field by field. */

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  return Buffer.from([...bytes, rest])
}

function delimited(field: number, bytes: Buffer | string): Buffer {
  const content = Buffer.from(bytes)
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content])
}

function fixed64(field: number, write: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(8)
  write(bytes)
  return Buffer.concat([varint(field * 8 + 1), bytes])
}

function double(field: number, value: number): Buffer {
  return fixed64(field, (bytes) => bytes.writeDoubleLE(value))
}

function attributes(field: number, labels: Readonly<Record<string, string>>): Buffer[] {
  return Object.entries(labels).map(([name, value]) =>
    delimited(field, Buffer.concat([delimited(1, name), delimited(2, delimited(1, value))]))
  )
}

type TestLabels = Readonly<Record<string, string>>

export function gauge(name: string, value: number, labels: TestLabels = {}): Buffer {
  const point = Buffer.concat([double(4, value), ...attributes(7, labels)])
  return metric(name, 5, delimited(1, point))
}

/** `temporality`: 1 delta, 2 cumulative. */
export function counter(name: string, value: bigint, temporality: 1 | 2, labels: TestLabels = {}): Buffer {
  const number = fixed64(6, (bytes) => bytes.writeBigInt64LE(value))
  const sum = [delimited(1, Buffer.concat([number, ...attributes(7, labels)])), varint(16), varint(temporality)]
  return metric(name, 7, Buffer.concat([...sum, varint(24), varint(1)]))
}

export function histogram(name: string, bounds: readonly number[], counts: readonly number[], sum: number): Buffer {
  const words = (values: readonly number[], write: (bytes: Buffer, value: number) => void) =>
    Buffer.concat(
      values.map((value) => {
        const bytes = Buffer.alloc(8)
        write(bytes, value)
        return bytes
      })
    )
  const point = Buffer.concat([
    double(5, sum),
    delimited(
      6,
      words(counts, (bytes, value) => bytes.writeBigUInt64LE(BigInt(value)))
    ),
    delimited(
      7,
      words(bounds, (bytes, value) => bytes.writeDoubleLE(value))
    )
  ])
  return metric(name, 9, Buffer.concat([delimited(1, point), varint(16), varint(1)]))
}

function metric(name: string, field: number, data: Buffer): Buffer {
  return Buffer.concat([delimited(1, name), delimited(2, 'what it means'), delimited(field, data)])
}

/** `MetricsData` of one client. */
export function metricsData(metrics: readonly Buffer[], resource: TestLabels = {}): Buffer {
  const scope = Buffer.concat(metrics.map((one) => delimited(2, one)))
  return delimited(1, Buffer.concat([delimited(1, Buffer.concat(attributes(1, resource))), delimited(2, scope)]))
}
