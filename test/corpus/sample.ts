/**
 * A message in the manner of a real product, written for these tests: header order, compact forms, spacing and habits are theirs,
 * names and addresses are not. `fields` lists every address-bearing place in order, as `header[index].part host:port`.
 */
export interface Sample {
  readonly name: string
  /** Bytes, line ends included. */
  readonly bytes: Uint8Array
  readonly method: string
  readonly statusCode: number
  readonly fields: readonly string[]
  /** m= sections of the session descriptions, as `type port address`. */
  readonly media: readonly string[]
}

/** Joins lines with CRLF; `{length}` in the head becomes the body's length. */
export function compose(head: string, body = ''): Uint8Array {
  const content = crlf(body)
  return Buffer.from(`${crlf(head).replace('{length}', String(content.length))}\r\n${content}`, 'latin1')
}

function crlf(text: string): string {
  const lines = text.trim() === '' ? [] : text.replace(/^\n/, '').replace(/\n *$/, '').split('\n')
  return lines.map((line) => `${line}\r\n`).join('')
}

/** One of a product's messages. */
export function sample(
  name: string,
  method: string,
  statusCode: number,
  fields: string,
  media: readonly string[],
  head: string,
  body = '',
): Sample {
  const places = fields.trim() === '' ? [] : fields.trim().split(/\s*\n\s*/)
  return { name, bytes: compose(head, body), method, statusCode, fields: places, media }
}
