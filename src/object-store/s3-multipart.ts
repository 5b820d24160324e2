/**
 * One multipart upload: begun with its first part, several parts in flight, completed as a whole or aborted.
 *
 * Invariant: readers see nothing before the completion and everything after it. A process that dies in between leaves
 * parts that only a life-cycle rule of the bucket removes (AbortIncompleteMultipartUpload): docs ask for one.
 */
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand
} from '@aws-sdk/client-s3'
import { Fault } from '../runtime/fault.ts'
import type { PlannedPart, Source, StoredRange } from './part-planner.ts'
import { checksumOf } from './s3-checksum.ts'
import type { S3Location } from './s3-location.ts'
import type { S3Requests } from './s3-requests.ts'
import { PARTS_MAX, type S3Settings } from './s3-settings.ts'

export interface S3MultipartOptions {
  readonly client: S3Client
  readonly requests: S3Requests
  readonly location: S3Location
  readonly settings: S3Settings
  /** Bytes of the sources, one after the other. */
  readonly gather: (sources: readonly Source[]) => Promise<Buffer>
}

export class S3Multipart {
  readonly #options: S3MultipartOptions

  constructor(options: S3MultipartOptions) {
    this.#options = options
  }

  /** Stores the parts as the object `key`; bytes stored. */
  async upload(key: string, parts: AsyncIterable<PlannedPart>, ifAbsent: boolean): Promise<number> {
    const uploadId = await this.#begin(key)
    try {
      const stored = await this.#storeParts(key, uploadId, parts)
      const size = stored.reduce((sum, part) => sum + part.size, 0)
      await this.#complete(key, uploadId, stored, size, ifAbsent)
      return size
    } catch (error) {
      await this.#abort(key, uploadId)
      throw error
    }
  }

  /** Takes the next part only when one of those in flight is done: that is what bounds memory. */
  async #storeParts(key: string, uploadId: string, parts: AsyncIterable<PlannedPart>): Promise<StoredPart[]> {
    const { settings } = this.#options
    const inFlight = new Set<Promise<void>>()
    const stored: StoredPart[] = []
    let failure: { readonly error: unknown } | undefined
    let number = 0
    const store = async (part: PlannedPart, partNumber: number): Promise<void> => {
      try {
        const completed = await this.#storePart(key, uploadId, part, partNumber)
        stored[partNumber - 1] = { completed, size: part.size }
      } catch (error) {
        failure ??= { error }
      }
    }
    try {
      for await (const part of parts) {
        number++
        if (number > PARTS_MAX) throw new Fault('invalid', `object ${key} needs more than ${PARTS_MAX} parts`)
        const storing = store(part, number).finally(() => inFlight.delete(storing))
        inFlight.add(storing)
        if (inFlight.size >= settings.partsInFlight) await Promise.race(inFlight)
        if (failure !== undefined) throw failure.error
      }
    } finally {
      // Parts that arrive after the abort would stay for ever.
      await Promise.all(inFlight)
    }
    if (failure !== undefined) throw failure.error
    return stored
  }

  async #storePart(key: string, uploadId: string, part: PlannedPart, partNumber: number): Promise<CompletedPart> {
    return part.kind === 'copy'
      ? this.#copyPart(key, uploadId, part.source, partNumber)
      : this.#uploadPart(key, uploadId, await this.#options.gather(part.sources), partNumber)
  }

  async #begin(key: string): Promise<string> {
    const { client, requests, location } = this.#options
    const command = new CreateMultipartUploadCommand({
      ...this.#target(key),
      ...(location.checksum === 'crc32c' && { ChecksumAlgorithm: 'CRC32C', ChecksumType: 'FULL_OBJECT' })
    })
    const attempt = `begin object ${key}`
    const { UploadId } = await requests.run({ counted: 'multipart', attempt, bytes: 0 }, (abortSignal) =>
      client.send(command, { abortSignal })
    )
    if (UploadId === undefined) throw new Fault('unavailable', `${attempt}: the store gave no upload id`)
    return UploadId
  }

  async #uploadPart(key: string, uploadId: string, body: Buffer, partNumber: number): Promise<CompletedPart> {
    const { client, requests, location } = this.#options
    const checksum = checksumOf(body, location)
    const command = new UploadPartCommand({
      ...this.#target(key),
      ...checksum,
      UploadId: uploadId,
      PartNumber: partNumber,
      Body: body,
      ContentLength: body.length
    })
    const { ETag } = await requests.run(
      { counted: 'put', attempt: `put part ${partNumber} of object ${key}`, bytes: body.length },
      (abortSignal) => client.send(command, { abortSignal })
    )
    return { ...checksum, PartNumber: partNumber, ...(ETag !== undefined && { ETag }) }
  }

  async #copyPart(key: string, uploadId: string, source: StoredRange, partNumber: number): Promise<CompletedPart> {
    const { client, requests, location } = this.#options
    const { start, end } = source.range
    const command = new UploadPartCopyCommand({
      ...this.#target(key),
      UploadId: uploadId,
      PartNumber: partNumber,
      CopySource: `${location.bucket}/${encodedPath(location.prefix + source.key)}`,
      CopySourceRange: `bytes=${start}-${end - 1}`
    })
    const { CopyPartResult: result } = await requests.run(
      { counted: 'copy', attempt: `copy [${start}, ${end}) of object ${source.key} to ${key}`, bytes: end - start },
      (abortSignal) => client.send(command, { abortSignal })
    )
    return {
      PartNumber: partNumber,
      ...(result?.ETag !== undefined && { ETag: result.ETag }),
      // Amazon does not need it, versitygw does, although what it gives is the checksum of the whole source.
      ...(result?.ChecksumCRC32C !== undefined && { ChecksumCRC32C: result.ChecksumCRC32C })
    }
  }

  async #complete(
    key: string,
    uploadId: string,
    parts: readonly StoredPart[],
    bytes: number,
    ifAbsent: boolean
  ): Promise<void> {
    const { client, requests } = this.#options
    const command = new CompleteMultipartUploadCommand({
      ...this.#target(key),
      UploadId: uploadId,
      MultipartUpload: { Parts: parts.map((part) => part.completed) },
      // A store that copies less than it was asked for must not get away with it.
      MpuObjectSize: bytes,
      ...(ifAbsent && { IfNoneMatch: '*' })
    })
    await requests.run({ counted: 'multipart', attempt: `put object ${key}`, bytes, once: ifAbsent }, (abortSignal) =>
      client.send(command, { abortSignal })
    )
  }

  /** Best effort: the caller has a better error to tell, and the life-cycle rule is there for what this leaves. */
  async #abort(key: string, uploadId: string): Promise<void> {
    const { client, requests } = this.#options
    const command = new AbortMultipartUploadCommand({ ...this.#target(key), UploadId: uploadId })
    await requests
      .run({ counted: 'multipart', attempt: `abort object ${key}`, bytes: 0 }, (abortSignal) =>
        client.send(command, { abortSignal })
      )
      .catch(() => undefined)
  }

  #target(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#options.location.bucket, Key: this.#options.location.prefix + key }
  }
}

interface StoredPart {
  readonly completed: CompletedPart
  readonly size: number
}

/** The SDK sends CopySource as it is; S3 wants it URL-encoded. */
function encodedPath(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/')
}
