import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Torture messages of RFC 4475 and 5118, kept beside the repository and not in it. */
const root = fileURLToPath(new URL('../../../shared/corpus', import.meta.url))

/** Why tests over them are skipped; false when they are there. */
export const missing: string | false = existsSync(join(root, 'index.tsv')) ? false : `no torture messages at ${root}`

/** File name (`rfc4475/wsinv.dat`) and bytes, in the order of the directories. */
export function tortureMessages(): [name: string, bytes: Uint8Array][] {
  if (missing) return []
  return ['rfc4475', 'rfc5118'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((file): [string, Uint8Array] => [
      `${folder}/${file}`,
      readFileSync(join(root, folder, file)),
    ]),
  )
}
