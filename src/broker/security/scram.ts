/**
 * SCRAM (RFC 5802, with SHA-256: RFC 7677): what both sides reckon, and the messages as they travel. Pure.
 *
 * Names and passwords are taken as their UTF-8 bytes, as Kafka does, and not prepared by SASLprep. No channel binding.
 */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { Fault } from '../../runtime/fault.ts'

export type ScramHash = 'sha1' | 'sha256' | 'sha512'

/** What a server keeps of a password: enough to check it, too little to use it. */
export interface ScramCredential {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** The least that RFC 7677 allows. */
export const ITERATIONS_MIN = 4096

interface ClientFirst {
  /** The header before it, which the last message repeats. */
  readonly header: string
  readonly user: string
  readonly nonce: string
  /** What both sides sign. */
  readonly bare: string
}

interface ServerFirst {
  readonly nonce: string
  readonly salt: Buffer
  readonly iterations: number
}

interface ClientFinal {
  readonly header: string
  readonly nonce: string
  readonly proof: Buffer
  readonly withoutProof: string
}

export function saltedPassword(hash: ScramHash, password: string, salt: Buffer, iterations: number): Buffer {
  return pbkdf2Sync(Buffer.from(password), salt, iterations, createHash(hash).digest().length, hash)
}

export function scramCredential(
  hash: ScramHash,
  password: string,
  salt: Buffer,
  iterations = ITERATIONS_MIN
): ScramCredential {
  const salted = saltedPassword(hash, password, salt, iterations)
  return { salt, iterations, storedKey: digest(hash, clientKeyOf(hash, salted)), serverKey: serverKeyOf(hash, salted) }
}

export function clientKeyOf(hash: ScramHash, salted: Buffer): Buffer {
  return hmac(hash, salted, 'Client Key')
}

export function serverKeyOf(hash: ScramHash, salted: Buffer): Buffer {
  return hmac(hash, salted, 'Server Key')
}

export function digest(hash: ScramHash, bytes: Buffer): Buffer {
  return createHash(hash).update(bytes).digest()
}

export function hmac(hash: ScramHash, key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest()
}

/** Takes as long whatever differs. */
export function isEqual(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

export function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, place) => byte ^ (b[place] ?? 0)))
}

/** A name as it stands in a message: the comma ends it, the equals sign escapes. */
export function escapedName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

const CLIENT_FIRST = /^([ny],(?:a=([^,]+))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]*)*)$/
const SERVER_FIRST = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=(\d{1,9})(?:,[A-Za-z]=[^,]*)*$/
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]*)*),p=([A-Za-z0-9+/=]+)$/
const ESCAPES = /=(?!2C|3D)/

/** Fault `invalid` for what is no such message, as all of these. */
export function parseClientFirst(token: Buffer): ClientFirst {
  const match = CLIENT_FIRST.exec(token.toString())
  if (match === null)
    throw new Fault('invalid', 'the first message of the client is none of SCRAM without channel binding')
  const [, header = '', onBehalf, bare = '', name = '', nonce = ''] = match
  const user = unescapedName(name)
  if (onBehalf !== undefined && unescapedName(onBehalf) !== user) {
    throw new Fault('invalid', 'nobody can act for another here: leave the authorization id out')
  }
  return { header, user, nonce, bare }
}

export function parseServerFirst(token: Buffer): ServerFirst {
  const match = SERVER_FIRST.exec(token.toString())
  if (match === null) throw new Fault('invalid', 'the first message of the server is none of SCRAM')
  const [, nonce = '', salt = '', iterations] = match
  return { nonce, salt: Buffer.from(salt, 'base64'), iterations: Number(iterations) }
}

export function parseClientFinal(token: Buffer): ClientFinal {
  const match = CLIENT_FINAL.exec(token.toString())
  if (match === null) throw new Fault('invalid', 'the last message of the client is none of SCRAM')
  const [, withoutProof = '', header = '', nonce = '', proof = ''] = match
  return {
    header: Buffer.from(header, 'base64').toString(),
    nonce,
    proof: Buffer.from(proof, 'base64'),
    withoutProof
  }
}

function unescapedName(name: string): string {
  if (ESCAPES.test(name)) throw new Fault('invalid', 'a name has an equals sign that is not escaped as =3D')
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=')
}
