import { text } from '../base/ascii.js'
import { NameIndex } from '../base/name-index.js'

/** The methods of RFC 3261, 3262, 3311, 3428, 3515, 3903, 6086, 6665. */
const methods = [
  'INVITE',
  'ACK',
  'BYE',
  'CANCEL',
  'REGISTER',
  'OPTIONS',
  'PRACK',
  'UPDATE',
  'SUBSCRIBE',
  'NOTIFY',
  'PUBLISH',
  'MESSAGE',
  'REFER',
  'INFO',
] as const

const index = new NameIndex(methods.map((method) => method.toLowerCase()))

/** The method that bytes[start, end) spell; known ones share one string. Methods are case-sensitive (RFC 3261 7.1). */
export function methodText(bytes: Uint8Array, start: number, end: number): string {
  const row = index.find(bytes, start, end)
  const method = row < 0 ? undefined : methods[row]!
  return method !== undefined && isUpper(bytes, start, end) ? method : text(bytes, start, end)
}

function isUpper(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i]! > 90) return false
  return true
}
