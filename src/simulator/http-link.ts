/** A simulated device's HTTP side: one record as JSON, several as NDJSON, one request at a time. */
import { type DeviceCredentials, type DeviceLink, type GatewayAddress, RefusedError } from './device-link.ts'

interface BatchAnswer {
  readonly error?: { readonly code: string; readonly message: string }
  readonly lines?: readonly { readonly result: string }[]
}

const newline = Buffer.from('\n')

export class HttpLink implements DeviceLink {
  readonly #url: string
  readonly #token: string
  #request = new AbortController()

  constructor(address: GatewayAddress, credentials: DeviceCredentials) {
    this.#url = `http://${address.host}:${address.httpPort}/v1/telemetry`
    this.#token = credentials.token
  }

  async open(): Promise<void> {}

  async send(payloads: readonly Buffer[], acknowledged: (index: number) => void): Promise<void> {
    this.#request = new AbortController()
    const [single] = payloads.length === 1 ? payloads : []
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#token}`,
        'content-type': single ? 'application/json' : 'application/x-ndjson'
      },
      body: single ?? Buffer.concat(payloads.flatMap((payload) => [payload, newline])),
      signal: this.#request.signal
    })
    const answer = (await response.json()) as BatchAnswer
    if (response.ok) {
      for (const index of payloads.keys()) acknowledged(index)
      return
    }
    const refused = answer.lines?.findIndex(({ result }) => result === 'refused') ?? 0
    for (let index = 0; index < refused; index++) acknowledged(index)
    throw new RefusedError(`${response.status} ${answer.error?.code}: ${answer.error?.message}`)
  }

  drop(): void {
    this.#request.abort()
  }

  async close(): Promise<void> {}
}
