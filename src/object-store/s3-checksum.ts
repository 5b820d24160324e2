/** The CRC-32C with which the server checks a body: computed natively, sent as a signed header. */
import { crc32c } from '@node-rs/crc32'
import type { S3Location } from './s3-location.ts'

/** Big-endian and base64, as `x-amz-checksum-crc32c` wants it; nothing when the location switches checksums off. */
export function checksumOf(body: Buffer, location: S3Location): { readonly ChecksumCRC32C?: string } {
  if (location.checksum === 'none') return {}
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32c(body))
  return { ChecksumCRC32C: checksum.toString('base64') }
}
